"""Melody: targets between semitones and frames, paths, mir_eval's scores, and files whose values are not Hz."""

import itertools
import math
import os
import warnings
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import make_task, option
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.melody import Melody as MelodyAnnotation
from ricercar.data.annotations.multipitch import Multipitch as MultipitchAnnotation
from ricercar.errors import InputError
from ricercar.tasks.melody import Melody
from ricercar.tasks.melody.decoding import MelodyDecoder
from ricercar.tasks.melody.targets import melody_targets, pitch_at
from ricercar.tasks.scoring import Clip
from ricercar.tasks.shared.viterbi import viterbi

FPS = 50.0
LOWEST = 33
METRICS = ["Voicing Recall", "Voicing False Alarm", "Raw Pitch Accuracy", "Raw Chroma Accuracy", "Overall Accuracy"]


def make(**changes: Any) -> Melody:
    """The task of conf/task/melody.yaml; protocol__hop_s=0.01 changes a value inside a group."""
    options = option("task", "melody")
    for name, value in changes.items():
        OmegaConf.update(options, name.replace("__", "."), value)
    made = OmegaConf.to_container(options)
    assert isinstance(made, dict)
    return Melody(**{str(name): value for name, value in made.items() if name != "_target_"})


def hz(midi: Any) -> NDArray[np.float64]:
    """0 for 0."""
    values = np.asarray(midi, dtype=np.float64)
    return np.where(values == 0, 0.0, np.sign(values) * 440.0 * 2.0 ** ((np.abs(values) - 69) / 12))


def melody(time_s: Any, midi: Any) -> MelodyAnnotation:
    return MelodyAnnotation(time_s=np.asarray(time_s, dtype=np.float64), frequency_hz=hz(midi))


def rows(midi: Any, step_s: float = 0.02) -> MelodyAnnotation:
    return melody(np.round(np.arange(len(midi)) * step_s, 6), midi)


