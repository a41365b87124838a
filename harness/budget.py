"""How long to train: a number of steps, epochs or minutes."""

import re

from ricercar.errors import InputError

_LEAST_SHARE = 1e-3  # of a budget in minutes, for the first step: nobody knows yet how long one takes


class Budget:
    """The share of a training budget that is spent.

    text   "300 steps", "20 epochs" or "2.5 minutes"; the space may be left out.
           An epoch is as many windows as cover the training tracks once.
    """

    def __init__(self, text: str, steps_per_epoch: float) -> None:
        found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(step|epoch|minute)s?\s*", text)
        amount = float(found[1]) if found else 0.0
        if found is None or amount <= 0:
            raise InputError(f"trainer.budget={text!r}: expected something like 300steps, 20epochs or 2.5minutes.")
        unit = found[2]
        self.max_s = amount * 60.0 if unit == "minute" else None
        self.max_steps = {"step": amount, "epoch": amount * steps_per_epoch}.get(unit)

    @property
    def reproducible(self) -> bool:
        """Whether steps and learning rates are the same whatever the clock says."""
        return self.max_s is None

    def ahead(self, step: int, elapsed_s: float) -> float:
        """-> the share in (0, 1] that will be spent once the next step is done, by the pace so far."""
        least_s = _LEAST_SHARE * (self.max_s or 0.0)
        return self.progress(step + 1, max(least_s, elapsed_s * (step + 1) / max(step, 1)))

    def progress(self, step: int, elapsed_s: float) -> float:
        """-> share in [0, 1] of the budget that `step` steps in `elapsed_s` seconds have spent."""
        if self.max_steps is not None:
            return min(1.0, step / self.max_steps)
        assert self.max_s is not None
        return min(1.0, elapsed_s / self.max_s)
