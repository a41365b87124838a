"""The references and estimates that mir_eval tests itself with: read as by eval.py, they have mir_eval's scores."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import soundfile

from configs import make_task
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments
from ricercar.tasks.scale import of_mir_eval
from ricercar.tasks.scoring import Scoring

PAIRS = Path(__file__).parent / "mir_eval_pairs"

# The task that scores a module, where that is not its name.
TASKS = {"transcription": "notes", "transcription_velocity": "notes", "hierarchy": "segment"}

# What the default protocol of a task does otherwise than mir_eval.
AS_MIR_EVAL: Mapping[str, dict[str, Any]] = {
    "chord": {"incomparable": "mir_eval"},
    "separation": {"permutation": "best", "limit_db": 1000},
    "tempo": {"single_tempo": "mir_eval"},
}


def make(module: str, **protocol: Any) -> Scoring:
    name = TASKS.get(module, module)
    made: Scoring = make_task(name, **{**AS_MIR_EVAL.get(name, {}), **protocol})
    return made


def scored(module: str, reference: Path, estimate: Path) -> dict[str, float]:
    """As eval.py predictions=... does."""
    scoring = make(module)
    known = scoring.reference({scoring.annotation.name: scoring.annotation.read(reference)})
    assert known is not None
    return scoring.score(known, scoring.annotation.read(estimate))


def of_module(module: str, scores: Mapping[str, float], names: Mapping[str, float]) -> dict[str, float]:
    """Our scores by mir_eval's names, which may have _ for a space here."""
    ours = {name.replace(" ", "_"): value for name, value in scores.items()}
    return {name: ours[f"{module}/{name.replace(' ', '_')}"] for name in names}


def as_numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """mir_eval's tempo has true and false."""
    return {name: float(value) for name, value in scores.items()}


def files(module: str, number: str) -> tuple[Path, Path, Path]:
    [reference], [estimate] = ((PAIRS / module).glob(f"{side}{number}*") for side in ("ref", "est"))
    return reference, estimate, PAIRS / module / f"output{number}.json"


# --- mir_eval, from files ---

Evaluate = Callable[[Path, Path], Mapping[str, float]]
io = mir_eval.io


def from_values(module: Any, load: Callable[[Path], Any]) -> Evaluate:
    """For modules that take what one loader gives for each side."""
    return lambda reference, estimate: module.evaluate(load(reference), load(estimate))


def from_pairs(module: Any, load: Callable[[Path], tuple[Any, Any]]) -> Evaluate:
    return lambda reference, estimate: module.evaluate(*load(reference), *load(estimate))


def tempo(reference: Path, estimate: Path) -> Mapping[str, float]:
    found: Mapping[str, float] = mir_eval.tempo.evaluate(*io.load_tempo(reference), io.load_tempo(estimate)[0])
    return found


MIR_EVAL: Mapping[str, Evaluate] = {
    "alignment": from_values(mir_eval.alignment, io.load_events),
    "beat": from_values(mir_eval.beat, io.load_events),
    "chord": from_pairs(mir_eval.chord, io.load_labeled_intervals),
    "key": from_values(mir_eval.key, io.load_key),
    "melody": from_pairs(mir_eval.melody, io.load_time_series),
    "multipitch": from_pairs(mir_eval.multipitch, io.load_ragged_time_series),
    "onset": from_values(mir_eval.onset, io.load_events),
    "pattern": from_values(mir_eval.pattern, io.load_patterns),
    "segment": from_pairs(mir_eval.segment, io.load_labeled_intervals),
    "tempo": tempo,
    "transcription": from_pairs(mir_eval.transcription, io.load_valued_intervals),
}
NUMBERS = [
    (module, path.stem.removeprefix("output"))
    for module in MIR_EVAL
    for path in sorted((PAIRS / module).glob("output*.json"))
]