def random_melody(seed: int, num_rows: int, step_s: float, negative: bool) -> MelodyAnnotation:
    """Notes a little out of tune, octaves among them, and silence; `negative`: with a frequency all the same."""
    random = np.random.default_rng(seed)
    notes = random.choice([50, 50.3, 50.7, 62, 38, 0], size=num_rows // 5 + 1)
    midi = np.repeat(notes, 5)[:num_rows]
    midi = np.where(midi > 0, midi + random.normal(0, 0.3, num_rows), midi)
    if negative:
        midi *= random.choice([1, 1, -1], size=num_rows)
    return rows(midi, step_s)


# --- scores ---


@pytest.mark.parametrize("interpolation", ["linear", "nearest", "zero"])
@pytest.mark.parametrize("hop_s", [0, 0.01])
@pytest.mark.parametrize("step_s", [0.0058, 0.02])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_mir_eval(seed: int, step_s: float, hop_s: float, interpolation: str) -> None:
    reference = random_melody(seed, 300, 0.0058, negative=False)
    estimate = random_melody(seed + 100, 90, step_s, negative=True)
    task = make(protocol__hop_s=hop_s, protocol__interpolation=interpolation, protocol__gaps="hold")
    expected = mir_eval.melody.evaluate(
        reference.time_s,
        reference.frequency_hz,
        estimate.time_s,
        estimate.frequency_hz,
        hop=hop_s or None,
        kind=interpolation,
    )
    assert task.score(reference, estimate) == {f"melody/{name.replace(' ', '_')}": expected[name] for name in METRICS}
    assert task.scoring.overall_accuracy(reference, estimate) == expected["Overall Accuracy"]


def test_scores_by_hand() -> None:
    """Ten rows. Right; right but not sounding; an octave, a quartertone and 49 cents off; missed; and four silent."""
    reference = rows([60, 60, 60, 60, 60, 60, 0, 0, 0, 0])
    estimate = rows([60, -60, 72, 60.51, 60.49, 0, 0, 0, -50, 50])
    scores = make().score(reference, estimate)
    assert scores["melody/Voicing_Recall"] == pytest.approx(4 / 6)
    assert scores["melody/Voicing_False_Alarm"] == pytest.approx(1 / 4)
    assert scores["melody/Raw_Pitch_Accuracy"] == pytest.approx(3 / 6)
    assert scores["melody/Raw_Chroma_Accuracy"] == pytest.approx(4 / 6)
    assert scores["melody/Overall_Accuracy"] == pytest.approx((2 + 3) / 10)
    assert make(protocol__cent_tolerance=60).score(reference, estimate)["melody/Raw_Pitch_Accuracy"] == 4 / 6


NOTHING = rows([])
SILENT = rows([0, 0, 0])
SUNG = rows([60, 60, 60])


@pytest.mark.parametrize(
    ("empty", "reference", "estimate", "expected"),
    [
        ("mir_eval", NOTHING, NOTHING, [0, 0, 0, 0, 0]),
        ("mir_eval", NOTHING, SUNG, [0, 0, 0, 0, 0]),
        ("mir_eval", SUNG, NOTHING, [0, 0, 0, 0, 0]),
        ("mir_eval", SILENT, NOTHING, [1, 0, 0, 0, 1]),
        ("mir_eval", SILENT, SUNG, [1, 1, 0, 0, 0]),
        ("exclude", NOTHING, SUNG, [math.nan] * 5),
        ("exclude", SILENT, SUNG, [math.nan, 1, math.nan, math.nan, 0]),
        ("exclude", SUNG, SILENT, [0, math.nan, 0, 0, 0]),
        ("exclude", SUNG, SUNG, [1, math.nan, 1, 1, 1]),
    ],
)
def test_empty_sides_have_a_score(
    empty: str, reference: MelodyAnnotation, estimate: MelodyAnnotation, expected: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make(protocol__empty=empty).score(reference, estimate)
    assert list(scores.values()) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("estimate", [melody([0.5], [60]), melody([0.0], [60]), melody([0.1, 5.0, 5.01], [60, -60, 0])])
def test_odd_times_have_a_score(estimate: MelodyAnnotation) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make().score(rows([60] * 50), estimate)
    assert all(0 <= score <= 1 for score in scores.values())


# --- targets ---


def targets(annotation: MelodyAnnotation, num_frames: int = 5) -> dict[str, NDArray[np.float32]]:
    return melody_targets(annotation, 0.0, num_frames, FPS, LOWEST, 61)


def test_a_pitch_between_two_semitones_is_at_both() -> None:
    found = targets(rows([60.25] * 5))
    assert found["pitch"][2, 60 - LOWEST] == pytest.approx(0.75, abs=1e-6)
    assert found["pitch"][2, 61 - LOWEST] == pytest.approx(0.25, abs=1e-6)
    assert found["pitch"][2].sum() == pytest.approx(1.0)
    # Half a unit per semitone from 0.5 on.
    assert found["deviation"][2, 60 - LOWEST] == pytest.approx(0.5 + 0.125, abs=1e-6)
    assert found["deviation"][2, 61 - LOWEST] == pytest.approx(0.5 - 0.375, abs=1e-6)
    assert found["deviation"][2, 62 - LOWEST] == 0.5


@pytest.mark.parametrize(("midi", "cell"), [(32.6, 0), (93.4, 60)])
def test_pitches_beside_the_outermost_semitones_are_theirs(midi: float, cell: int) -> None:
    found = targets(rows([midi] * 5))
    assert found["pitch"][2, cell] == pytest.approx(1.0)
    assert found["deviation"][2, cell] == pytest.approx(0.5 + 0.5 * (midi - cell - LOWEST), abs=1e-6)


@pytest.mark.parametrize("midi", [32.4, 93.6, 20, 110])
def test_other_pitches_teach_nothing(midi: float) -> None:
    annotation = rows([60, 60, midi, 60, 0])
    found = {name: torch.from_numpy(values)[None] for name, values in targets(annotation).items()}
    assert found["pitch"][0].isnan().any(dim=-1).tolist() == [False, False, True, False, False]
    logits = {name: torch.randn(1, 5, 61, requires_grad=True) for name in found}
    loss = torch.stack(list(make().loss(logits, found, torch.ones(1, 5, dtype=torch.bool)).values())).sum()
    torch.autograd.backward(loss)
    for values in logits.values():
        assert values.grad is not None
        assert bool(values.grad.isfinite().all())
        assert not values.grad[0, 2].any()
        assert bool(values.grad[0, 1].any())


def test_a_note_that_begins_between_frames_has_a_share_of_a_frame() -> None:
    """Rows every 5 ms; from the sixth on, at 25 ms, it sounds: from 22.5 ms on, and frame 1 lasts from 10 to 30 ms."""
    found = targets(rows([0] * 5 + [60] * 20, step_s=0.005))
    assert found["pitch"][:, 60 - LOWEST].tolist() == [0, 0.375, 1, 1, 1]


def test_silence_between_rows_is_not_bridged() -> None:
    """Rows every 10 ms, of which those from 0.1 to 0.3 s are left out; a note around a silent row; a new note."""
    time_s = np.concatenate([np.arange(10), np.arange(30, 40)]) * 0.01
    found = pitch_at(melody(time_s, [60.0] * 20), np.array([0.085, 0.095, 0.11, 0.2, 0.28, 0.295, 0.39, 0.41]))
    assert np.isnan(found).tolist() == [False, False, True, True, True, False, False, True]
    found = pitch_at(rows([60, 0, 61], step_s=0.01), np.array([0.0, 0.004, 0.006, 0.014, 0.016]))
    np.testing.assert_allclose(found, [60, 60, np.nan, np.nan, 61])
    found = pitch_at(rows([60, 64], step_s=0.01), np.array([0.004, 0.006]))
    np.testing.assert_allclose(found, [60, 64])


def test_a_glide_is_a_straight_line() -> None:
    found = pitch_at(rows([60, 60.5, 61.3], step_s=0.05), np.array([0.0, 0.01, 0.05, 0.075]))
    np.testing.assert_allclose(found, [60, 60.1, 60.5, 60.9])


def test_a_negative_frequency_is_silence() -> None:
    assert not targets(rows([-60] * 5))["pitch"].any()


def test_loss_by_hand() -> None:
    """Two frames: the melody at a semitone, then silence; all logits 0 but one."""
    found = {name: torch.from_numpy(values)[None] for name, values in targets(rows([60, 0, 0]), 3).items()}
    found = {name: values[:, [0, 2]] for name, values in found.items()}
    logits = {name: torch.zeros(1, 2, 61) for name in found}
    logits["pitch"][0, 0, 60 - LOWEST] = 3.0
    loss = make(deviation_weight=0.5).loss(logits, found, torch.ones(1, 2, dtype=torch.bool))
    assert float(loss["pitch"]) == pytest.approx((math.log(61 + math.exp(3)) - 3 + math.log(62)) / 2)
    assert float(loss["deviation"]) == pytest.approx(0.5 * math.log(2))


# --- decoding ---


def logits(path: list[float], height: float = 6.0) -> dict[str, NDArray[np.float32]]:
    """`height` at each frame's semitone (0: none), and the deviation to its exact pitch."""
    found = {name: np.full((len(path), 61), value, np.float32) for name, value in (("pitch", -6), ("deviation", 0))}
    for frame, midi in enumerate(path):
        if midi:
            cell = round(midi) - LOWEST
            found["pitch"][frame, cell] = height
            share = 0.5 + 0.5 * (midi - round(midi))
            found["deviation"][frame, cell] = math.log(share / (1 - share))
    return found


def decoded(path: list[float], **decoding: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """-> (frames, MIDI numbers, negative where it does not sound) of the rows."""
    decoder = MelodyDecoder(logits(path), fps=FPS, lowest_pitch=LOWEST, rows_per_frame=4)
    found = decoder({"voicing_threshold": 0.5, "switch_cost": 1.0, **decoding})
    midi = 69 + 12 * np.log2(np.abs(found.frequency_hz) / 440)
    return found.time_s * FPS, np.sign(found.frequency_hz) * midi


def test_deviations_move_the_pitch_and_are_interpolated() -> None:
    at, midi = decoded([60.2, 60.4, 60.0, 59.6])
    np.testing.assert_allclose(midi, np.interp(at, range(4), [60.2, 60.4, 60.0, 59.6]), atol=1e-5)


def test_a_new_note_begins_between_its_frames() -> None:
    at, midi = decoded([60, 60, 67, 67])
    np.testing.assert_allclose(midi, np.where(at < 1.5, 60, 67), atol=1e-5)


def test_rests_keep_a_pitch_that_does_not_sound() -> None:
    """A row holds until the next: it is silent where the middle of that time is."""
    at, midi = decoded([60, 60, 0, 0, 60, 60])
    np.testing.assert_allclose(midi, np.where((at + 0.125 < 1.5) | (at + 0.125 >= 3.5), 60, -60), atol=1e-5)


@pytest.mark.parametrize(("switch_cost", "octave"), [(0.0, 72), (2.0, 60)])
def test_a_switch_cost_takes_single_frames_out(switch_cost: float, octave: int) -> None:
    path = logits([60] * 7, height=2.0)
    path["pitch"][3, 72 - LOWEST] = 3.0
    decoder = MelodyDecoder(path, fps=FPS, lowest_pitch=LOWEST, rows_per_frame=1)
    found = decoder({"voicing_threshold": 0.5, "switch_cost": switch_cost})
    np.testing.assert_allclose(found.frequency_hz[3], hz(octave), atol=1e-4)


def test_the_threshold_is_on_the_pitch_beside_silence() -> None:
    """Logit 1 against that of silence, which is 0: a probability of 0.73 beside it."""
    decoder = MelodyDecoder(logits([60] * 3, height=1.0), fps=FPS, lowest_pitch=LOWEST, rows_per_frame=1)
    np.testing.assert_allclose(decoder.voicing(decoder.path(0.0)), 1 / (1 + math.exp(-1)), atol=2e-3)
    sounding = [
        bool((decoder({"voicing_threshold": each, "switch_cost": 0.0}).frequency_hz > 0).all()) for each in (0.72, 0.74)
    ]
    assert sounding == [True, False]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("switch_cost", [0.3, 1.0, 3.0])
def test_path_is_the_likeliest_of_all(seed: int, switch_cost: float) -> None:
    scores = np.random.default_rng(seed).normal(0, 1, (6, 4))

    def likelihood(path: tuple[int, ...]) -> float:
        switches = sum(a != b for a, b in itertools.pairwise(path))
        return float(scores[np.arange(6), list(path)].sum()) - switch_cost * switches

    best = max(itertools.product(range(4), repeat=6), key=likelihood)
    assert tuple(viterbi(scores, 0.0, -switch_cost)) == best


def as_logits(found: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """What a network gives whose softmax and sigmoid are the targets."""
    pitch = found["pitch"].astype(np.float64)
    silence = np.clip(1 - pitch.sum(axis=1, keepdims=True), 1e-7, 1)
    deviation = np.clip(found["deviation"].astype(np.float64), 1e-6, 1 - 1e-6)
    return {
        "pitch": np.log(np.clip(pitch, 1e-7, 1) / silence).astype(np.float32),
        "deviation": np.log(deviation / (1 - deviation)).astype(np.float32),
    }


@pytest.mark.parametrize("title", ["80sRock", "Britpop", "Country1", "Grunge", "Shadows", "SpeedMetal"])
def test_real_melodies_survive_encoding_and_decoding(title: str) -> None:
    """Rows every 5.8 ms, frames every 20 ms: what is lost is at the borders of notes."""
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds pop/")
    reference = MelodyAnnotation.read(
        Path(os.environ["RICERCAR_TEST_DATA"]) / "pop" / "melody" / f"MusicDelta_{title}.csv"
    )
    task = make()
    found = task.encode(reference, 0.0, int(reference.time_s[-1] * FPS) + 1, FPS)
    assert not np.isnan(found["pitch"]).any()
    scores = task.score(reference, task.decode(as_logits(found), FPS))
    assert scores["melody/Overall_Accuracy"] > 0.97
    assert scores["melody/Voicing_Recall"] > 0.99
    assert scores["melody/Voicing_False_Alarm"] < 0.015


# --- baselines ---


def tone(midi: float, seconds: float = 1.0) -> Clip:
    time_s = np.arange(int(16000 * seconds)) / 16000
    partials = [np.sin(2 * np.pi * k * hz(midi) * time_s) / k for k in range(1, 6)]
    return Clip("tone", (0.2 * np.sum(partials, axis=0)).astype(np.float32), 16000)


def test_constant_is_the_median_pitch_of_the_training_split() -> None:
    estimate = make().baselines["constant"]([rows([60, 62, 0]), rows([64, -90, 0])])(tone(50))
    assert isinstance(estimate, MelodyAnnotation)
    np.testing.assert_allclose(estimate.frequency_hz, hz(62), atol=1e-6)
    assert estimate.time_s[-1] == 1.0


@pytest.mark.parametrize("midi", [48.0, 57.4, 69.0, 80.0])
@pytest.mark.parametrize("references", [[], [rows([45] * 5 + [84] * 5)]])
def test_salience_finds_a_tone(midi: float, references: list[Annotation]) -> None:
    estimate = make().baselines["salience"](references)(tone(midi))
    scores = make().score(rows([midi] * 45), estimate)
    assert scores["melody/Raw_Pitch_Accuracy"] > 0.95


def test_salience_sounds_as_often_as_melodies_do() -> None:
    noise = Clip("noise", np.random.default_rng(0).normal(0, 0.1, 160000).astype(np.float32), 16000)
    estimate = make().baselines["salience"]([rows([60, 0, 72, 0])])(noise)
    assert isinstance(estimate, MelodyAnnotation)
    assert (estimate.frequency_hz > 0).mean() == pytest.approx(0.5, abs=0.01)


# --- options and files ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowest_pitch": 100}, "leave the MIDI numbers"),
        ({"rows_per_frame": 0}, "rows_per_frame=0"),
        ({"decoding__switch_cost": -1}, "switch_cost=-1"),
        ({"decoding__smoothing": 1.0}, "smoothing"),
        ({"protocol__interpolation": "cubic"}, "'cubic'.*linear"),
        ({"protocol__cent_tolerance": -1}, "cent_tolerance=-1"),
    ],
)
def test_wrong_options_name_the_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize("kind", [MelodyAnnotation, MultipitchAnnotation])
@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([60, 0, 64, 67], "MIDI numbers"),
        ([30, 60, 100], "MIDI numbers"),
        ([60.12, 61.3, 71.5], "MIDI numbers"),
        ([6551.3, 0, 6600.2, 5400.0], "cents"),
    ],
)
def test_values_that_are_not_hz_are_refused(
    kind: type[Annotation], values: list[float], unit: str, tmp_path: Path
) -> None:
    path = tmp_path / "f0.csv"
    text = "".join(f"{row / 100},{value}\n" for row, value in enumerate(values))
    path.write_text(text)
    with pytest.raises(InputError, match=rf"f0\.csv.*{unit}.*time,frequency_hz"):
        kind.read(path)
    path.write_text(f"time,frequency_hz\n{text}")
    declared = kind.read(path)
    declared.write(path)
    assert kind.read(path).text() == declared.text()


