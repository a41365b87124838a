"""Alignment: mir_eval's scores, sequences that cannot be compared, the file, the baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest

from configs import option
from ricercar.data.annotations.alignment import Alignment as AlignmentAnnotation
from ricercar.errors import InputError
from ricercar.tasks.alignment import Alignment
from ricercar.tasks.scoring import Clip


def make(**protocol: Any) -> Alignment:
    default = option("task", "alignment").protocol
    return Alignment(protocol={**default, **protocol})


def of(*time_s: float) -> AlignmentAnnotation:
    return AlignmentAnnotation.make(time_s)


def score(
    reference: AlignmentAnnotation, estimate: AlignmentAnnotation, duration_s: float = 0, **protocol: Any
) -> dict[str, float]:
    """duration_s: of the recording, which counts; 0: it does not."""
    scoring = make(duration="recording" if duration_s else "events", **protocol)
    scores = scoring.score(scoring.of_recording(reference, duration_s), estimate)
    return {name.removeprefix("alignment/"): value for name, value in scores.items()}


@pytest.mark.parametrize("duration_s", [0, 70.0])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_mir_eval(seed: int, duration_s: float) -> None:
    random = np.random.default_rng(seed)
    a = np.sort(random.uniform(0, 60, 50))
    b = np.sort((a + random.normal(0, 0.3, 50)).clip(0))
    expected = mir_eval.alignment.evaluate(a, b, duration=duration_s or None)
    assert score(of(*a), of(*b), duration_s=duration_s) == expected


def test_scores_by_hand() -> None:
    """Errors of 0, 0.1, 0.3 and 1.6 s. Overlaps of the segments: 0.9 of 1, 0.8 of 1, 1 of 2."""
    scores = score(of(1, 2, 3, 5), of(1, 2.1, 3.25, 6.6))
    assert scores["pc"] == 0.75
    assert scores["mae"] == pytest.approx(0.175)
    assert scores["aae"] == pytest.approx(1.95 / 4)
    assert scores["pcs"] == pytest.approx((1.0 + 0.9 + 1.75) / 4)


def test_median_is_not_moved_by_one_lost_event() -> None:
    scores = score(of(1, 2, 3), of(1, 2, 90))
    assert (scores["mae"], scores["aae"]) == (0.0, 29.0)


def test_window() -> None:
    assert score(of(1, 2), of(1.25, 2.5))["pc"] == 0.5
    assert score(of(1, 2), of(1.25, 2.5), window_s=0.2)["pc"] == 0
    assert score(of(1, 2), of(1.25, 2.5), window_s=0.5)["pc"] == 1


def test_duration_counts_the_stretches_before_and_after() -> None:
    """The last event is 1 s late in 10 s."""
    assert score(of(2, 4), of(2, 5), duration_s=10)["pcs"] == pytest.approx(0.9)
    assert score(of(2, 4), of(2, 5))["pcs"] == 1.0


def test_different_numbers_of_events() -> None:
    with pytest.raises(InputError, match="estimate has 3 events, the reference 2"):
        score(of(1, 2), of(1, 2, 3))
    with pytest.raises(InputError, match="estimate has 1 events, the reference 0"):
        score(of(), of(1))


@pytest.mark.parametrize(("side", "times"), [("reference", ([1, 9], [1, 2])), ("estimate", ([1, 2], [1, 9]))])
def test_event_after_the_duration(side: str, times: tuple[list[float], list[float]]) -> None:
    with pytest.raises(InputError, match=f"{side}, at 9 s, .*end of the recording, at 5 s"):
        score(of(*times[0]), of(*times[1]), duration_s=5)


def test_one_event() -> None:
    scores = score(of(1), of(1))
    assert np.isnan(scores.pop("pcs"))
    assert scores == {"pc": 1.0, "mae": 0.0, "aae": 0.0, "perceptual": pytest.approx(0.96, abs=0.01)}
    assert score(of(1), of(1), duration_s=2)["pcs"] == 1.0


@pytest.mark.parametrize(
    ("rule", "best", "least"), [("one", 1.0, 0.0), ("exclude", np.nan, np.nan)], ids=["one", "exclude"]
)
def test_no_events(rule: str, best: float, least: float) -> None:
    expected = {"pc": best, "mae": least, "aae": least, "pcs": best, "perceptual": best}
    assert score(of(), of(), empty=rule) == pytest.approx(expected, nan_ok=True)
    assert list(expected) == list(score(of(1), of(1)))


@pytest.mark.parametrize("protocol", [{"window_s": -1}, {"duration": "all"}, {"empty": "zero"}])
def test_wrong_options_name_the_value(protocol: dict[str, Any]) -> None:
    [name] = protocol
    with pytest.raises(InputError, match=rf"task\.protocol\.{name}={protocol[name]!r}"):
        make(**protocol)


# --- the file ---


def test_events_are_read(tmp_path: Path) -> None:
    path = tmp_path / "song.txt"
    path.write_text("# a song\n0.5\tGood morning\n0.5\t2 you\n1.25 !\n")
    alignment = AlignmentAnnotation.read(path)
    assert (alignment.time_s.tolist(), alignment.event) == ([0.5, 0.5, 1.25], ("Good morning", "2 you", "!"))
    assert alignment.stretched(2.0).time_s.tolist() == [1.0, 1.0, 2.5]
    path.write_text("0.5,a\n1,b, c\n")
    assert AlignmentAnnotation.read(path).event == ("a", "b, c")


# --- the baseline ---


@dataclass(frozen=True)
class Told(Clip):
    """A clip of which the events are known, without their times."""

    given: Any = None


def test_linear() -> None:
    reference = AlignmentAnnotation(np.array([1.0, 3.9]), ("you", "too"))
    given = make().given(reference)
    assert given.text() == AlignmentAnnotation(np.zeros(2), ("you", "too")).text()
    audio = np.zeros(64000, np.float32)
    estimate = Alignment.baselines["linear"]([of(1)])(Told("a", audio, 16000, given))
    assert isinstance(estimate, AlignmentAnnotation)
    assert estimate.time_s.tolist() == [1.0, 3.0]
    assert score(reference, estimate)["pc"] == 0.5


def test_linear_without_the_events_takes_the_usual_number() -> None:
    clip = Clip("a", np.zeros(64000, np.float32), 16000)
    estimate = Alignment.baselines["linear"]([of(1, 2), of(*range(9)), of(1)])(clip)
    assert isinstance(estimate, AlignmentAnnotation)
    assert estimate.time_s.tolist() == [1.0, 3.0]
    assert len(Alignment.baselines["linear"]([])(clip)) == 0  # type: ignore[arg-type]
