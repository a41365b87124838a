"""Marks: their numbers are those that mir_eval's metrics are made of, and kinds of errors by hand."""

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from itertools import permutations
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from configs import choices, make_task, trained_tasks
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.tasks.marks import FOUND, KINDS, REFERENCE, RIGHT, UNSCORED, Mark, frame_runs, joined
from ricercar.tasks.notes.marks import extended

SEEDS = (0, 1, 2)


def example(name: str, seed: int) -> Any:
    return import_module(f"examples.{name}").example(np.random.default_rng(seed))


def number(marks: Sequence[Mark], *kinds: str, label: str | None = None) -> int:
    return sum(mark.kind in kinds for mark in marks if label in (None, mark.label))


def seconds(marks: Sequence[Mark], *kinds: str) -> float:
    return sum(mark.end_s - mark.start_s for mark in marks if mark.kind in kinds)


def said(marks: Sequence[Mark]) -> list[tuple[str, float | None, str]]:
    return [(mark.kind, mark.pitch, mark.label) for mark in marks]


# --- every task ---


@pytest.mark.parametrize("name", trained_tasks())
@pytest.mark.parametrize("seed", SEEDS)
def test_a_perfect_estimate_has_no_errors(name: str, seed: int) -> None:
    task, reference = make_task(name), example(name, seed)
    if name == "tempo":
        reference = Tempo(bpm=100.0 + seed)
    marks = task.marks(reference, reference)
    assert {mark.kind for mark in marks} <= {RIGHT, UNSCORED}
    assert RIGHT in {mark.kind for mark in marks}
    wanted = task.reference_marks(reference)
    assert {mark.kind for mark in wanted} == {REFERENCE}
    assert [mark.start_s for mark in wanted] == [mark.start_s for mark in marks]
    found = task.estimate_marks(reference)
    assert [mark.start_s for mark in found] == [mark.start_s for mark in marks]
    assert not any(mark.is_error for mark in found)


@pytest.mark.parametrize("name", trained_tasks())
def test_errors_of_another_estimate_are_known_and_repeat(name: str) -> None:
    task, reference, estimate = make_task(name), example(name, 0), example(name, 1).stretched(1.2)
    marks = task.marks(reference, estimate)
    assert {mark.kind for mark in marks} <= set(KINDS) - {REFERENCE, FOUND}
    assert any(mark.is_error for mark in marks)
    assert marks == task.marks(reference, estimate)


@pytest.mark.parametrize("name", sorted(set(choices("task")) - set(trained_tasks()) - {"multitask"}))
def test_tasks_without_marks(name: str) -> None:
    task = make_task(name)
    nothing: Any = None
    assert task.marks(nothing, nothing) == task.reference_marks(nothing) == []


# --- notes ---


def disturbed(notes: Notes, random: np.random.Generator) -> Notes:
    """Some left out, all shaken, some an octave off, some with other ends, and some more of them than there are."""
    rows = random.choice(len(notes), int(0.9 * len(notes)), replace=random.random() < 0.5)
    onset_s = np.round(np.abs(notes.onset_s[rows] + random.normal(0, 0.03, len(rows))), 6)
    length_s = (notes.pedalled_offset_s - notes.onset_s)[rows] * random.choice([1.0, 1.3, 3.0], len(rows))
    pitch = notes.pitch[rows] + random.choice([0, 0, 0, 0, 1, 12, -24], len(rows))
    return Notes.make(onset_s, onset_s + length_s, pitch, program=notes.program[rows])


def sides(notes: Notes) -> tuple[Any, Any]:
    return np.stack([notes.onset_s, notes.pedalled_offset_s], axis=1), mir_eval.util.midi_to_hz(notes.pitch)


@pytest.mark.parametrize("seed", range(6))
def test_notes_count_as_in_mir_eval(seed: int) -> None:
    reference = example("notes", seed)
    estimate = disturbed(reference, np.random.default_rng(seed))
    marks = make_task("notes").marks(reference, estimate)
    pair = (*sides(reference), *sides(estimate))
    metrics = mir_eval.transcription.precision_recall_f1_overlap
    precision, recall, _, _ = metrics(*pair, offset_ratio=None)
    exact_precision, exact_recall, _, _ = metrics(*pair)
    right, offset = number(marks, RIGHT), number(marks, "offset")
    assert number(marks, "octave") > 0
    assert (right + offset) / len(estimate) == pytest.approx(precision)
    assert (right + offset) / len(reference) == pytest.approx(recall)
    assert right / len(estimate) == pytest.approx(exact_precision)
    assert right / len(reference) == pytest.approx(exact_recall)
    assert right + offset + number(marks, "missed") == len(reference)
    assert right + offset + number(marks, "octave", "spurious") == len(estimate)