@pytest.mark.parametrize("values", [[41.2, 55, 82.4, 98], [110, 0, 110], [261.6, 0, 440], [-60, 0, 300]])
def test_low_values_that_may_be_hz_are_taken(values: list[float], tmp_path: Path) -> None:
    path = tmp_path / "f0.csv"
    path.write_text("".join(f"{row / 100},{value}\n" for row, value in enumerate(values)))
    assert MelodyAnnotation.read(path).frequency_hz.tolist() == values


def test_negative_frequencies_are_kept_and_moved() -> None:
    moved = MelodyAnnotation(np.array([0.0, 0.5]), np.array([-220.0, 220.0])).transposed(12).stretched(2.0)
    assert (moved.time_s.tolist(), moved.frequency_hz.tolist()) == ([0.0, 1.0], [-440.0, 440.0])
    assert MelodyAnnotation(np.array([0.0]), np.array([-15000.0])).transposed(12).frequency_hz.tolist() == [0.0]


def test_tuning_finds_threshold_and_cost() -> None:
    """Silence is never below 0.6 of the pitch in a rest, and single frames are an octave off."""
    task = make_task("melody")
    midi = [60.0] * 40 + [0.0] * 40 + [65.0] * 40
    found = logits(midi, height=3.0)
    found["pitch"][40:80, 60 - LOWEST] = 1.0
    found["pitch"][10:110:10, 80 - LOWEST] = 3.5
    reference = rows(midi)
    before = task.score(reference, task.decode(found, FPS))["melody/Overall_Accuracy"]
    task.tune([(reference, found)], FPS)
    assert 0.75 <= task.decoding["voicing_threshold"] <= 0.95
    assert task.decoding["switch_cost"] >= 1.0
    assert task.score(reference, task.decode(found, FPS))["melody/Overall_Accuracy"] == 1.0 > before
