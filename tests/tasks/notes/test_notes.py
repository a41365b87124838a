"""Notes: targets, loss, decoding and its choice. Scores: test_note_scoring."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from note_examples import make
from ricercar.data.annotations.notes import DRUMS
from ricercar.data.annotations.notes import Notes as NotesAnnotation
from ricercar.errors import InputError

FPS = 50.0
A4 = 69 - 21


def logits_of(targets: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    clipped = {name: np.clip(values.astype(np.float64), 1e-6, 1 - 1e-6) for name, values in targets.items()}
    return {name: np.log(values / (1 - values)).astype(np.float32) for name, values in clipped.items()}


def monophonic(seed: int) -> NotesAnnotation:
    """Repeated notes on a few pitches, at least 60 ms long and 60 ms apart."""
    random = np.random.default_rng(seed)
    edges = 0.1 + np.cumsum(random.uniform(0.06, 0.5, (10, 80)), axis=1)
    pitch = np.repeat(np.arange(50, 70, 2), 40)
    return NotesAnnotation.make(
        onset_s=edges[:, 0::2].ravel(),
        offset_s=edges[:, 1::2].ravel(),
        pitch=pitch,
        velocity=random.integers(1, 128, len(pitch)),
    )


# Targets


def test_regression_targets_by_hand() -> None:
    """Onset at frame 2.5 and offset at frame 6.25, triangles of half-width 2."""
    note = NotesAnnotation.make(onset_s=[0.05], offset_s=[0.125], pitch=[69], velocity=[127])
    targets = make(targets="regression", half_width_frames=2.0).encode(note, 0.0, 10, FPS)
    expected = {
        "onset": [0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0, 0, 0],
        "frame": [0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
        "offset": [0, 0, 0, 0, 0, 0.375, 0.875, 0.625, 0.125, 0],
        "velocity": [0, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    }
    assert {name: values[:, A4].tolist() for name, values in targets.items()} == expected
    assert all(np.delete(values, A4, axis=1).max() == 0 for values in targets.values())
    detuned = make(targets="regression", half_width_frames=2.0).encode(note.detuned(-40), 0.0, 10, FPS)
    assert {name: values.tolist() for name, values in detuned.items()} == {
        name: values.tolist() for name, values in targets.items()
    }


@pytest.mark.parametrize(
    ("label_frames", "onset", "offset"),
    [(1, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
     (3, [0, 0, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 0, 0, 0])],
)  # fmt: skip
def test_binary_targets_by_hand(label_frames: int, onset: list[int], offset: list[int]) -> None:
    note = NotesAnnotation.make(onset_s=[0.045], offset_s=[0.125], pitch=[69], velocity=[127])
    targets = make(targets="binary", label_frames=label_frames).encode(note, 0.0, 10, FPS)
    assert targets["onset"][:, A4].tolist() == onset
    assert targets["offset"][:, A4].tolist() == offset
    assert targets["velocity"][:, A4].tolist() == onset


def test_nearer_of_two_notes_gives_the_label() -> None:
    """Onsets at frames 2 and 5: frame 3 belongs to the first, frame 4 to the second."""
    notes = NotesAnnotation.make(onset_s=[0.04, 0.1], offset_s=[0.09, 0.2], pitch=[69, 69], velocity=[127, 64])
    targets = make(half_width_frames=2.5).encode(notes, 0.0, 8, FPS)
    np.testing.assert_allclose(targets["onset"][:, A4], [0.2, 0.6, 1, 0.6, 0.6, 1, 0.6, 0.2], atol=1e-6)
    np.testing.assert_allclose(targets["velocity"][:, A4] * 127, [127, 127, 127, 127, 64, 64, 64, 64], atol=1e-4)


def test_note_between_two_frames_sounds_in_one() -> None:
    note = NotesAnnotation.make(onset_s=[0.043], offset_s=[0.048], pitch=[69])
    assert make().encode(note, 0.0, 6, FPS)["frame"][:, A4].tolist() == [0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(("pedal", "last"), [("extend", 9), ("ignore", 4)])
def test_pedal(pedal: str, last: int) -> None:
    """The key is released at frame 5, the sound damped at frame 10."""
    task = make(protocol__pedal=pedal)
    note = NotesAnnotation.make(onset_s=[0.02], offset_s=[0.1], pitch=[69], pedalled_offset_s=[0.2])
    assert np.flatnonzero(task.encode(note, 0.0, 20, FPS)["frame"][:, A4]).max() == last
    exact = NotesAnnotation.make(onset_s=[0.02], offset_s=[0.2 if pedal == "extend" else 0.1], pitch=[69])
    assert task.score(note, exact)["transcription/F-measure"] == 1.0
    other = NotesAnnotation.make(onset_s=[0.02], offset_s=[0.1 if pedal == "extend" else 0.2], pitch=[69])
    assert task.score(note, other)["transcription/F-measure"] == 0.0


@pytest.mark.parametrize("pitch", [20, 109, 0, 127])
def test_pitch_out_of_range_is_not_learned_but_missed(pitch: int) -> None:
    task = make()
    notes = NotesAnnotation.make(onset_s=[0.5, 0.7], offset_s=[0.6, 0.8], pitch=[69, pitch])
    targets = task.encode(notes, 0.0, 50, FPS)
    assert set(np.nonzero(targets["frame"])[1]) == {A4}
    scores = task.score(notes, task.decode(logits_of(targets), FPS))
    assert scores["transcription/Precision"] == 1.0
    assert scores["transcription/Recall"] == 0.5
    assert scores["multipitch/Recall"] == pytest.approx(0.5, abs=0.05)


def test_drums_are_left_out() -> None:
    task = make()
    notes = NotesAnnotation.make(onset_s=[0.5, 0.7], offset_s=[0.6, 0.8], pitch=[69, 36], program=[0, DRUMS])
    targets = task.encode(notes, 0.0, 50, FPS)
    assert set(np.nonzero(targets["frame"])[1]) == {A4}
    piano = NotesAnnotation.make(onset_s=[0.5], offset_s=[0.6], pitch=[69])
    assert task.score(notes, piano) == task.score(piano, notes) == task.score(piano, piano)


# Decoding


@pytest.mark.parametrize("targets", ["regression", "binary"])
@pytest.mark.parametrize("seed", range(4))
def test_perfect_network(targets: str, seed: int) -> None:
    task, notes = make(targets=targets), monophonic(seed)
    estimate = task.decode(logits_of(task.encode(notes, 0.0, 2500, FPS)), FPS)
    scores = task.score(notes, estimate)
    assert scores["transcription/F-measure_no_offset"] == 1.0
    assert scores["transcription/F-measure"] >= 0.95
    assert scores["velocity/mean_absolute_error"] == 0.0


def test_exact_onsets_and_offsets_between_frames() -> None:
    task, notes = make(targets="regression"), monophonic(0)
    estimate = task.decode(logits_of(task.encode(notes, 0.0, 2500, FPS)), FPS)
    assert np.abs(estimate.onset_s - notes.onset_s).mean() < 1e-4
    assert np.abs(estimate.offset_s - notes.offset_s).mean() < 2e-3


def silence(num_frames: int) -> dict[str, NDArray[np.float32]]:
    return {name: np.full((num_frames, 88), -9.0, dtype=np.float32) for name in make().outputs}


def test_frames_end_a_note_where_most_of_their_fall_is() -> None:
    """0.8, 0.2, 0: within one frame of 5, 6 and 7 it falls by 0.6, 0.8 and 0.2, a triangle about 5 2/3."""
    logits = silence(20)
    logits["onset"][2, A4] = 9.0
    logits["frame"][2:6, A4] = math.log(0.8 / 0.2)
    logits["frame"][6, A4] = math.log(0.2 / 0.8)
    estimate = make(decoding__survival_exponent=1.0, decoding__offset_weight=0.0).decode(logits, FPS)
    assert estimate.onset_s.tolist() == [0.04]
    assert estimate.offset_s == pytest.approx([(5 + 2 / 3) / FPS], abs=1e-4)
    assert estimate.pitch.tolist() == [69]


@pytest.mark.parametrize(("offset_frame", "offset_s"), [(7, 0.14), (12, 0.2375), (3, 0.23)])
def test_offset_peak_ends_a_note(offset_frame: int, offset_s: float) -> None:
    """Frames fall silent between 11 and 12; frame 3 comes before the shortest note ends.

    At 12 the evidence is 1 + 3, with 1 before and 0 after it: the tip of the triangle lies 1 / 8 of a frame earlier.
    """
    logits = silence(30)
    logits["onset"][2, A4] = 9.0
    logits["frame"][2:12, A4] = 9.0
    logits["offset"][offset_frame, A4] = 9.0
    estimate = make(decoding__offset_weight=3.0).decode(logits, FPS)
    assert estimate.offset_s == pytest.approx([offset_s], abs=5e-4)


def test_same_pitch_ends_a_note_and_the_end_of_the_track_does() -> None:
    logits = silence(30)
    logits["onset"][[2, 10], A4] = 9.0
    logits["frame"][:, A4] = 9.0
    estimate = make().decode(logits, FPS)
    assert estimate.onset_s.tolist() == [0.04, 0.2]
    assert 0.19 - 1e-4 <= estimate.offset_s[0] <= 0.2
    assert 0.58 <= estimate.offset_s[1] <= 0.6


@pytest.mark.parametrize("others", [0, 1])
def test_a_note_at_the_end_of_the_track_ends_there(others: int) -> None:
    """However long others are that are decoded beside it."""
    logits = silence(400)
    logits["onset"][399, A4] = 9.0
    logits["onset"][2, A4 + 5 : A4 + 5 + others] = 9.0
    logits["frame"][:, A4 : A4 + 6] = 9.0
    task = make()
    estimate = task.decode(logits, FPS)
    last = estimate.onset_s == 399 / FPS
    least_s = task.decoding["min_duration_s"]
    assert estimate.offset_s[last] == pytest.approx([max(400 / FPS, 399 / FPS + least_s)], abs=1e-6)


@pytest.mark.parametrize("velocity", [1, 64, 127])
def test_velocity_is_read_at_the_peak(velocity: int) -> None:
    logits = silence(10)
    logits["onset"][2, A4] = 9.0
    share = min(velocity / 127, 1 - 1e-6)
    logits["velocity"][2, A4] = math.log(share / (1 - share))
    assert make().decode(logits, FPS).velocity.tolist() == [velocity]


@pytest.mark.parametrize("left_out", ["frame", "offset", "velocity"])
def test_outputs_are_optional(left_out: str) -> None:
    task, notes = make(**{f"outputs__{left_out}": None}), monophonic(0)
    assert left_out not in task.outputs
    estimate = task.decode(logits_of(task.encode(notes, 0.0, 2500, FPS)), FPS)
    scores = task.score(notes, estimate)
    assert scores["transcription/F-measure_no_offset"] == 1.0
    assert scores["transcription/F-measure"] >= 0.95


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift_s", [0.0, -0.07, 0.05])
def test_no_note_overlaps_the_next_of_its_pitch(seed: int, shift_s: float) -> None:
    random = np.random.default_rng(seed)
    task = make(decoding__onset_shift_s=shift_s, decoding__offset_shift_s=-shift_s)
    noise = {name: random.normal(0, 3, (400, 88)).astype(np.float32) for name in task.outputs}
    notes = task.decode(noise, FPS)
    assert len(notes) > 1000
    order = np.lexsort((notes.onset_s, notes.pitch))
    same = np.diff(notes.pitch[order]) == 0
    assert (notes.offset_s > notes.onset_s).all()
    assert (notes.offset_s[order][:-1] <= notes.onset_s[order][1:])[same].all()
    assert np.array_equal(np.round(notes.onset_s, 6), notes.onset_s)


# Tuning and loss


def test_tuning_finds_threshold_and_shift() -> None:
    """A timid network, two frames late: notes at 0.2 of 1, everything 40 ms after the truth."""
    task, notes = make(), monophonic(1)
    targets = task.encode(notes, 0.0, 2500, FPS)
    late = {name: np.roll(values, 2, axis=0) for name, values in targets.items()}
    logits = logits_of({name: 0.2 * x if name != "velocity" else x for name, x in late.items()})
    assert task.score(notes, task.decode(logits, FPS))["transcription/F-measure"] < 0.1
    task.tune([(notes, logits)], FPS)
    assert task.decoding["onset_threshold"] < 0.2
    assert task.decoding["onset_shift_s"] == pytest.approx(-0.04, abs=1e-3)
    assert task.score(notes, task.decode(logits, FPS))["transcription/F-measure"] > 0.95


@pytest.mark.parametrize("value", [-20.0, 0.0, 20.0])
def test_tuning_on_a_useless_network_changes_nothing(value: float) -> None:
    task = make()
    before = dict(task.decoding)
    task.tune([(monophonic(0), {name: np.full((500, 88), value, dtype=np.float32) for name in task.outputs})], FPS)
    assert task.decoding == before


@pytest.mark.parametrize(
    ("velocity_loss", "velocity"), [("cross_entropy", math.log(2)), ("squared_error", (1 - 0.5) ** 2)]
)
def test_loss_by_hand(velocity_loss: str, velocity: float) -> None:
    """Logits of 0: log 2 for each cell; 3 for a weight of 3; a positive weight of 5 counts where the label is."""
    task = make(
        velocity_loss=velocity_loss, targets="binary", outputs__frame__weight=3.0, outputs__onset__positive_weight=5.0,
        outputs__onset__weight=1.0, outputs__offset__weight=1.0, outputs__velocity__weight=1.0,
    )  # fmt: skip
    note = NotesAnnotation.make(onset_s=[0.04], offset_s=[0.1], pitch=[69], velocity=[127])
    targets = {name: torch.from_numpy(x)[None] for name, x in task.encode(note, 0.0, 10, FPS).items()}
    logits = {name: torch.zeros_like(x) for name, x in targets.items()}
    losses = task.loss(logits, targets, torch.ones(1, 10, dtype=torch.bool))
    assert float(losses["frame"]) == pytest.approx(3 * math.log(2))
    assert float(losses["offset"]) == pytest.approx(math.log(2))
    assert float(losses["onset"]) == pytest.approx(math.log(2) * (879 + 5) / 880)
    assert float(losses["velocity"]) == pytest.approx(velocity)


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": "soft"}, "'soft'.*regression, binary"),
        ({"half_width_frames": 1.0}, "1.0 is too narrow"),
        ({"label_frames": 0}, "label_frames=0"),
        ({"velocity_loss": "l1"}, "'l1'.*cross_entropy or squared_error"),
        ({"num_pitches": 120}, "num_pitches=120"),
        ({"outputs__onset": None}, "onset, and frame or offset"),
        ({"outputs__pedal": {"weight": 1}}, "pedal is not known.*onset, frame, offset, velocity"),
        (
            {"outputs__frame__gain": 1.0},
            "outputs.frame has .*gain: it must have exactly weight, positive_weight, prior",
        ),
        ({"decoding__threshold": 1}, "onset_threshold"),
        ({"decoding__onset_threshold": 1.5}, "onset_threshold=1.5"),
        ({"decoding__neighbourhood_frames": 0}, "neighbourhood_frames=0"),
        ({"decoding__min_duration_s": 0.0}, "min_duration_s=0.0"),
        ({"protocol__pedal": "sustain"}, "'sustain'.*extend, ignore"),
        ({"protocol__empty": "zero"}, "'zero'.*mir_eval, one, exclude"),
        ({"protocol__averaging": "notes"}, "'notes'.*tracks, works"),
        ({"protocol__onset_tolerance": 0.05}, "'onset_tolerance' is not known"),
        ({"protocol__multipitch_hop_s": 0.0}, "multipitch_hop_s=0"),
        ({"protocol__onset_tolerance_s": "wide"}, "'wide' must be a number"),
    ],
)
def test_wrong_options_name_the_value_and_the_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


# Real notes


@pytest.mark.parametrize("targets", ["regression", "binary"])
def test_ceiling_on_real_piano_music(targets: str) -> None:
    """What 50 frames per second cost: nothing."""
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds maps/")
    task = make(targets=targets)
    scores = []
    for path in sorted((Path(root) / "maps" / "notes").glob("*.tsv"))[::5]:
        notes = NotesAnnotation.read(path)
        num_frames = int(notes.pedalled_offset_s.max() * FPS) + 10
        scores.append(task.score(notes, task.decode(logits_of(task.encode(notes, 0.0, num_frames, FPS)), FPS)))
    assert np.mean([score["transcription/F-measure_no_offset"] for score in scores]) > 0.999
    assert np.mean([score["transcription/F-measure"] for score in scores]) > 0.99