def test_notes_by_hand() -> None:
    reference = Notes.make([0.0, 1.0, 2.0, 3.0, 4.0], [0.9, 1.9, 2.9, 3.9, 4.9], [60, 62, 64, 65, 67])
    estimate = Notes.make([0.01, 1.02, 2.0, 3.1, 4.0], [0.9, 1.2, 2.9, 3.9, 4.9], [60, 62, 76, 65, 68])
    marks = make_task("notes").marks(reference, estimate)
    assert said(marks) == [
        (RIGHT, 60, ""),
        ("offset", 62, ""),
        ("missed", 64, ""),
        ("octave", 76, ""),
        ("missed", 65, ""),
        ("spurious", 65, ""),
        ("missed", 67, ""),
        ("spurious", 68, ""),
    ]
    assert (marks[1].start_s, marks[1].end_s) == (1.02, 1.2)
    assert (marks[4].start_s, marks[4].end_s) == (3.0, 3.9)


def test_notes_follow_the_protocol() -> None:
    reference = Notes.make([1.0], [2.0], [60], pedalled_offset_s=[5.0])
    estimate = Notes.make([1.03], [2.0], [60])
    assert said(make_task("notes", onset_tolerance_s=0.02).marks(reference, estimate))[0][0] == "missed"
    assert said(make_task("notes", pedal="ignore").marks(reference, estimate)) == [(RIGHT, 60, "")]
    assert said(make_task("notes", pedal="extend").marks(reference, estimate)) == [("offset", 60, "")]
    drums = Notes.make([1.0], [1.1], [36], program=[DRUMS])
    assert make_task("notes").marks(drums, drums) == []


@pytest.mark.parametrize("seed", range(30))
def test_a_matching_is_extended_to_a_largest_one(seed: int) -> None:
    """Against all matchings of random graphs of up to 5 x 5; `some` is a largest matching of a part of the edges."""
    random = np.random.default_rng(seed)
    edges = {(int(i), int(j)) for i, j in zip(*np.nonzero(random.random((5, 5)) < 0.4), strict=True)}
    part = {edge for edge in edges if random.random() < 0.5}

    def largest(among: set[tuple[int, int]]) -> dict[int, int]:
        tried = ([pair for pair in enumerate(order) if pair in among] for order in permutations(range(5)))
        return dict(max(tried, key=len))

    some, more = largest(part), largest(edges)
    found = extended(some, more)
    assert set(found.items()) <= edges
    assert len(found) == len(set(found.values())) == len(more)
    assert set(found) >= set(some)
    assert set(found.values()) >= set(some.values())


# --- instruments ---


def test_instruments_by_hand() -> None:
    reference = Notes.make(
        [0, 1, 2, 3, 4], [0.9, 1.9, 2.9, 3.1, 4.1], [60, 62, 64, 36, 38], program=[0, 24, 0, 128, 128]
    )
    estimate = Notes.make([0, 1, 2, 3, 4], [0.9, 1.9, 2.9, 3.9, 4.9], [60, 62, 52, 36, 50], program=[0, 0, 0, 128, 128])
    marks = make_task("instruments", grouping="families", lowest_pitch=0, highest_pitch=127).marks(reference, estimate)
    assert sorted(said(marks)) == [
        ("label", 62, "piano"),
        ("missed", 38, "drums"),
        ("missed", 62, "guitar"),
        ("missed", 64, "piano"),
        ("octave", 52, "piano"),
        (RIGHT, 36, "drums"),
        (RIGHT, 60, "piano"),
        ("spurious", 50, "drums"),  # another drum, and no octave
    ]