@pytest.mark.parametrize(("module", "number"), NUMBERS)
def test_scores_are_those_of_mir_eval(module: str, number: str) -> None:
    """Those that its own tests expect, and those that it gives when called directly."""
    reference, estimate, output = files(module, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        direct = as_numbers(MIR_EVAL[module](reference, estimate))
    scores = scored(module, reference, estimate)
    for expected in (as_numbers(json.loads(output.read_text())), direct):
        assert of_module(module, scores, expected) == pytest.approx(expected, abs=1e-9, rel=0, nan_ok=True)


# How synchronous a listener finds it: a perfect alignment has 0.96, one that is a little early 1.
NOT_THE_BEST = ("alignment/perceptual",)


@pytest.mark.parametrize(("module", "number"), [*NUMBERS, ("transcription_velocity", "1"), ("separation", "01")])
def test_nothing_is_better_than_the_reference_itself(module: str, number: str, tmp_path: Path) -> None:
    """By each metric's own direction, and within its bounds."""
    reference, estimate, output = files(module, number)
    if module == "transcription_velocity":
        reference, estimate = as_table(reference, tmp_path), as_table(estimate, tmp_path)
    scoring, perfect, spoiled = make(module), scored(module, reference, reference), scored(module, reference, estimate)
    ordered = [name for name in perfect if scoring.scale(name).better is not None and name not in NOT_THE_BEST]
    gains = {name: scoring.scale(name).sign * (perfect[name] - spoiled[name]) for name in ordered}
    assert {name: gain for name, gain in gains.items() if gain < -1e-9} == {}
    for scores in (perfect, spoiled):
        assert {name: x for name, x in scores.items() if not scoring.scale(name).holds(x, 1e-9)} == {}
    if module != "separation":  # the files have BSS Eval's own names
        names = [f"{module}/{name.replace(' ', '_')}" for name in json.loads(output.read_text())]
        assert [name for name in names if of_mir_eval(name) is None] == []


def test_of_hierarchies_nothing_is_better_than_the_reference_itself() -> None:
    scoring = make("hierarchy", hierarchy_frame_size_s=0.5)
    reference, estimate = hierarchies()
    perfect, spoiled = scoring.score(reference, reference), scoring.score(reference, estimate)
    assert all(scoring.scale(name).sign * (perfect[name] - spoiled[name]) >= -1e-9 for name in perfect)
    assert all(scoring.scale(name).holds(spoiled[name], 1e-9) for name in spoiled)


# --- modules with files of their own kind ---


def levels(side: str) -> list[Path]:
    return sorted((PAIRS / "hierarchy").glob(f"{side}*.lab"))


def hierarchies() -> tuple[Hierarchy, Hierarchy]:
    """A file for each level."""
    a, b = (Hierarchy(tuple(Segments.read(path) for path in levels(side))) for side in ("ref", "est"))
    return a, b


@pytest.mark.parametrize("window_s", [5, 30])
def test_expected_scores_of_hierarchies(window_s: int) -> None:
    expected = json.loads((PAIRS / "hierarchy" / f"output_w={window_s:02d}.json").read_text())
    scores = make("hierarchy", hierarchy_window_s=window_s).score(*hierarchies())
    assert of_module("hierarchy", scores, expected) == pytest.approx(expected, abs=1e-9, rel=0)


def test_scores_of_hierarchies_by_mir_eval_called_directly() -> None:
    sides = [tuple(zip(*map(io.load_labeled_intervals, levels(side)), strict=True)) for side in ("ref", "est")]
    expected = mir_eval.hierarchy.evaluate(*map(list, sides[0] + sides[1]), frame_size=0.5)
    scores = make("hierarchy", hierarchy_frame_size_s=0.5).score(*hierarchies())
    assert of_module("hierarchy", scores, expected) == pytest.approx(expected, abs=1e-9, rel=0)


def as_table(path: Path, folder: Path) -> Path:
    """Rows of onset, offset, MIDI number and velocity need a header here, or they were read as Hz."""
    table = folder / f"{path.stem}.tsv"
    table.write_text("onset\toffset\tpitch\tvelocity\n" + path.read_text())
    return table


def test_transcription_velocity(tmp_path: Path) -> None:
    reference, estimate, output = files("transcription_velocity", "1")
    sides = []
    for path in (reference, estimate):
        start, end, midi, velocity = (np.array(x) for x in io.load_delimited(path, [float, float, int, int]))
        # mir_eval's matching depends on the order of the rows; Notes have this one.
        order = np.lexsort((velocity, end, midi, start))
        sides.append([np.stack([start, end], axis=1)[order], midi[order], velocity[order]])
    with_midi_as_hz = mir_eval.transcription_velocity.evaluate(*sides[0], *sides[1])
    assert set(with_midi_as_hz) == set(json.loads(output.read_text()))
    in_hz = [[intervals, mir_eval.util.midi_to_hz(midi), velocity] for intervals, midi, velocity in sides]
    expected = mir_eval.transcription_velocity.evaluate(*in_hz[0], *in_hz[1])
    scores = scored("transcription_velocity", as_table(reference, tmp_path), as_table(estimate, tmp_path))
    assert of_module("transcription_velocity", scores, expected) == pytest.approx(expected, abs=1e-9, rel=0)


def stacked(folder: Path) -> Any:
    return np.stack([soundfile.read(path)[0] for path in sorted(folder.glob("*.wav"))])


@pytest.mark.parametrize("number", ["01", "09"])
def test_separation(number: str) -> None:
    """09 has one source: nothing can interfere, mir_eval's SIR is infinite and ours is excluded."""
    reference, estimate, output = files("separation", number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        *direct, _ = mir_eval.separation.bss_eval_sources(stacked(reference), stacked(estimate))
    expected = json.loads(output.read_text())
    scores = scored("separation", reference, estimate)
    for measure, name, values in zip(("SDR", "SIR", "SAR"), expected, direct, strict=False):
        ours = scores[f"separation/{measure}"]
        if np.isinf(values).all():
            assert np.isnan(ours)
            continue
        assert ours == pytest.approx(np.mean(values), abs=1e-9)
        assert ours == pytest.approx(np.mean(expected[name]), abs=1e-2)  # of BSS Eval in Matlab


def test_all_modules_are_here() -> None:
    folders = {path.name for path in PAIRS.iterdir() if path.is_dir()}
    assert folders == {*MIR_EVAL, "hierarchy", "transcription_velocity", "separation"}
