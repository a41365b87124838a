"""Several pitches at a time: mir_eval's scores to the last bit, references from notes, targets and baselines."""

import csv
import math
import os
import warnings
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from omegaconf import OmegaConf

from configs import option
from note_examples import make as make_notes_task
from ricercar.data.annotations.multipitch import Multipitch as MultipitchAnnotation
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.tasks.multipitch import Multipitch
from ricercar.tasks.multipitch.scoring import at_times_of, num_correct, score_multipitch
from ricercar.tasks.scoring import Clip

FPS = 50.0


def make(**changes: Any) -> Multipitch:
    """The task of conf/task/multipitch.yaml; protocol__hop_s=0.02 changes a value inside a group."""
    options = option("task", "multipitch")
    for name, value in changes.items():
        OmegaConf.update(options, name.replace("__", "."), value)
    made = OmegaConf.to_container(options)
    assert isinstance(made, dict)
    return Multipitch(**{str(name): value for name, value in made.items() if name != "_target_"})


def hz(midi: Any) -> NDArray[np.float64]:
    return np.asarray(440.0 * 2.0 ** ((np.asarray(midi, dtype=np.float64) - 69) / 12))


def pitches(rows: list[Any], time_s: ArrayLike | None = None) -> MultipitchAnnotation:
    """MIDI numbers of each row."""
    times = np.round(np.arange(len(rows)) * 0.01, 6) if time_s is None else time_s
    return MultipitchAnnotation.make(times, [hz(row) for row in rows])


def frames(annotation: MultipitchAnnotation) -> list[NDArray[np.float64]]:
    return np.split(annotation.frequency_hz, np.cumsum(annotation.count)[:-1])


def mir_eval_scores(reference: MultipitchAnnotation, estimate: MultipitchAnnotation, window: float) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = mir_eval.multipitch.evaluate(
            reference.time_s, frames(reference), estimate.time_s, frames(estimate), window=window
        )
    return {f"multipitch/{name.replace(' ', '_')}": score for name, score in scores.items()}


def random_pitches(
    random: np.random.Generator, time_s: NDArray[np.float64], low: float, high: float, grid: float, most: int
) -> MultipitchAnnotation:
    """Up to `most` pitches in a row, on a grid of semitones (0: anywhere), some of them unisons."""
    rows = [random.uniform(low, high, int(random.integers(0, most + 1))) for _ in time_s]
    return pitches([np.round(row / grid) * grid if grid else row for row in rows], time_s)


# --- scores ---


