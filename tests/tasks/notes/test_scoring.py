"""Scores of notes are mir_eval's, to the last bit."""

import math
import warnings
from dataclasses import replace

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from note_examples import make
from ricercar.data.annotations.notes import Notes as NotesAnnotation


def dense(seed: int, num_notes: int = 400, span_s: float = 20.0, low: int = 16, high: int = 112) -> NotesAnnotation:
    """Notes anywhere, overlapping ones of one pitch and some out of range included."""
    random = np.random.default_rng(seed)
    onset_s = np.round(random.uniform(0, span_s, num_notes), 3)
    return NotesAnnotation.make(
        onset_s=onset_s,
        offset_s=onset_s + np.round(random.exponential(0.3, num_notes) + 0.001, 3),
        pitch=random.integers(low, high, num_notes),
        velocity=random.integers(1, 128, num_notes),
    )


def jittered(notes: NotesAnnotation, seed: int) -> NotesAnnotation:
    """A plausible estimate: some notes late, early, missing, extra, an octave or a semitone off."""
    random = np.random.default_rng(seed)
    kept = random.random(len(notes)) < 0.9
    extra = dense(seed + 1000, num_notes=30)
    onset_s = np.abs(notes.onset_s + np.round(random.normal(0, 0.03, len(notes)), 3))[kept]
    duration_s = (notes.offset_s - notes.onset_s)[kept] * random.choice([1.0, 0.7, 1.5], kept.sum())
    pitch = (notes.pitch + random.choice([0, 0, 0, 0, 0, 1, 12, -12], len(notes)))[kept]
    return NotesAnnotation.make(
        onset_s=np.concatenate([onset_s, extra.onset_s]),
        offset_s=np.concatenate([onset_s + duration_s, extra.offset_s]),
        pitch=np.clip(np.concatenate([pitch, extra.pitch]), 16, 111),
        velocity=np.concatenate([random.integers(1, 128, kept.sum()), extra.velocity]),
    )