@pytest.mark.parametrize("grouping", ["flat", "families", "full"])
def test_instruments_count_as_in_the_scores(grouping: str) -> None:
    task, reference = make_task("instruments", grouping=grouping), example("instruments", 0)
    estimate = disturbed(reference, np.random.default_rng(0))
    scores, marks = task.score(reference, estimate), task.marks(reference, estimate)
    given = number(marks, RIGHT, "offset", "label", "octave", "spurious")
    right, near = number(marks, RIGHT), number(marks, RIGHT, "offset")
    assert near / given == pytest.approx(scores["multi_instrument/Precision_onset"])
    assert right / given == pytest.approx(scores["multi_instrument/Precision_onset_offset"])
    assert near / (near + number(marks, "missed")) == pytest.approx(scores["multi_instrument/Recall_onset"])


# --- pitches in frames ---


def in_rows(pitches: Multipitch) -> list[NDArray[np.float64]]:
    return np.split(pitches.frequency_hz, np.cumsum(pitches.count)[:-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_multipitch_takes_the_time_that_mir_eval_counts(seed: int) -> None:
    reference = example("multipitch", seed)
    random = np.random.default_rng(seed)
    estimate = Multipitch.make(
        reference.time_s,
        [each * random.choice([1, 1, 1, 2, 1.2], len(each)) for each in in_rows(reference)],
    )
    marks = make_task("multipitch").marks(reference, estimate)
    precision, recall, *_ = mir_eval.multipitch.metrics(
        reference.time_s, in_rows(reference), estimate.time_s, in_rows(estimate)
    )
    right_s = seconds(marks, RIGHT)
    assert seconds(marks, "octave") > 0
    assert right_s / seconds(marks, RIGHT, "octave", "spurious") == pytest.approx(precision)
    assert right_s / seconds(marks, RIGHT, "missed") == pytest.approx(recall)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hop_s", [0.0, 0.01])
def test_melody_takes_the_time_that_mir_eval_counts(seed: int, hop_s: float) -> None:
    reference = example("melody", seed)
    random = np.random.default_rng(seed)
    factor = random.choice([1.0, 1.0, 2.0, 1.3, 0.0], 50).repeat(10)
    estimate = Melody(time_s=reference.time_s, frequency_hz=np.roll(reference.frequency_hz, 3) * factor)
    marks = make_task("melody", hop_s=hop_s).marks(reference, estimate)
    frames = mir_eval.melody.to_cent_voicing(
        reference.time_s, reference.frequency_hz, estimate.time_s, estimate.frequency_hz, hop=hop_s or None
    )
    step_s = hop_s or 0.02
    silent_s = float((~(frames[0] > 0) & ~(frames[2] > 0)).sum()) * step_s
    total_s = len(frames[0]) * step_s
    accuracy = mir_eval.melody.overall_accuracy(*frames)
    assert min(seconds(marks, kind) for kind in ("octave", "pitch", "missed", "spurious")) > 0
    assert (seconds(marks, RIGHT) + silent_s) / total_s == pytest.approx(accuracy)
    assert seconds(marks, *KINDS) + silent_s == pytest.approx(total_s)
    recall = mir_eval.melody.voicing_recall(frames[0], frames[2])
    assert seconds(marks, "missed") == pytest.approx((1 - recall) * (frames[0] > 0).sum() * step_s)


def test_melody_by_hand() -> None:
    time_s = np.arange(8) * 0.5
    reference = Melody(time_s=time_s, frequency_hz=np.array([0, 440, 440, 440, 440, 440, 0, 0]))
    estimate = Melody(time_s=time_s, frequency_hz=np.array([0, 441, 440, 220, 500, 0, 440, 0]))
    marks = make_task("melody").marks(reference, estimate)
    assert [(mark.start_s, mark.end_s, mark.kind, mark.pitch) for mark in marks] == [
        (0.5, 1.5, RIGHT, pytest.approx(69.02)),
        (1.5, 2.0, "octave", 57),
        (2.0, 2.5, "pitch", pytest.approx(71.21)),
        (2.5, 3.0, "missed", 69),
        (3.0, 3.5, "spurious", 69),
    ]


def test_frames_of_one_kind_and_pitch_are_one_mark() -> None:
    row, pitch = np.array([0, 1, 2, 4, 0, 1]), np.array([60.0, 60.2, 60.9, 60.9, 72.0, 72.0])
    marks = frame_runs(np.arange(5) * 1.0, row, pitch, [RIGHT, RIGHT, RIGHT, RIGHT, "missed", RIGHT])
    assert [(mark.start_s, mark.end_s, mark.kind, mark.pitch) for mark in marks] == [
        (0, 2, RIGHT, 60.1),
        (0, 1, "missed", 72),
        (1, 2, RIGHT, 72),
        (2, 3, RIGHT, 60.9),
        (4, 5, RIGHT, 60.9),
    ]


# --- instants ---


@pytest.mark.parametrize("seed", SEEDS)
def test_beats_count_as_in_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    time_s = np.round(np.cumsum(random.uniform(0.3, 0.6, 60)), 6)
    reference = Beats.make(time_s, np.arange(60) % 4 + 1)
    kept = random.random(60) < 0.8
    estimate = Beats.make(
        time_s[kept] + random.normal(0, 0.06, kept.sum()).cumsum() * 0.3, random.integers(1, 4, kept.sum())
    )
    marks = make_task("beat", skip_s=5.0).marks(reference, estimate)
    for label, a, b in (
        ("beat", reference.time_s, estimate.time_s),
        ("downbeat", reference.downbeat_s, estimate.downbeat_s),
    ):
        a, b = mir_eval.beat.trim_beats(a), mir_eval.beat.trim_beats(b)
        right, missed, spurious = (number(marks, kind, label=label) for kind in (RIGHT, "missed", "spurious"))
        assert 2 * right / (2 * right + missed + spurious) == pytest.approx(mir_eval.beat.f_measure(a, b))
        assert (right + missed, right + spurious) == (len(a), len(b))
    early = [mark for mark in marks if mark.kind == UNSCORED and mark.label == "beat"]
    assert len(early) == (estimate.time_s < 5).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_onsets_count_as_in_mir_eval(seed: int) -> None:
    reference = example("onset", seed)
    kept_s = reference.time_s[::2]
    estimate = Onsets.make(np.abs(kept_s + np.random.default_rng(seed).normal(0, 0.1, len(kept_s))))
    task = make_task("onset")
    marks = task.marks(reference, estimate)
    window_s = task.protocol["window_s"]
    _, precision, recall = mir_eval.onset.f_measure(reference.time_s, estimate.time_s, window=window_s)
    assert 0 < precision < 1
    assert number(marks, RIGHT) / len(estimate) == pytest.approx(precision)
    assert number(marks, RIGHT) / len(reference) == pytest.approx(recall)
    assert number(marks, "missed") == len(reference) - number(marks, RIGHT)


def test_drums_by_hand() -> None:
    reference = Onsets(time_s=np.array([1.0, 1.0, 2.0]), label=("KD", "HH", "SD"))
    estimate = Onsets(time_s=np.array([1.01, 2.0, 3.0]), label=("KD", "HH", "SD"))
    marks = make_task("drums").marks(reference, estimate)
    assert sorted((mark.start_s, mark.kind, mark.label) for mark in marks) == [
        (1.0, "missed", "HH"),
        (1.01, RIGHT, "KD"),
        (2.0, "missed", "SD"),
        (2.0, "spurious", "HH"),
        (3.0, "spurious", "SD"),
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("borders", ["all", "inner"])
def test_borders_count_as_in_mir_eval(seed: int, borders: str) -> None:
    reference, estimate = (Hierarchy.flat(example("segment", each).levels[0]) for each in (seed, seed + 10))
    marks = make_task("segment", borders=borders, window_s=0.15, wide_window_s=3.0).marks(reference, estimate)
    pair = [np.stack([side.levels[0].start_s, side.levels[0].end_s], axis=1) for side in (reference, estimate)]
    precision, recall, _ = mir_eval.segment.detection(*pair, window=0.15, trim=borders == "inner")
    right = number(marks, RIGHT)
    assert right / (right + number(marks, "spurious")) == pytest.approx(precision)
    assert right / (right + number(marks, "missed")) == pytest.approx(recall)
    sections = [mark for mark in marks if mark.kind == UNSCORED]
    assert tuple(mark.label for mark in sections) == estimate.levels[0].label


def test_sections_reach_from_the_start_to_the_end_of_the_reference() -> None:
    reference = Hierarchy.flat(Segments(np.array([0.0, 5]), np.array([5.0, 9]), ("A", "B")))
    estimate = Hierarchy.flat(Segments(np.array([1.0]), np.array([20.0]), ("x",)))
    marks = make_task("segment", borders="all").marks(reference, estimate)
    assert [(mark.start_s, mark.end_s) for mark in marks if mark.kind == UNSCORED] == [(0, 1), (1, 9)]
    assert Counter(mark.kind for mark in marks) == {UNSCORED: 2, RIGHT: 2, "missed": 1, "spurious": 1}


# --- chords, and what is of the whole track ---


@pytest.mark.parametrize("seed", SEEDS)
def test_chords_take_the_time_that_mir_eval_counts(seed: int) -> None:
    reference, estimate = example("chord", seed), example("chord", seed + 10)
    marks = make_task("chord").marks(reference, estimate)
    pair = [(np.stack([side.start_s, side.end_s], axis=1), list(side.label)) for side in (reference, estimate)]
    accuracy = mir_eval.chord.evaluate(*pair[0], *pair[1])["majmin"]
    scored_s = seconds(marks, *KINDS) - seconds(marks, UNSCORED)
    assert seconds(marks, RIGHT) / scored_s == pytest.approx(accuracy)
    assert seconds(marks, *KINDS) == pytest.approx(10.0)
    assert [mark.start_s for mark in marks[1:]] == pytest.approx([mark.end_s for mark in marks[:-1]])


@pytest.mark.parametrize(
    ("reference", "estimate", "kind"),
    [
        ("C", "C:maj", RIGHT),
        ("C", "C:maj7", RIGHT),
        ("Db:min", "C#:min7", RIGHT),
        ("N", "N", RIGHT),
        ("C", "C:min", "root"),
        ("C", "C:5", "root"),
        ("C", "A:min", "relative"),
        ("A:min", "C", "relative"),
        ("C", "A", "wrong"),
        ("A:min", "C:min", "wrong"),
        ("C", "G", "fifth"),
        ("C:min", "F", "fifth"),
        ("C", "D", "wrong"),
        ("C", "X", "wrong"),
        ("C", "N", "missed"),
        ("N", "C", "spurious"),
        ("X", "C", UNSCORED),
        ("C:sus4", "C:sus4", UNSCORED),
    ],
)  # fmt: skip
def test_relations_of_chords(reference: str, estimate: str, kind: str) -> None:
    sides = [Chords(np.array([0.0]), np.array([4.0]), (label,)) for label in (reference, estimate)]
    assert make_task("chord").marks(*sides) == [Mark(0.0, 4.0, kind, label=estimate)]


@pytest.mark.parametrize(
    ("estimate", "kind"),
    [("C major", RIGHT), ("G major", "fifth"), ("F major", "wrong"), ("A minor", "relative"), ("C minor", "parallel")],
)
def test_relations_of_keys(estimate: str, kind: str) -> None:
    [mark] = make_task("key").marks(Key.parse("C major"), Key.parse(estimate))
    assert (mark.kind, mark.label, mark.start_s, mark.end_s) == (kind, estimate, 0.0, np.inf)


@pytest.mark.parametrize(("bpm", "kind"), [(101, RIGHT), (50, "octave"), (301, "octave"), (75, "wrong")])
def test_relations_of_tempi(bpm: float, kind: str) -> None:
    [mark] = make_task("tempo").marks(Tempo(bpm=100), Tempo(bpm=bpm))
    assert (mark.kind, mark.label) == (kind, f"{bpm} bpm")


def test_tags_by_hand() -> None:
    estimate = Tags(("bass", "flute", "organ", "voice"), (0.9, 0.8, 0.2, 0.1))
    marks = make_task("tag").marks(Tags(("bass", "voice")), estimate)
    assert said(marks) == [(RIGHT, None, "bass"), ("spurious", None, "flute"), ("missed", None, "voice")]


def test_neighbours_that_say_the_same_are_joined() -> None:
    marks = [Mark(0, 1, RIGHT, label="C"), Mark(1, 2, RIGHT, label="C"), Mark(2, 3, RIGHT, label="D")]
    marks += [Mark(4, 5, RIGHT, label="D"), Mark(5, 6, "wrong", label="D")]
    assert [(mark.start_s, mark.end_s) for mark in joined(marks)] == [(0, 2), (2, 3), (4, 5), (5, 6)]
