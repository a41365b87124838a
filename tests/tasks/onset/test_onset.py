"""Onsets: references, targets, decoding, mir_eval's scores, and baselines."""

import math
import os
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
from ricercar.data.annotations.onsets import Onsets
from ricercar.errors import InputError
from ricercar.tasks.onset import Onset
from ricercar.tasks.onset.baselines import energy_peaks, grid
from ricercar.tasks.scoring import Clip

FPS = 50.0
Logits = dict[str, NDArray[np.float32]]


def make(**changes: Any) -> Onset:
    """The task of conf/task/onset.yaml with changed options; protocol__window_s is an option in protocol."""
    cfg = option("task", "onset")
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value)
    options = OmegaConf.to_container(cfg)
    assert isinstance(options, dict)
    return Onset(**{str(name): value for name, value in options.items() if name != "_target_"})


def logits_of(probability: Any) -> Logits:
    """(T,) -> what a network gives for it."""
    clipped = np.clip(np.asarray(probability, dtype=np.float64), 1e-6, 1 - 1e-6)
    return {"onset": np.log(clipped / (1 - clipped)).astype(np.float32).reshape(-1, 1)}


# References


def test_notes_of_a_chord_are_one_onset_and_drums_are_onsets() -> None:
    notes = Notes.make([0.5, 0.5, 0.51, 0.529, 0.56, 2.0], [0.9, 0.9, 0.9, 0.9, 0.9, 2.1], [60, 64, 67, 72, 76, 36],
                       program=[0, 0, 0, 0, 0, DRUMS])  # fmt: skip
    reference = make().reference({"notes": notes})
    assert reference is not None
    assert reference.time_s.tolist() == [0.5, 0.56, 2.0]


@pytest.mark.parametrize(
    ("merge_s", "expected"),
    [(0.03, [0.5, 0.54, 1.0]), (0.02, [0.5, 0.53, 1.0]), (0.0, [0.5, 0.52, 0.53, 0.54, 1.0]), (0.6, [0.5])],
)
def test_onsets_are_merged_with_the_first(merge_s: float, expected: list[float]) -> None:
    """At most merge_s after the one that stays: 0.53 is 0.03 after 0.5, 0.54 is more."""
    onsets = Onsets(np.array([0.5, 0.52, 0.53, 0.54, 1.0, 1.0]), ("KD", "note", "SD", "note", "note", "KD"))
    reference = make(protocol__merge_s=merge_s).reference({"onsets": onsets, "notes": Notes.make([9], [10], [60])})
    assert reference is not None
    assert reference.time_s.tolist() == expected
    assert not any(reference.label)


def test_estimates_are_not_merged() -> None:
    scores = make().score(Onsets.make([1.0]), Onsets.make([1.0, 1.01]))
    assert scores == {"onset/F-measure": pytest.approx(2 / 3), "onset/Precision": 0.5, "onset/Recall": 1.0}


def test_no_onsets_and_no_notes_are_no_reference() -> None:
    assert make().reference({}) is None
    assert make().training_annotation({}) is None


# Scores


@pytest.mark.parametrize("decimals", [2, 6])
@pytest.mark.parametrize("window_s", [0.05, 0.03])
@pytest.mark.parametrize("seed", range(10))
def test_scores_are_those_of_mir_eval(seed: int, window_s: float, decimals: int) -> None:
    """With two decimals many times are equal, and many distances are the very window."""
    random = np.random.default_rng(seed)
    reference = np.sort(np.round(random.uniform(0, 20, random.integers(1, 200)), decimals))
    estimate = np.sort(np.round(random.uniform(0, 20, random.integers(1, 200)), decimals))
    scores = make(protocol__window_s=window_s).score(Onsets.make(reference), Onsets.make(estimate))
    expected = mir_eval.onset.evaluate(reference, estimate, window=window_s)
    assert scores == pytest.approx({f"onset/{name}": value for name, value in expected.items()}, abs=1e-9)


def test_scores_by_hand() -> None:
    """0.53 and 1.5 are matched; 1.06 is 60 ms off."""
    scores = make().score(Onsets.make([0.5, 1.0, 1.5]), Onsets.make([0.53, 1.06, 1.5, 2.0]))
    assert scores == pytest.approx({"onset/F-measure": 4 / 7, "onset/Precision": 2 / 4, "onset/Recall": 2 / 3})