@pytest.mark.parametrize("window", [0.5, 1.0, 0.3])
@pytest.mark.parametrize("grid", [0.0, 0.125, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(("low", "high"), [(59.0, 62.0), (50.0, 75.0), (28.0, 105.0)])
def test_scores_are_those_of_mir_eval(low: float, high: float, grid: float, window: float) -> None:
    """Rows with chains of near pitches, pitches at the tolerance, unisons and nothing; times of its own for half."""
    for seed in range(7):
        random = np.random.default_rng(seed)
        time_s = np.arange(20, dtype=np.float64) * 0.01
        own_s = time_s if seed % 2 else np.sort(random.uniform(-0.02, 0.25, int(random.integers(1, 30))).clip(0.001))
        own_s = np.unique(np.round(own_s, 6))
        reference = random_pitches(random, time_s, low, high, grid, most=7)
        estimate = random_pitches(random, own_s, low, high, grid, most=8)
        scores = score_multipitch(reference, estimate, window)
        expected = mir_eval_scores(reference, estimate, window)
        assert {name: scores[name] for name in expected} == expected, seed
        assert len(expected) == 14


@pytest.mark.parametrize(
    ("reference", "estimate"),
    [
        ([60, 61, 62, 63, 64], [60.5, 61.5, 62.5, 63.5, 64.5]),  # a chain at the tolerance
        ([60, 60.5, 61], [60.25, 60.25, 60.25]),  # unisons
        ([60, 60.4, 60.8], [60.6, 61, 59.7]),
        ([71.8, 60.1, 83.9], [59.9, 72.2, 48]),  # chroma around C
        ([59.5, 71.5], [60, 24.5]),
        ([60], []),
        ([], [60, 72]),
        ([], []),
    ],
)
def test_frames_by_frames_as_mir_eval(reference: list[float], estimate: list[float]) -> None:
    a, b = pitches([reference, [], [40], reference]), pitches([estimate, [50], [40], reference])
    expected = mir_eval_scores(a, b, 0.5)
    scores = score_multipitch(a, b, 0.5)
    assert {name: scores[name] for name in expected} == expected


def test_counts_by_hand() -> None:
    """60.4 can take 60 or 60.8, but 60.1 only 60: two matches, which one after the other might miss."""
    a, b = pitches([[60, 60.8], [60]]), pitches([[60.4, 60.1], [72]])
    assert num_correct(a, b, 0.5, chroma=False).tolist() == [2, 0]
    assert num_correct(a, b, 0.5, chroma=True).tolist() == [2, 1]
    scores = score_multipitch(a, b, 0.5)
    assert scores["multipitch/F-measure"] == pytest.approx(2 / 3)
    assert scores["multipitch/Accuracy"] == 2 / 4
    assert scores["multipitch/Substitution_Error"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_f_measure_ranks_as_accuracy_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (random_pitches(random, np.linspace(0, 1, 50), 50, 60, 1.0, most=5) for _ in range(2))
    scores = score_multipitch(a, b, 0.5)
    f = scores["multipitch/F-measure"]
    assert scores["multipitch/Accuracy"] == pytest.approx(f / (2 - f))


def test_an_estimate_is_taken_at_the_nearest_time() -> None:
    own = pitches([[60], [61, 62], []], [0.1, 0.2, 0.3])
    found = at_times_of(pitches([[]] * 6, [0.05, 0.11, 0.16, 0.24, 0.3, 0.31]), own)
    assert found.count.tolist() == [0, 1, 2, 2, 0, 0]
    np.testing.assert_allclose(found.frequency_hz, hz([60, 61, 62, 61, 62]))


NONE = pitches([[], []])


@pytest.mark.parametrize(("empty", "expected"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", math.nan)])
@pytest.mark.parametrize("estimate", [NONE, pitches([])])
def test_both_empty(empty: str, expected: float, estimate: MultipitchAnnotation) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make(protocol__empty=empty).score(NONE, estimate)
    assert scores["multipitch/F-measure"] == pytest.approx(expected, nan_ok=True)
    assert scores["multipitch/Chroma_Recall"] == pytest.approx(expected, nan_ok=True)
    assert scores["multipitch/Total_Error"] == pytest.approx(math.nan if empty == "exclude" else 0.0, nan_ok=True)


@pytest.mark.parametrize(
    ("reference", "estimate"), [(pitches([[60]]), NONE), (NONE, pitches([[60]])), (pitches([]), NONE)]
)
def test_one_side_empty_scores_zero(reference: MultipitchAnnotation, estimate: MultipitchAnnotation) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert make().score(reference, estimate)["multipitch/F-measure"] == 0.0


# --- references ---

SOME_NOTES = Notes.make(
    onset_s=[0.0, 0.02, 0.03],
    offset_s=[0.03, 0.04, 0.05],
    pitch=[60, 64, 40],
    program=[0, 0, DRUMS],
    pedalled_offset_s=[0.05, 0.04, 0.05],
)


@pytest.mark.parametrize(
    ("pedal", "expected"),
    [("extend", [[60], [60], [60, 64], [60, 64], [60], []]), ("ignore", [[60], [60], [60, 64], [64], []])],
)
def test_reference_from_notes(pedal: str, expected: list[list[int]]) -> None:
    found = make(protocol__pedal=pedal).reference({"notes": SOME_NOTES})
    assert found is not None
    assert found.text() == pitches(expected).text()


def test_reference_from_notes_off_the_grid() -> None:
    """Two of 30 cents apart are two; one that is there twice is one."""
    notes = Notes.make([0.0, 0.0, 0.01, 0.01], [0.03, 0.02, 0.02, 0.03], [60.3, 60.6, 60.3, 47.25])
    found = make().reference({"notes": notes})
    assert found is not None
    assert found.text() == pitches([[60.3, 60.6], [47.25, 60.3, 60.6], [47.25, 60.3], []]).text()


def test_own_annotation_comes_before_notes() -> None:
    own = pitches([[50]])
    assert make().reference({"notes": SOME_NOTES, "multipitch": own}) is own
    assert make().reference({}) is None
    assert make().training_annotation({"notes": SOME_NOTES}) is SOME_NOTES


@pytest.mark.parametrize("seed", range(5))
def test_notes_score_as_in_the_notes_task(seed: int) -> None:
    """Whose frames last until the end of both sides: here both end together."""
    random = np.random.default_rng(seed)

    def notes() -> Notes:
        onset_s = np.append(random.uniform(0, 5, 60), 5.0)
        return Notes.make(
            onset_s, np.append(onset_s[:-1] + random.uniform(0.1, 0.9, 60), 6.0), random.integers(50, 62, 61)
        )

    a, b = notes(), notes()
    task = make()
    expected = make_notes_task().score(a, b)
    scores = task.score(task.reference({"notes": a}), task.reference({"notes": b}))
    assert scores == {name: expected[name] for name in scores}


# --- targets and decoding ---


def test_targets_are_shares_of_frames() -> None:
    """Frame 1 lasts from 10 to 30 ms; a note from 25 ms on takes a quarter of it."""
    notes = Notes.make([0.025], [0.07], [60])
    found = make().encode(notes, 0.0, 5, FPS)["frame"]
    assert found[:, 60 - 21].tolist() == [0, 0.25, 1, 1, 0]
    assert np.count_nonzero(found) == 3
    for pitch in (59.6, 60.4):
        assert make().encode(notes.transposed(pitch - 60), 0.0, 5, FPS)["frame"].tolist() == found.tolist()


def test_targets_of_rows_are_those_of_the_nearest_semitone() -> None:
    """Rows every 10 ms; semitones outside of the outputs are left out; silence where there are no rows."""
    found = make().encode(pitches([[60.4, 61.6, 20, 110]] * 6 + [[]] * 2), 0.0, 8, FPS)["frame"]
    assert np.flatnonzero(found.any(axis=0)).tolist() == [60 - 21, 62 - 21]
    assert found[:, 60 - 21].tolist() == found[:, 62 - 21].tolist() == [1, 1, 1, 0.25, 0, 0, 0, 0]


@pytest.mark.parametrize("start_s", [0.0, 0.31, 2.0])
def test_rows_and_notes_teach_the_same(start_s: float) -> None:
    """But for the step of the rows, which is half of a frame."""
    random = np.random.default_rng(0)
    onset_s = random.uniform(0, 4, 40)
    notes = Notes.make(onset_s, onset_s + random.uniform(0.1, 0.9, 40), random.integers(30, 90, 40))
    task = make()
    by_notes = task.encode(notes, start_s, 100, FPS)["frame"]
    by_rows = task.encode(task.reference({"notes": notes}), start_s, 100, FPS)["frame"]
    assert np.abs(by_notes - by_rows).max() <= 0.5
    assert np.abs(by_notes - by_rows).mean() < 0.003


def test_outputs_between_frames_are_interpolated() -> None:
    frame = np.full((3, 88), -9, dtype=np.float32)
    frame[0, 39], frame[1, 39] = 3.0, -0.5  # 0.95 and 0.38: 0.66 halfway
    found = make(rows_per_frame=2, decoding__tuning_cents=10.0).decode({"frame": frame}, FPS)
    assert found.count.tolist() == [1, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(found.time_s, np.arange(6) / 100)
    np.testing.assert_allclose(found.frequency_hz, hz([60.1, 60.1]), atol=1e-6)


def test_tuning_finds_the_threshold() -> None:
    """What sounds has 0.12, another pitch 0.02 to 0.05."""
    task = make()
    frame = np.full((50, 88), -4, dtype=np.float32)
    frame[:, [60 - 21, 67 - 21]] = -2.0
    frame[::2, 50] = -3.0
    reference = pitches([[60, 67]] * 50, np.arange(50) * 0.02)
    task.tune([(reference, {"frame": frame})], FPS)
    assert task.decoding == {"threshold": 0.1, "tuning_cents": 0.0}
    assert task.score(reference, task.decode({"frame": frame}, FPS))["multipitch/F-measure"] == 1.0


@pytest.mark.parametrize(("window", "cents"), [(0.5, 0.0), (0.3, 40.0)])
def test_tuning_moves_the_semitones_where_that_helps(window: float, cents: float) -> None:
    """The references are sharp of A4 = 440 Hz by 40 cents."""
    task = make(protocol__window_semitones=window)
    frame = np.full((50, 88), -4, dtype=np.float32)
    frame[:, [60 - 21, 67 - 21]] = 4.0
    task.tune([(pitches([[60.4, 67.4]] * 50, np.arange(50) * 0.02), {"frame": frame})], FPS)
    assert task.decoding == {"threshold": 0.5, "tuning_cents": cents}


def as_logits(frame: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    share = np.clip(frame.astype(np.float64), 1e-6, 1 - 1e-6)
    return {"frame": np.log(share / (1 - share)).astype(np.float32)}


def real_notes(split: str, number: int) -> Notes:
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds maps/")
    root = Path(os.environ["RICERCAR_TEST_DATA"]) / "maps"
    with (root / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return Notes.read(root / rows[number]["notes"])


@pytest.mark.parametrize("number", [0, 5, 10])
@pytest.mark.parametrize("from_rows", [True, False])
def test_real_notes_survive_encoding_and_decoding(number: int, from_rows: bool) -> None:
    """Frames every 20 ms, rows every 10 ms: what is lost is at the ends of notes."""
    notes, task = real_notes("test", number), make()
    reference = task.reference({"notes": notes})
    assert reference is not None
    targets = task.encode(reference if from_rows else notes, 0.0, int(reference.time_s[-1] * FPS) + 2, FPS)
    assert task.score(reference, task.decode(as_logits(targets["frame"]), FPS))["multipitch/F-measure"] > 0.98


# --- baselines ---


def chord(midi: list[int], seconds: float = 1.0) -> Clip:
    time_s = np.arange(int(16000 * seconds)) / 16000
    partials = [np.sin(2 * np.pi * k * hz(each) * time_s) / k for each in midi for k in range(1, 6)]
    return Clip("chord", (0.1 * np.sum(partials, axis=0)).astype(np.float32), 16000)


def test_constant_takes_as_many_pitches_as_give_the_best_f() -> None:
    """60 in 4 of 4 rows, 64 in 3, 70 in 1: F is 8 / 12, 14 / 16, 16 / 20 with one, two, three pitches."""
    reference = pitches([[60], [60, 64.2], [60, 64], [60, 64, 70]])
    estimate = make().baselines["constant"]([reference])(chord([50]))
    assert isinstance(estimate, MultipitchAnnotation)
    assert estimate.time_s[-1] == 1.0
    assert set(estimate.count.tolist()) == {2}
    np.testing.assert_allclose(estimate.frequency_hz[:2], hz([60, 64]), atol=1e-6)


@pytest.mark.parametrize("midi", [[60], [50, 57], [45, 64, 73]])
def test_spectral_peaks_finds_a_chord(midi: list[int]) -> None:
    estimate = make().baselines["spectral_peaks"]([])(chord(midi))
    assert make().score(pitches([midi] * 95), estimate)["multipitch/Recall"] > 0.8


# --- options and files ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_pitches": 108}, "leave the MIDI numbers"),
        ({"positive_weight": 0}, "positive_weight=0"),
        ({"decoding__threshold": 1.5}, "threshold=1.5"),
        ({"protocol__window_semitones": 7}, "window_semitones=7"),
        ({"protocol__hop_s": 0}, "hop_s=0"),
        ({"protocol__pedal": "half"}, "'half'"),
    ],
)
def test_wrong_options_name_the_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_mir_eval_reads_what_is_written(tmp_path: Path) -> None:
    pitches([[60, 64], [], [67.25]]).write(tmp_path / "f0.txt")
    time_s, frequencies_hz = mir_eval.io.load_ragged_time_series(tmp_path / "f0.txt")
    assert time_s.tolist() == [0.0, 0.01, 0.02]
    np.testing.assert_allclose(np.concatenate(frequencies_hz), hz([60, 64, 67.25]), atol=1e-6)
    assert [len(each) for each in frequencies_hz] == [2, 0, 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "0.00 440 220\n0.01\n0.02 300\n"),
        ("a.tsv", "time\tfrequency_hz\n0.00\t440\t220\n0.01\n0.02\t300\n"),
        ("a.csv", "0.00,440,220,0\n0.01,,\n0.02,300,0,0\n"),
        ("a.f0", "# of MIREX\n0.00\t220\t440\n0.01\t0\t0\n0.02\t0\t300\n"),
    ],
)
def test_files_of_several_kinds(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = MultipitchAnnotation.read(tmp_path / name)
    assert found.text() == MultipitchAnnotation.make([0, 0.01, 0.02], [[220, 440], [], [300]]).text()


def test_transposed_and_stretched() -> None:
    moved = pitches([[60, 130], [9]]).transposed(12).stretched(2.0)
    assert moved.text() == pitches([[72], [21]], [0.0, 0.02]).text()
    assert pitches([[60, 70], [0.5]]).transposed(-12).text() == pitches([[48, 58], []]).text()