def mir_eval_scores(
    reference: NotesAnnotation, estimate: NotesAnnotation, hop_s: float, pitch_tolerance: float = 50.0
) -> dict[str, float]:
    """All of mir_eval's own evaluate()."""

    def side(notes: NotesAnnotation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.stack([notes.onset_s, notes.offset_s], axis=1), mir_eval.util.midi_to_hz(notes.pitch)

    times = np.arange(int(max(reference.offset_s.max(), estimate.offset_s.max()) / hop_s) + 1) * hop_s

    def sounding(notes: NotesAnnotation) -> list[NDArray[np.float64]]:
        active = (notes.onset_s <= times[:, None]) & (times[:, None] < notes.offset_s)
        return [mir_eval.util.midi_to_hz(np.unique(notes.pitch[row])) for row in active]

    (a, a_hz), (b, b_hz) = side(reference), side(estimate)
    parts = {
        "transcription": mir_eval.transcription.evaluate(a, a_hz, b, b_hz, pitch_tolerance=pitch_tolerance),
        "transcription_velocity": mir_eval.transcription_velocity.evaluate(
            a, a_hz, reference.velocity, b, b_hz, estimate.velocity, pitch_tolerance=pitch_tolerance
        ),
        "multipitch": mir_eval.multipitch.evaluate(times, sounding(reference), times, sounding(estimate)),
    }
    return {f"{part}/{name.replace(' ', '_')}": x for part, names in parts.items() for name, x in names.items()}


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_mir_eval(seed: int) -> None:
    reference = dense(seed)
    estimate = jittered(reference, seed)
    scores = make().score(reference, estimate)
    expected = mir_eval_scores(reference, estimate, hop_s=0.01)
    assert 0.2 < expected["transcription/F-measure"] < 0.9
    assert {name: scores[name] for name in expected} == expected
    assert set(scores) - set(expected) == {"multipitch/F-measure", "velocity/mean_absolute_error"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cents", [50.0, 20.0])
def test_scores_off_the_grid_are_those_of_mir_eval(seed: int, cents: float) -> None:
    """As of singing: some notes are near another semitone than their estimates, and within the tolerance."""
    random = np.random.default_rng(seed)
    reference, estimate = (
        replace(notes, pitch=np.clip(notes.pitch + random.normal(0, 0.3, len(notes)), 16, 110))
        for notes in (dense(seed), jittered(dense(seed), seed))
    )
    scores = make(protocol__pitch_tolerance_cents=cents).score(reference, estimate)
    expected = mir_eval_scores(reference, estimate, hop_s=0.01, pitch_tolerance=cents)
    assert 0.1 < expected["transcription/F-measure"] < 0.9
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_tolerance_of_pitches_is_in_cents() -> None:
    reference, estimate = (NotesAnnotation.make([0], [1], [pitch]) for pitch in (60.45, 60.75))
    name = "transcription/F-measure"
    assert make(protocol__pitch_tolerance_cents=31).score(reference, estimate)[name] == 1.0
    assert make(protocol__pitch_tolerance_cents=29).score(reference, estimate)[name] == 0.0
    marks = make(protocol__pitch_tolerance_cents=29).marks(reference, estimate.transposed(12))
    assert {mark.kind for mark in marks} == {"spurious", "missed"}
    marks = make(protocol__pitch_tolerance_cents=31).marks(reference, estimate.transposed(12))
    assert {mark.kind for mark in marks} == {"octave", "missed"}


def test_scores_by_hand() -> None:
    """Three notes. Estimated: one right, one with a wrong end, one a semitone off, one too late."""
    reference = NotesAnnotation.make(
        onset_s=[0, 1, 2], offset_s=[0.5, 1.5, 2.5], pitch=[60, 60, 60], velocity=[20, 40, 60]
    )
    estimate = NotesAnnotation.make(
        onset_s=[0.05, 1, 2, 2.06], offset_s=[0.5, 1.9, 2.5, 2.5], pitch=[60, 60, 61, 60], velocity=[30, 70, 1, 1]
    )
    scores = make().score(reference, estimate)
    assert scores["transcription/Precision"] == 1 / 4
    assert scores["transcription/Recall"] == 1 / 3
    assert scores["transcription/Precision_no_offset"] == 2 / 4
    assert scores["transcription/Recall_no_offset"] == 2 / 3
    assert scores["transcription/F-measure_no_offset"] == pytest.approx(4 / 7)
    assert scores["transcription/Onset_Recall"] == 1.0
    assert scores["transcription/Average_Overlap_Ratio"] == pytest.approx(0.9)
    assert scores["velocity/mean_absolute_error"] == (10 + 30) / 2
    # Frames of 10 ms: 150 in the reference, 45 + 90 + 50 + 44 estimated, 45 + 50 + 44 of them right.
    assert scores["multipitch/Recall"] == pytest.approx(139 / 150)
    assert scores["multipitch/Precision"] == pytest.approx(139 / 229)
    assert scores["multipitch/F-measure"] == pytest.approx(2 * 139 / (150 + 229))


def test_inverted_velocities_show_in_our_error_alone() -> None:
    onset_s = np.arange(4) * 0.5
    reference = NotesAnnotation.make(onset_s, onset_s + 0.4, np.full(4, 60), velocity=[20, 40, 60, 80])
    inverted = NotesAnnotation.make(onset_s, onset_s + 0.4, np.full(4, 60), velocity=[80, 60, 40, 20])
    scores = make().score(reference, inverted)
    assert scores["transcription_velocity/F-measure"] == 1.0
    assert scores["velocity/mean_absolute_error"] == (60 + 20 + 20 + 60) / 4


NONE = NotesAnnotation.make([], [], [])
ONE = NotesAnnotation.make([0.5], [0.9], [60])


@pytest.mark.parametrize(("empty", "expected"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", math.nan)])
def test_both_empty(empty: str, expected: float) -> None:
    scores = make(protocol__empty=empty).score(NONE, NONE)
    assert scores["transcription/F-measure"] == pytest.approx(expected, nan_ok=True)
    assert scores["multipitch/F-measure"] == pytest.approx(expected, nan_ok=True)
    assert math.isnan(scores["velocity/mean_absolute_error"])
    assert scores["multipitch/Total_Error"] == pytest.approx(math.nan if empty == "exclude" else 0.0, nan_ok=True)


@pytest.mark.parametrize("empty", ["mir_eval", "one", "exclude"])
@pytest.mark.parametrize(("reference", "estimate"), [(NONE, ONE), (ONE, NONE)])
def test_one_empty_scores_zero(reference: NotesAnnotation, estimate: NotesAnnotation, empty: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make(protocol__empty=empty).score(reference, estimate)
    wrong = {name for name, score in scores.items() if score != 0 and not math.isnan(score)}
    kinds = ("Miss", "Total") if len(reference) else ()
    assert wrong == {f"multipitch/{octave}{kind}_Error" for octave in ("", "Chroma_") for kind in kinds}


def test_long_chain_of_one_pitch() -> None:
    """Each estimate is within 50 ms of two reference notes: mir_eval alone exceeds the recursion limit."""
    onset_s = np.arange(1500) * 0.06
    reference = NotesAnnotation.make(onset_s, onset_s + 0.05, np.full(1500, 60))
    estimate = NotesAnnotation.make(onset_s + 0.03, onset_s + 0.08, np.full(1500, 60))
    assert make().score(reference, estimate)["transcription/F-measure_no_offset"] == 1.0
