"""The learning-rate range test (Smith 2017, arXiv 1506.01186): the loss while the rate grows, and a rate to take."""

import csv
import io
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ricercar.data.files import write_text
from ricercar.errors import InputError
from ricercar.harness.trackers.tracker import Tracker

log = logging.getLogger(__name__)
LOWEST, HIGHEST = 1e-6, 1.0  # learning rate
_SMOOTHING = 0.9  # of a moving average that is divided by the sum of its weights, as Adam's
_TOO_HIGH = 4.0  # times the lowest loss so far: the test ends


@dataclass(frozen=True)
class Curve:
    """Of each step: learning rate, loss, and the moving average of losses."""

    rates: list[float]
    losses: list[float]
    smoothed: list[float]

    @property
    def suggested(self) -> float | None:
        """A tenth of the rate at which the average was lowest; None where it never fell."""
        lowest = min(range(len(self.smoothed)), key=self.smoothed.__getitem__)
        return self.rates[lowest] / 10 if lowest > 0 else None

    def write(self, folder: Path) -> None:
        """lr_finder.csv and lr_finder.png"""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["learning_rate", "loss", "smoothed_loss"])
        rows.writerows(zip(self.rates, self.losses, self.smoothed, strict=True))
        try:
            write_text(folder / "lr_finder.csv", text.getvalue())
            self._draw(folder / "lr_finder.png")
        except OSError as error:
            raise InputError(f"cannot write the learning-rate test into {folder}: {error.strerror}.") from error

    def _draw(self, path: Path) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="0.8", label="loss")
        axes.plot(self.rates, self.smoothed, color="C0", label="moving average")
        if self.suggested is not None:
            axes.axvline(self.suggested, color="C1", label=f"suggested: {self.suggested:.2g}")
        axes.set(xscale="log", xlabel="optimizer.lr", ylabel="training loss", ylim=(None, 1.5 * self.smoothed[0]))
        axes.legend()
        FigureCanvasAgg(figure).print_png(str(path))  # type: ignore[no-untyped-call]

    def log(self, tracker: Tracker) -> None:
        for step, values in enumerate(zip(self.rates, self.losses, self.smoothed, strict=True), 1):
            names = ("learning_rate", "loss", "smoothed_loss")
            tracker.log(step, {f"lr_finder/{name}": value for name, value in zip(names, values, strict=True)})


def range_test(num_steps: int, loss_at: Callable[[int, float], float]) -> Curve:
    """The rate grows from 1e-6 to 1, by the same factor in each step, until the loss is four times the lowest.

    loss_at   (number of the step, learning rate) -> loss of a training step with that rate
    """
    curve = Curve([], [], [])
    average = 0.0
    for step in range(num_steps):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, num_steps - 1))
        loss = loss_at(step, rate)
        if not math.isfinite(loss):
            break
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        curve.rates.append(rate)
        curve.losses.append(loss)
        curve.smoothed.append(average / (1 - _SMOOTHING ** (step + 1)))
        if curve.smoothed[-1] > _TOO_HIGH * min(curve.smoothed):
            break
    if not curve.rates:
        raise InputError("trainer.find_lr: the loss is not finite from the first step on, at any learning rate.")
    return curve


def tell(curve: Curve, configured: float, folder: Path) -> None:
    """One line: the rate that is suggested, beside that which stays."""
    if curve.suggested is None:
        log.warning("learning-rate test: the loss never fell; see %s", folder / "lr_finder.png")
        return
    log.info(
        "learning-rate test: optimizer.lr=%.1e is suggested, a tenth of where the loss was lowest; it stays %.1e (%s)",
        curve.suggested,
        configured,
        folder / "lr_finder.png",
    )
