"""Notes with instruments: scores against mir_eval, targets, decoding and its choice, baselines."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import option
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.tasks.instruments import Instruments
from ricercar.tasks.scoring import Clip

FPS = 50.0
A4 = 69 - 21
PRIMARY = Instruments.primary


def make(**changes: Any) -> Instruments:
    """The task of conf/task/instruments.yaml; decoding__threshold=0.1 changes a value inside a group."""
    cfg = option("task", "instruments")
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value, merge=False)
    options = OmegaConf.to_container(cfg)
    assert isinstance(options, dict)
    return Instruments(**{str(name): value for name, value in options.items() if name != "_target_"})


def logits_of(targets: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    clipped = {name: np.clip(values.astype(np.float64), 1e-6, 1 - 1e-6) for name, values in targets.items()}
    return {name: np.log(values / (1 - values)).astype(np.float32) for name, values in clipped.items()}


def band(seed: int, num_notes: int = 300, programs: tuple[int, ...] = (0, 5, 24, 33, 73, DRUMS)) -> Notes:
    """Dense notes on few pitches, for scoring; some are below A0 or above C8."""
    random = np.random.default_rng(seed)
    onset_s = random.uniform(0, 20, num_notes)
    program = random.choice(programs, num_notes)
    pitch = np.where(program == DRUMS, random.choice([36, 38, 42], num_notes), random.integers(58, 64, num_notes))
    pitch[:4] = [12, 20, 109, 115]
    return Notes.make(
        onset_s=onset_s, offset_s=onset_s + random.uniform(0.05, 1, num_notes), pitch=pitch, program=program
    )


def off_grid(notes: Notes, seed: int) -> Notes:
    """As sung: by up to 40 cents or so, but the drums."""
    cents = np.random.default_rng(200 + seed).normal(0, 20, len(notes))
    return replace(notes, pitch=np.where(notes.program == DRUMS, notes.pitch, notes.pitch + cents / 100))


def disturbed(notes: Notes, seed: int) -> Notes:
    """Another performance: some notes are missing, added, early, late, longer, or on another instrument."""
    random = np.random.default_rng(100 + seed)
    kept = random.random(len(notes)) < 0.8
    late_s = random.normal(0, 0.03, len(notes))
    onset_s = np.maximum(notes.onset_s + late_s, 0)
    program = np.where(random.random(len(notes)) < 0.8, notes.program, random.choice([0, 26, 33, 56], len(notes)))
    program = np.where(notes.program == DRUMS, DRUMS, program)
    return Notes.make(
        onset_s=onset_s[kept],
        offset_s=(onset_s + (notes.offset_s - notes.onset_s) * random.uniform(0.7, 1.3, len(notes)))[kept],
        pitch=notes.pitch[kept],
        program=program[kept],
    )


def steady(seed: int) -> Notes:
    """What a network could get right: 20 s, no overlaps within a class, on five classes and drums."""
    random = np.random.default_rng(seed)
    onset, length, pitch, program = [], [], [], []
    for of in (0, 11, 24, 33, 73):
        gaps = random.uniform(0.1, 0.6, 60)
        start = 0.1 + np.cumsum(gaps)
        onset.append(start[:-1])
        length.append(gaps[1:] * random.uniform(0.5, 0.9, 59))
        pitch.append(random.integers(50, 70, 59))
        program.append(np.full(59, of))
    onset.append(0.3 + 0.25 * np.arange(60))
    length.append(np.full(60, 0.1))
    pitch.append(np.tile([36, 42, 38, 42], 15))
    program.append(np.full(60, DRUMS))
    start_s = np.concatenate(onset)
    return Notes.make(start_s, start_s + np.concatenate(length), np.concatenate(pitch), program=np.concatenate(program))


def silence(task: Instruments, num_frames: int) -> dict[str, NDArray[np.float32]]:
    return {name: np.full((num_frames, output.size), -9.0, dtype=np.float32) for name, output in task.outputs.items()}


# Scores, against mir_eval


def mir_evals(reference: Notes, estimate: Notes, group_of: Mapping[int, int], *, offsets: bool) -> tuple[float, ...]:
    """Each group by mir_eval; precision weighted by the number of its estimates, recall by that of its notes."""
    right, total = np.zeros(2), np.zeros(2)
    groups = [np.array([group_of[int(program)] for program in notes.program]) for notes in (reference, estimate)]
    for group in set(np.concatenate(groups).tolist()):
        sides: list[Any] = []
        for notes, of in zip((reference, estimate), groups, strict=True):
            kept = (of == group) & (notes.semitone >= 21) & (notes.semitone <= 108)
            sides += [
                np.stack([notes.onset_s[kept], notes.offset_s[kept]], axis=1),
                mir_eval.util.midi_to_hz(notes.pitch[kept]),
            ]
        ratio = 0.2 if offsets and group != group_of[DRUMS] else None
        precision, recall, _, _ = mir_eval.transcription.precision_recall_f1_overlap(*sides, offset_ratio=ratio)
        weight = np.array([len(sides[2]), len(sides[0])])
        right += weight * (precision, recall)
        total += weight
    precision, recall = right / total
    return precision, recall, mir_eval.util.f_measure(precision, recall)


GROUPINGS = {
    "flat": {program: program // 128 for program in range(129)},
    "families": {program: program // 8 for program in range(129)},
    "full": {program: program for program in range(129)},
}


@pytest.mark.filterwarnings("ignore:.*are empty")
@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("seed", range(4))
def test_multi_instrument_scores_are_mir_evals_by_group(grouping: str, seed: int) -> None:
    task, reference = make(protocol__grouping=grouping), band(seed)
    estimate = disturbed(reference, seed)
    if seed % 2:
        reference, estimate = off_grid(reference, seed), off_grid(estimate, seed + 1)
    scores = task.score(reference, estimate)
    for suffix, offsets in (("onset", False), ("onset_offset", True)):
        expected = mir_evals(reference, estimate, GROUPINGS[grouping], offsets=offsets)
        found = [scores[f"multi_instrument/{name}_{suffix}"] for name in ("Precision", "Recall", "F-measure")]
        assert found == pytest.approx(expected, abs=1e-9)
    assert 0.1 < scores["multi_instrument/F-measure_onset_offset"] < scores[PRIMARY] < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_scores_of_pitched_notes_and_of_groups_are_mir_evals(seed: int) -> None:
    task, reference = make(protocol__lowest_pitch=0, protocol__highest_pitch=127), band(seed)
    estimate = disturbed(reference, seed)
    if seed % 2:
        reference, estimate = off_grid(reference, seed), off_grid(estimate, seed + 1)
    scores = task.score(reference, estimate)

    def sides(programs: range) -> list[Any]:
        found: list[Any] = []
        for notes in (reference, estimate):
            kept = np.isin(notes.program, programs)
            found.append(np.stack([notes.onset_s[kept], notes.offset_s[kept]], axis=1))
            found.append(mir_eval.util.midi_to_hz(notes.pitch[kept]))
        return found

    measure = mir_eval.transcription.precision_recall_f1_overlap
    expected = dict(zip(("Precision", "Recall", "F-measure"), measure(*sides(range(128))), strict=False))
    plain = measure(*sides(range(128)), offset_ratio=None)
    expected |= dict(zip(("Precision_no_offset", "Recall_no_offset", "F-measure_no_offset"), plain, strict=False))
    assert {name: scores[f"transcription/{name}"] for name in expected} == pytest.approx(expected, abs=1e-9)
    drums = measure(*sides(range(128, 129)), offset_ratio=None)
    found = [scores[f"drums/{name}"] for name in ("Precision", "Recall", "F-measure")]
    assert found == pytest.approx(drums[:3], abs=1e-9)
    piano = measure(*sides(range(8)), offset_ratio=None)[2]
    assert scores["instrument/F-measure_onset_piano"] == pytest.approx(piano, abs=1e-9)
    assert math.isnan(scores["instrument/F-measure_onset_organ"])


# Scores, by hand


def test_scores_by_hand() -> None:
    """Piano: 2 of 2 notes, one too short. Flute: given to the violin. Kick: right however short. Snare: missed."""
    reference = Notes.make(
        [1, 2, 3, 1, 2], [2, 3, 4, 2, 3], [60, 62, 64, 36, 38], program=[0, 0, 73, DRUMS, DRUMS]
    )  # fmt: skip
    estimate = Notes.make([1, 2, 3, 1], [2, 2.5, 4, 1.1], [60, 62, 64, 36], program=[4, 4, 40, DRUMS])
    scores = make().score(reference, estimate)
    assert scores["multi_instrument/Precision_onset"] == 3 / 4
    assert scores["multi_instrument/Recall_onset"] == 3 / 5
    assert scores["multi_instrument/Precision_onset_offset"] == 2 / 4
    assert scores["multi_instrument/Recall_onset_offset"] == 2 / 5
    assert scores["transcription/F-measure_no_offset"] == 1.0
    assert scores["transcription/F-measure"] == pytest.approx(2 / 3)
    assert (scores["drums/Precision"], scores["drums/Recall"]) == (1.0, 0.5)
    assert scores["instrument/F-measure_onset_piano"] == 1.0
    assert scores["instrument/F-measure_onset_pipe"] == scores["instrument/F-measure_onset_strings"] == 0.0
    assert scores["instrument/detection_Precision"] == scores["instrument/detection_F-measure"] == pytest.approx(2 / 3)
    assert scores["instrument/leakage_ratio"] == 1.0
    spread = make(protocol__grouping="full").score(
        reference, replace(estimate, program=np.array([4, 5, 40, DRUMS])[np.argsort([0, 2, 3, 1])])
    )
    assert spread["instrument/leakage_ratio"] == 4 / 3
    assert (spread["instrument/detection_Precision"], spread["instrument/detection_Recall"]) == (1 / 4, 1 / 3)
    nothing = Notes.make([], [], [])
    assert make().score(reference, nothing)["instrument/leakage_ratio"] == 0.0
    assert math.isnan(make().score(nothing, estimate)["instrument/leakage_ratio"])
    assert make(protocol__grouping="full").score(reference, estimate)["multi_instrument/Precision_onset"] == 1 / 4
    assert make(protocol__grouping="flat").score(reference, estimate)["multi_instrument/Precision_onset"] == 1.0


def test_drum_is_no_note_of_the_same_pitch() -> None:
    kick, note = (Notes.make([1.0], [1.1], [36], program=program) for program in (DRUMS, 0))
    scores = make().score(kick, note)
    assert scores[PRIMARY] == scores["drums/F-measure"] == scores["transcription/F-measure_no_offset"] == 0.0


@pytest.mark.parametrize(("grouping", "value"), [("flat", 1.0), ("families", 0.0), ("full", 0.0)])
def test_estimate_of_unknown_instrument(grouping: str, value: float) -> None:
    task = make(protocol__grouping=grouping)
    scores = task.score(Notes.make([1.0], [2.0], [60], program=0), Notes.make([1.0], [2.0], [60]))
    assert scores[PRIMARY] == value
    assert scores["transcription/F-measure_no_offset"] == 1.0


@pytest.mark.parametrize(("empty", "value"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", math.nan)])
def test_silent_track(empty: str, value: float) -> None:
    task, nothing = make(protocol__empty=empty), Notes.make([], [], [])
    scores = task.score(nothing, nothing)
    assert scores[PRIMARY] == pytest.approx(value, nan_ok=True)
    assert scores["transcription/F-measure"] == pytest.approx(value, nan_ok=True)
    assert math.isnan(scores["drums/F-measure"])
    assert set(scores) == set(task.score(band(0), nothing))
    assert task.score(nothing, band(0))[PRIMARY] == task.score(band(0), nothing)[PRIMARY] == 0.0


def test_pedal_holds_the_reference() -> None:
    held = Notes.make([1.0], [1.2], [60], program=0, pedalled_offset_s=[2.0])
    long, short = (Notes.make([1.0], [end], [60], program=0) for end in (2.0, 1.2))
    name = "multi_instrument/F-measure_onset_offset"
    assert make().score(held, long)[name] == make(protocol__pedal="ignore").score(held, short)[name] == 1.0
    assert make().score(held, short)[name] == make(protocol__pedal="ignore").score(held, long)[name] == 0.0


def test_reference_needs_every_program() -> None:
    task = make()
    known, unknown = Notes.make([1.0], [2.0], [60], program=0), Notes.make([1.0, 2.0], [2.0, 3.0], [60, 60])
    mixed = Notes.make([1.0, 2.0], [2.0, 3.0], [60, 60], program=[0, -1])
    assert task.reference({"notes": known}) is known
    assert task.reference({"notes": unknown}) is task.reference({"notes": mixed}) is task.reference({}) is None


# Targets and loss


def test_targets_by_hand() -> None:
    """Guitar A4 at frame 2.5, snare at frame 4; an organ, a cowbell and a guitar below the outputs are not learned."""
    notes = Notes.make(
        [0.05, 0.08, 0.05, 0.05, 0.05], [0.125, 0.1, 0.1, 0.1, 0.1], [69, 38, 69, 56, 20],
        program=[25, DRUMS, 16, DRUMS, 25],
    )  # fmt: skip
    targets = make(half_width_frames=2.0).encode(notes, 0.0, 8, FPS)
    assert targets["onset_guitar"][:, A4].tolist() == [0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0]
    assert targets["frame_guitar"][:, A4].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    assert targets["drums"][:, 1].tolist() == [0, 0, 0, 0.5, 1, 0.5, 0, 0]
    total = sum(float(values.sum()) for values in targets.values())
    assert total == pytest.approx(2 + 4 + 2)


def test_loss_by_hand() -> None:
    """Logits of 0: log 2 for each cell, summed over 9 classes; a positive weight of 5 counts where a label is."""
    task = make(outputs__onset__weight=3.0, outputs__drums__weight=0.5, outputs__frame__positive_weight=5.0)
    note = Notes.make([0.04], [0.1], [69], program=0)
    targets = {name: torch.from_numpy(x)[None] for name, x in task.encode(note, 0.0, 10, FPS).items()}
    logits = {name: torch.zeros_like(x) for name, x in targets.items()}
    losses = task.loss(logits, targets, torch.ones(1, 10, dtype=torch.bool))
    assert float(losses["onset"]) == pytest.approx(3 * 9 * math.log(2))
    assert float(losses["frame"]) == pytest.approx((9 + 3 * 4 / 880) * math.log(2))
    assert float(losses["drums"]) == pytest.approx(0.5 * math.log(2))


# Decoding


@pytest.mark.parametrize("seed", range(3))
def test_perfect_network(seed: int) -> None:
    task, notes = make(), steady(seed)
    estimate = task.decode(logits_of(task.encode(notes, 0.0, 1200, FPS)), FPS)
    scores = task.score(notes, estimate)
    assert scores[PRIMARY] == scores["drums/F-measure"] == 1.0
    assert scores["multi_instrument/F-measure_onset_offset"] > 0.93
    assert set(estimate.program.tolist()) == {0, 8, 24, 32, 72, DRUMS}


def test_decoding_by_hand() -> None:
    """A reed note and a crash; the same pitch on a pipe stays below the threshold."""
    task = make()
    logits = silence(task, 20)
    logits["onset_reed"][4, A4] = 9.0
    logits["frame_reed"][4:10, A4] = 9.0
    logits["onset_pipe"][4, A4] = -2.0
    logits["drums"][6, list(task.drums).index(49)] = 3.0
    notes = task.decode(logits, FPS)
    assert notes.onset_s == pytest.approx([0.08, 0.12], abs=1e-4)
    assert notes.pitch.tolist() == [69, 49]
    assert notes.program.tolist() == [64, DRUMS]
    assert notes.offset_s[0] == pytest.approx(0.2, abs=0.011)


def test_no_drums() -> None:
    task = make(drums=[])
    assert "drums" not in task.outputs
    notes = steady(0)
    scores = task.score(notes, task.decode(logits_of(task.encode(notes, 0.0, 1200, FPS)), FPS))
    assert scores["drums/Recall"] == 0.0
    assert scores["transcription/F-measure_no_offset"] == 1.0


# Tuning


@pytest.mark.parametrize("grouping", ["families", "full", "flat", "yourmt3"])
def test_tuning_finds_a_threshold_per_class_and_a_shift(grouping: str) -> None:
    """Pianos speak at 0.2 of 1, guitars shout with ghosts at 0.5; the network is two frames late."""
    task = make(protocol__grouping=grouping, classes={"piano": [0, 1], "guitar": [24]}, drums=[36, 38, 42])
    notes = steady(1)
    targets = {name: np.roll(values, 2, axis=0) for name, values in task.encode(notes, 0.0, 1200, FPS).items()}
    targets["onset_piano"] *= 0.2
    ghosts = np.random.default_rng(0).random(targets["onset_guitar"].shape) < 0.003
    targets["onset_guitar"][ghosts] = np.maximum(targets["onset_guitar"][ghosts], 0.5)
    logits = logits_of(targets)
    before = task.score(notes, task.decode(logits, FPS))[PRIMARY]
    task.tune([(notes, logits)], FPS)
    assert task.decoding["threshold/piano"] < 0.2
    assert task.decoding["threshold/guitar"] >= 0.5
    assert task.decoding["onset_shift_s"] == pytest.approx(-0.04, abs=1e-3)
    scores = task.score(notes, task.decode(logits, FPS))
    assert scores[PRIMARY] > before + 0.1
    assert scores["drums/F-measure"] == 1.0


@pytest.mark.parametrize("seed", range(2))
def test_thresholds_are_no_worse_than_any_common_one(seed: int) -> None:
    task, random = make(), np.random.default_rng(seed)
    examples = []
    for number in range(2):
        notes = steady(10 * seed + number)
        perfect = logits_of(task.encode(notes, 0.0, 1200, FPS))
        noisy = {n: (0.2 * x + random.normal(0, 0.8, x.shape)).astype(np.float32) for n, x in perfect.items()}
        examples.append((notes, noisy))

    def mean(decoding: dict[str, float]) -> float:
        task.decoding = decoding
        return float(np.mean([task.score(notes, task.decode(logits, FPS))[PRIMARY] for notes, logits in examples]))

    untuned = dict(task.decoding)
    task.tune(examples, FPS)
    chosen = mean(dict(task.decoding))
    common = [
        mean({name: each if name.startswith("threshold/") else value for name, value in untuned.items()})
        for each in (0.2, 0.3, 0.4, 0.6)
    ]
    assert chosen >= max(common)
    assert len(set(common)) == 4


@pytest.mark.parametrize("value", [-20.0, 0.0, 20.0])
def test_tuning_on_a_useless_network_changes_nothing(value: float) -> None:
    task = make()
    before = dict(task.decoding)
    task.tune([(steady(0), {name: np.full_like(x, value) for name, x in silence(task, 500).items()})], FPS)
    assert task.decoding == before


# Baselines


def tones(pitches: list[int]) -> NDArray[np.float32]:
    """Plucked tones with six harmonics, one every 0.5 s from 0.5 s on."""
    time_s = np.arange(round((len(pitches) / 2 + 1) * 16000)) / 16000
    audio = np.zeros_like(time_s)
    for number, pitch in enumerate(pitches):
        since_s = np.clip(time_s - 0.5 * (number + 1), 0, None)
        freq_hz = 440 * 2 ** ((pitch - 69) / 12)
        for harmonic in range(1, 7):
            audio += np.exp(-8 * since_s) * np.sin(2 * np.pi * harmonic * freq_hz * since_s) / harmonic
    return (0.2 * audio).astype(np.float32)


def test_commonest_by_hand() -> None:
    """A chord of C and G every 0.25 s, for 0.2 s, mostly on program 24; drums do not count."""
    onset_s = np.repeat([0.0, 0.25, 0.5, 0.75], 2)
    guitar = Notes.make(onset_s, onset_s + 0.2, [60, 67, 60, 67, 60, 64, 60, 67], program=[24] * 7 + [0])
    drums = Notes.make(np.arange(9.0), np.arange(9.0) + 0.5, [36] * 9, program=DRUMS)
    notes = Instruments.baselines["commonest"]([guitar, drums])(Clip("x", np.zeros(16000, np.float32), 16000))
    assert isinstance(notes, Notes)
    assert notes.onset_s.tolist() == onset_s.tolist()
    assert notes.pitch.tolist() == [60, 67] * 4
    assert set(notes.program.tolist()) == {24}
    assert notes.offset_s - notes.onset_s == pytest.approx(np.full(8, 0.2), abs=1e-6)


def test_peaks_hears_tones() -> None:
    pitches = [60, 64, 67, 72, 55, 48, 69, 62]
    reference = Notes.make(0.5 * np.arange(1, 9), 0.5 * np.arange(1, 9) + 0.4, pitches, program=0)
    estimate = Instruments.baselines["peaks"]([reference])(Clip("x", tones(pitches), 16000))
    assert make().score(reference, estimate)["transcription/Recall_no_offset"] >= 0.75


@pytest.mark.parametrize("name", Instruments.baselines)
@pytest.mark.parametrize("num_samples", [1600, 16000])
@pytest.mark.parametrize("level", [0.0, 0.1])
@pytest.mark.parametrize("references", [[], [Notes.make([], [], [])], [band(0)]], ids=["none", "empty", "some"])
def test_baselines_give_scores(name: str, num_samples: int, level: float, references: list[Notes]) -> None:
    audio = np.random.default_rng(0).normal(0, level, num_samples).astype(np.float32)
    estimate = Instruments.baselines[name](references)(Clip("x", audio, 16000))
    assert isinstance(estimate, Notes)
    assert (estimate.program >= 0).all()
    assert len(estimate) == 0 or name != "silence"
    assert 0 <= make().score(band(1), estimate)[PRIMARY] < 0.5


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {}}, "names no instruments"),
        ({"classes": {"My Piano": [0]}}, "My Piano: a name has"),
        ({"classes": {"drums": [0]}}, "drums are in task.drums"),
        ({"classes": {"piano": []}}, r"piano=\[\]: give General MIDI programs"),
        ({"classes": {"piano": [128]}}, "program 128 is above 127"),
        ({"classes": {"piano": [0], "keys": [0]}}, "keys: program 0 is in piano already"),
        ({"classes": {"piano": ["grand"]}}, "piano='grand'"),
        ({"drums": [36, 36]}, "36 is there twice"),
        ({"drums": [128]}, "128 is above 127"),
        ({"num_pitches": 120}, "num_pitches=120"),
        ({"half_width_frames": 1.0}, "1.0 is too narrow"),
        ({"outputs__frame__gain": 1.0}, "outputs.frame has .*gain"),
        ({"outputs__offset": {"weight": 1}}, "exactly onset, frame, drums"),
        ({"decoding__offset_weight": 1}, "exactly threshold"),
        ({"decoding__threshold": 1.5}, "threshold=1.5"),
        ({"protocol__grouping": "midi_class"}, "'midi_class'.*flat, families, full"),
        ({"protocol__lowest_pitch": 110}, "lowest_pitch=110 is above highest_pitch=108"),
    ],
)
def test_wrong_options_name_the_value_and_the_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


# Real notes


def test_ceiling_on_real_music() -> None:
    """What a piano class costs: nothing."""
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds pop909/")
    path = min((Path(root) / "pop909" / "midi").glob("*.mid"))
    notes, task = Notes.read(path), make()
    assert task.reference({"notes": notes}) is notes
    num_frames = math.ceil(notes.offset_s.max() * FPS) + 50
    scores = task.score(notes, task.decode(logits_of(task.encode(notes, 0.0, num_frames, FPS)), FPS))
    assert scores[PRIMARY] > 0.95