@pytest.mark.parametrize(("empty", "expected"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", math.nan)])
def test_protocol_says_what_two_empty_sides_score(empty: str, expected: float) -> None:
    task, nothing, something = make(protocol__empty=empty), Onsets.make([]), Onsets.make([1.0])
    assert list(task.score(nothing, nothing).values()) == pytest.approx([expected] * 3, nan_ok=True)
    assert set(task.score(nothing, something).values()) == {0.0}
    assert set(task.score(something, nothing).values()) == {0.0}


# Targets and loss


def test_regression_targets_by_hand() -> None:
    """Onsets at frames 2.5 and 5, triangles of half-width 2: the higher of the two stays."""
    target = make(half_width_frames=2.0).encode(Onsets.make([0.05, 0.1]), 0.0, 8, FPS)["onset"]
    assert target[:, 0].tolist() == [0, 0.25, 0.75, 0.75, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize(("label_frames", "expected"), [(1, [0, 0, 1, 0, 0]), (2, [0, 0, 1, 1, 0])])
def test_binary_targets_by_hand(label_frames: int, expected: list[int]) -> None:
    target = make(targets="binary", label_frames=label_frames).encode(Onsets.make([0.045]), 0.0, 5, FPS)["onset"]
    assert target[:, 0].tolist() == expected


def test_loss_by_hand() -> None:
    """Logits of 0 cost log 2 each, 3 log 2 under a label of 1; the fourth frame is outside."""
    targets = {"onset": torch.tensor([[[1.0], [0.0], [0.0], [1.0]]])}
    valid = torch.tensor([[True, True, True, False]])
    loss = make(positive_weight=3.0).loss({"onset": torch.zeros(1, 4, 1)}, targets, valid)
    assert float(loss["onset"]) == pytest.approx(5 / 3 * math.log(2))


# Decoding


def test_peaks_above_the_threshold_are_onsets() -> None:
    """Frames 0 and 9 are the ends; 4 is below the threshold, 6 a plateau of which the first frame counts."""
    activation = [0.9, 0.1, 0.1, 0.1, 0.2, 0.1, 0.6, 0.6, 0.1, 0.8]
    assert make(targets="binary").decode(logits_of(activation), FPS).time_s.tolist() == [0.0, 0.12, 0.18]


@pytest.mark.parametrize(
    ("min_distance_s", "expected"), [(0.0, [0.04, 0.08, 0.14]), (0.04, [0.04, 0.08, 0.14]), (0.06, [0.08, 0.14])]
)
def test_peaks_keep_a_distance(min_distance_s: float, expected: list[float]) -> None:
    activation = [0.1, 0.1, 0.8, 0.1, 0.9, 0.1, 0.1, 0.7, 0.1]
    task = make(targets="binary", decoding__min_distance_s=min_distance_s)
    assert task.decode(logits_of(activation), FPS).time_s.tolist() == expected


def test_tip_of_the_triangle_is_the_time() -> None:
    """0.3, 0.7, 0.5: the lines of equal slope meet (0.5 - 0.3) / (2 (0.7 - 0.3)) = 1/4 of a frame after the peak."""
    assert make().decode(logits_of([0.1, 0.3, 0.7, 0.5, 0.1]), FPS).time_s == pytest.approx([2.25 / FPS], abs=1e-6)


def test_onsets_are_exact_between_frames() -> None:
    time_s = np.cumsum(np.random.default_rng(0).uniform(0.12, 0.4, 100))
    estimate = make().decode(logits_of(make().encode(Onsets.make(time_s), 0.0, 2500, FPS)["onset"]), FPS)
    np.testing.assert_allclose(estimate.time_s, time_s, atol=1e-5)


def test_shift_goes_no_further_than_the_start() -> None:
    estimate = make(targets="binary", decoding__shift_s=-0.05).decode(logits_of([0.9, 0.1, 0.9, 0.1, 0.1, 0.9]), FPS)
    assert estimate.time_s.tolist() == [0.0, 0.05]


def test_tuning_finds_threshold_and_shift() -> None:
    """A timid network, a frame late: 0.2 of 1, and 0.1 where nothing is."""
    time_s = np.cumsum(np.random.default_rng(1).uniform(0.2, 0.4, 100))
    task, reference = make(), Onsets.make(time_s)
    target = np.roll(task.encode(reference, 0.0, 2500, FPS)["onset"], 1, axis=0)
    false_alarms = make(targets="binary").encode(Onsets.make(time_s[::3] + 0.1), 0.0, 2500, FPS)["onset"]
    logits = logits_of(np.maximum(0.2 * target, 0.1 * false_alarms))
    assert len(task.decode(logits, FPS)) == 0
    task.tune([(reference, logits)], FPS)
    assert task.decoding["threshold"] == 0.15
    assert task.decoding["shift_s"] == pytest.approx(-0.02, abs=1e-4)
    assert task.score(reference, task.decode(logits, FPS))["onset/F-measure"] == 1.0


@pytest.mark.parametrize("reference", [[], [0.5, 1.0]])
def test_tuning_on_a_useless_network_changes_nothing(reference: list[float]) -> None:
    task = make(protocol__empty="exclude")
    task.tune([(Onsets.make(reference), logits_of(np.full(100, 1e-4)))], FPS)
    assert task.decoding == make().decoding


# Options and files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": "triangle"}, "task.targets='triangle'.*regression, binary"),
        ({"half_width_frames": 1.0}, "half_width_frames=1.0.*1.5 or more"),
        ({"label_frames": 0}, "task.label_frames=0"),
        ({"positive_weight": 0.0}, "task.positive_weight=0.0"),
        ({"prior": 0.0}, "task.prior=0.0"),
        ({"decoding__threshold": 2.0}, "task.decoding.threshold=2.0"),
        ({"decoding__delay_s": 0.0}, "delay_s.*exactly threshold, shift_s, min_distance_s"),
        ({"protocol__window_s": "wide"}, "window_s='wide' must be a number"),
        ({"protocol__window": 0.05}, "'window' is not known"),
        ({"protocol__empty": "zero"}, "'zero'.*mir_eval, one, exclude"),
    ],
)
def test_wrong_options_name_the_value_and_the_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize("name", ["a.txt", "a.onsets"])
def test_files_of_mir_eval_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("# annotated twice\n0.5\n1.25\n1.75\n")
    assert Onsets.read(path).time_s.tolist() == mir_eval.io.load_events(str(path)).tolist() == [0.5, 1.25, 1.75]


# Baselines


def clicks(time_s: list[float], sample_rate: int, seconds: float) -> Clip:
    """Bursts of noise that die away within 50 ms."""
    since_s = np.arange(int(seconds * sample_rate)) / sample_rate - np.array(time_s)[:, None]
    envelope = np.where(since_s >= 0, np.exp(-60 * since_s.clip(0)), 0.0).sum(axis=0)
    noise = np.random.default_rng(0).normal(0, 0.2, envelope.shape)
    return Clip("clicks", (envelope * noise).astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_energy_peaks_hear_clicks(sample_rate: int) -> None:
    time_s = [0.3, 0.55, 1.0, 1.1, 2.4]
    estimate = energy_peaks([])(clicks(time_s, sample_rate, 3.0))
    assert make(protocol__window_s=0.02).score(Onsets.make(time_s), estimate)["onset/F-measure"] == 1.0


def test_energy_peaks_do_not_depend_on_loudness() -> None:
    clip = clicks([0.3, 0.55, 1.0], 16000, 1.5)
    quiet = Clip("quiet", (clip.audio / 50).astype(np.float32), clip.sample_rate)
    assert energy_peaks([])(quiet).text() == energy_peaks([])(clip).text()


@pytest.mark.parametrize("num_samples", [0, 1, 100, 1600])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_energy_peaks_in_almost_no_sound(num_samples: int, level: float) -> None:
    audio = np.random.default_rng(0).normal(0, level, num_samples).astype(np.float32)
    estimate = energy_peaks([])(Clip("short", audio, 16000))
    assert isinstance(estimate, Onsets)
    assert len(estimate) <= (2 if level else 0)


@pytest.mark.parametrize(
    ("references", "interval_s"),
    [
        ([], 0.25),
        ([Onsets.make([]), Onsets.make([1.0])], 0.25),
        ([Onsets.make([0.0, 0.5]), Onsets.make([0.0, 0.4, 1.4])], 0.5),
    ],
)
def test_grid_has_the_median_interval(references: list[Onsets], interval_s: float) -> None:
    estimate = grid(references)(Clip("x", np.zeros(16000, dtype=np.float32), 16000))
    assert isinstance(estimate, Onsets)
    assert estimate.time_s.tolist() == np.arange(0, 1, interval_s).tolist()


# Real music


def real(folder: str) -> Path:
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip(f"set RICERCAR_TEST_DATA to a folder that holds {folder}/")
    return Path(root) / folder


@pytest.mark.parametrize("targets", ["regression", "binary"])
def test_ceiling_on_real_piano_music(targets: str) -> None:
    """What 50 frames per second cost: some onsets that are less than two frames apart."""
    task, scores = make(targets=targets), []
    for path in sorted((real("maps") / "notes").glob("*.tsv"))[::5]:
        reference = task.reference({"notes": Notes.read(path)})
        assert reference is not None
        num_frames = int(reference.time_s.max() * FPS) + 10
        logits = logits_of(task.encode(reference, 0.0, num_frames, FPS)["onset"])
        scores.append(task.score(reference, task.decode(logits, FPS))["onset/F-measure"])
    assert np.mean(scores) > 0.995
