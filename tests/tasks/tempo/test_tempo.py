"""Tempo: mir_eval's numbers and those of Gouyon et al., tempi from activations and as classes, files."""

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
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.tempo import Tempo as TempoAnnotation
from ricercar.data.sources.index import read_index
from ricercar.errors import InputError
from ricercar.tasks.scoring import Clip
from ricercar.tasks.shared.pulse import autocorrelation as autocorrelated
from ricercar.tasks.shared.pulse import onset_strength, salience, strongest_tempo
from ricercar.tasks.tempo import Tempo
from ricercar.tasks.tempo.baselines import autocorrelation, constant

FPS = 50.0


def make(**changes: Any) -> Tempo:
    """The task with options changed: make(method="classes")."""
    config = OmegaConf.merge(option("task", "tempo"), changes)
    options = OmegaConf.to_container(config)
    assert isinstance(options, dict)
    return Tempo(**{str(name): value for name, value in options.items() if name != "_target_"})


def score(reference: TempoAnnotation, estimate: TempoAnnotation, **protocol: Any) -> dict[str, float]:
    return {
        name.removeprefix("tempo/"): value for name, value in make(protocol=protocol).score(reference, estimate).items()
    }


# --- scores ---


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    tempi = random.uniform(50, 100, 2) * [1, 2]
    weight = float(random.random())
    estimated = tempi * random.choice([0.5, 1, 1.05, 1.1, 2], 2)
    got = score(TempoAnnotation(tempi[0], tempi[1], weight), TempoAnnotation(estimated[0], estimated[1], 0.5))
    expected = mir_eval.tempo.evaluate(tempi, weight, estimated)
    assert {name: got[name] for name in expected} == dict(expected)


@pytest.mark.parametrize(("estimated", "p_score"), [([100.0, 50.0], 1.0), ([50.0, 107.9], 1.0), ([50.0, 108.1], 0.0)])
def test_one_reference_tempo_is_mir_evals_with_the_other_at_zero(estimated: list[float], p_score: float) -> None:
    got = score(TempoAnnotation(100.0), TempoAnnotation(estimated[0], estimated[1], 0.5), single_tempo="mir_eval")
    expected = mir_eval.tempo.evaluate(np.array([0.0, 100.0]), 0.0, np.array(estimated))
    assert got["P-score"] == p_score
    assert {name: got[name] for name in expected} == dict(expected)
    assert got["Both-correct"] == 0.0
    assert math.isnan(score(TempoAnnotation(100.0), TempoAnnotation(estimated[0], estimated[1], 0.5))["Both-correct"])


@pytest.mark.parametrize(
    ("estimate", "acc1", "acc2"),
    [
        (100.0, 1, 1),
        (103.99, 1, 1),
        (96.01, 1, 1),
        (104.1, 0, 0),
        (95.9, 0, 0),
        (200.0, 0, 1),
        (207.9, 0, 1),
        (208.1, 0, 0),
        (50.0, 0, 1),
        (51.9, 0, 1),
        (52.1, 0, 0),
        (300.0, 0, 1),
        (100 / 3, 0, 1),
        (400.0, 0, 0),
        (25.0, 0, 0),
        (66.7, 0, 0),
        (150.0, 0, 0),
    ],
)
def test_accuracies_by_hand(estimate: float, acc1: int, acc2: int) -> None:
    scores = score(TempoAnnotation(100.0), TempoAnnotation(estimate))
    assert (scores["Acc1"], scores["Acc2"]) == (acc1, acc2)


def test_accuracies_compare_the_stronger_tempi() -> None:
    reference = TempoAnnotation(60.0, 120.0, 0.3)
    assert score(reference, TempoAnnotation(120.0, 60.0, 0.9))["Acc1"] == 1.0
    assert score(reference, TempoAnnotation(120.0, 60.0, 0.1))["Acc1"] == 0.0
    assert score(reference, TempoAnnotation(120.0, 60.0, 0.1))["Both-correct"] == 1.0


def test_tolerances_are_the_protocols() -> None:
    estimate = TempoAnnotation(109.0)
    assert score(TempoAnnotation(100.0), estimate, tolerance=0.1)["P-score"] == 1.0
    assert score(TempoAnnotation(100.0), estimate, accuracy_tolerance=0.1)["Acc1"] == 1.0


# --- what is learned and scored ---

BEATS = Beats.make([0.0, 0.5, 1.0, 1.5, 2.7])


@pytest.mark.parametrize(
    ("annotations", "bpm"),
    [
        ({"tempo": TempoAnnotation(100.0), "beats": BEATS}, 100.0),
        ({"beats": BEATS}, 120.0),
        ({"beats": Beats.make([1.0])}, None),
        ({"key": Key.parse("C major")}, None),
    ],
)
def test_reference_is_the_tempo_or_that_of_the_beats(annotations: dict[str, Annotation], bpm: float | None) -> None:
    reference = make().reference(annotations)
    assert (reference and reference.bpm) == bpm
    assert make(method="classes").training_annotation(annotations) == reference


def test_activations_are_trained_on_beats() -> None:
    task = make()
    assert task.training_annotation({"tempo": TempoAnnotation(100.0), "beats": BEATS}) is BEATS
    assert task.training_annotation({"tempo": TempoAnnotation(100.0)}) is None
    assert list(task.outputs) == ["beat"]


# --- activations ---


def logits_of(time_s: NDArray[np.float64], height: float = 0.95) -> dict[str, NDArray[np.float32]]:
    targets = make().encode(Beats.make(time_s), 0.0, int(time_s[-1] * FPS) + 50, FPS)["beat"]
    values = np.clip(height * targets, 0.01, 0.99)
    return {"beat": np.log(values / (1 - values))}


@pytest.mark.parametrize("bpm", [40.0, 66.6, 97.3, 121.9, 180.0, 240.0])
def test_tempo_of_activations(bpm: float) -> None:
    estimate = make().decode(logits_of(np.arange(0.3, 20.0, 60 / bpm)), FPS)
    assert estimate.strongest_bpm == pytest.approx(bpm, rel=0.002)


def test_other_tempo_is_related() -> None:
    """Strong beats and weak ones in the middle: the double tempo, less strong."""
    strong, weak = logits_of(np.arange(0.5, 20, 0.5))["beat"], logits_of(np.arange(0.75, 20, 0.5), 0.12)["beat"]
    both = np.full((1100, 1), -4.6, dtype=np.float32)
    both[: len(strong)] = strong
    both[: len(weak)] = np.maximum(both[: len(weak)], weak)
    estimate = make().decode({"beat": both}, FPS)
    assert estimate.strongest_bpm == pytest.approx(120, rel=0.01)
    assert estimate.other_bpm is not None
    assert estimate.other_bpm / estimate.bpm == pytest.approx(round(2 * estimate.other_bpm / estimate.bpm) / 2)
    assert 0.5 <= estimate.strength < 1


def test_tempo_where_no_beats_are_found_is_the_most_periodic() -> None:
    logits = logits_of(np.arange(0.5, 20, 0.5))["beat"] - 9.0
    assert make().decode({"beat": logits}, FPS).bpm == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize("num_frames", [1, 50])
def test_tempo_of_constant_activations(num_frames: int) -> None:
    estimate = make().decode({"beat": np.full((num_frames, 1), -9.0, dtype=np.float32)}, FPS)
    assert estimate == TempoAnnotation(120.0)


def test_tuning_finds_a_threshold_for_weak_activations() -> None:
    """Off-beats are half as high as the beats: where they count as beats, the tempo is the double."""
    task = make(decoding={"threshold": 0.05})
    strong, weak = np.arange(0.5, 20, 0.5), np.arange(0.75, 19.8, 0.5)
    logits = np.maximum(logits_of(strong, 0.4)["beat"][:1000], logits_of(weak, 0.2)["beat"][:1000])
    reference = TempoAnnotation(120.0)
    assert task.score(reference, task.decode({"beat": logits}, FPS))["tempo/Acc1"] == 0.0
    task.tune([(reference, {"beat": logits})], FPS)
    assert task.score(reference, task.decode({"beat": logits}, FPS))["tempo/Acc1"] == 1.0


# --- classes ---


@pytest.mark.parametrize("bpm", [30.0, 30.2, 71.234, 120.0, 187.3, 299.0, 300.0])
def test_classes_invert_a_tempo(bpm: float) -> None:
    task = make(method="classes")
    target = task.encode(TempoAnnotation(bpm), 0.0, 200, FPS)["tempo"]
    assert target.shape == (task.outputs["tempo"].size,)
    assert target.sum() == pytest.approx(1.0, abs=1e-5)
    estimate = task.decode({"tempo": np.log(target + 1e-12)}, FPS)
    assert estimate.strongest_bpm == pytest.approx(bpm, rel=1e-3)


@pytest.mark.parametrize(("bpm", "edge"), [(10.0, 30.0), (900.0, 300.0)])
def test_classes_of_tempi_beyond_the_range(bpm: float, edge: float) -> None:
    task = make(method="classes")
    targets = [task.encode(TempoAnnotation(each), 0.0, 200, FPS)["tempo"] for each in (bpm, edge)]
    np.testing.assert_allclose(targets[0], targets[1], atol=1e-6)


def test_classes_of_two_tempi() -> None:
    task = make(method="classes")
    target = task.encode(TempoAnnotation(60.0, 120.0, 0.3), 0.0, 200, FPS)["tempo"]
    estimate = task.decode({"tempo": np.log(target + 1e-12)}, FPS)
    assert estimate.bpm == pytest.approx(120, rel=1e-3)
    assert estimate.other_bpm == pytest.approx(60, rel=1e-3)
    assert estimate.strength == pytest.approx(0.7, abs=0.02)


def test_classes_take_the_tempo_of_beats() -> None:
    task = make(method="classes")
    of_beats, of_tempo = (task.encode(each, 0.0, 9, FPS)["tempo"] for each in (BEATS, TempoAnnotation(120.0)))
    np.testing.assert_array_equal(of_beats, of_tempo)


def test_loss_of_classes_is_least_at_the_target() -> None:
    task = make(method="classes")
    target = torch.from_numpy(task.encode(TempoAnnotation(90.0), 0.0, 9, FPS)["tempo"])[None]
    valid = torch.ones(1, 9, dtype=torch.bool)
    best = (target + 1e-9).log()
    losses = [
        float(task.loss({"tempo": x}, {"tempo": target}, valid)["tempo"]) for x in (best, best.roll(3, 1), 0 * best)
    ]
    entropy = float(-(target * (target + 1e-9).log()).sum())
    assert losses[0] == pytest.approx(entropy, rel=1e-4)
    assert losses[0] < min(losses[1:])
    assert losses[2] == pytest.approx(math.log(task.outputs["tempo"].size), rel=1e-5)


@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_classes_of_any_logits_have_a_score(value: float) -> None:
    task = make(method="classes")
    logits = np.full(task.outputs["tempo"].size, value, dtype=np.float32)
    for changed in (logits, np.where(np.arange(len(logits)) == 7, -value, logits).astype(np.float32)):
        scores = task.score(TempoAnnotation(100.0), task.decode({"tempo": changed}, FPS))
        assert 0 <= scores["tempo/Acc1"] <= 1
    assert task.decoding == {}


# --- pulse and baselines ---


def clicks(bpm: float, duration_s: float = 20.0) -> Clip:
    audio = np.zeros(int(duration_s * 16000), dtype=np.float32)
    random = np.random.default_rng(0)
    for time_s in np.arange(0.2, duration_s - 0.1, 60 / bpm):
        first = int(time_s * 16000)
        audio[first : first + 800] += (random.normal(0, 0.3, 800) * np.exp(-np.arange(800) / 150)).astype(np.float32)
    return Clip("clicks", audio, 16000)


def test_onset_strength_rises_with_a_click() -> None:
    strength, fps = onset_strength(clicks(60.0, 4.0))
    assert fps == 50.0
    assert len(strength) == 201
    highest = np.sort(np.argsort(-strength)[:4])
    np.testing.assert_allclose(highest / fps, [0.2, 1.2, 2.2, 3.2], atol=0.04)


def test_autocorrelation_by_hand() -> None:
    values = np.array([1.0, 2.0, 4.0, 1.0])
    centred = values - 2.0
    direct = [float(centred[lag:] @ centred[: 4 - lag]) for lag in range(4)]
    np.testing.assert_allclose(autocorrelated(values), np.array(direct) / direct[0], atol=1e-12)
    assert not autocorrelated(np.ones(5)).any()


def test_salience_prefers_the_tempo_that_people_tap() -> None:
    """A pulse every 25 frames is as periodic at 50: of 120, 60 and 40 bpm the first is preferred."""
    values = np.zeros(2000)
    values[::25] = 1.0
    correlation = autocorrelated(values)
    strength = salience(correlation, np.array([120.0, 60.0, 40.0, 100.0]), FPS)
    assert strength[0] > strength[1] > strength[2] > strength[3] == 0.0
    assert strongest_tempo(correlation, FPS, 30.0, 300.0) == pytest.approx(120, rel=0.01)


@pytest.mark.parametrize("bpm", [75.0, 100.0, 140.0])
def test_autocorrelation_finds_the_tempo_of_clicks(bpm: float) -> None:
    estimate = autocorrelation([])(clicks(bpm))
    assert isinstance(estimate, TempoAnnotation)
    assert estimate.strongest_bpm == pytest.approx(bpm, rel=0.03)


def test_constant_is_the_median_of_training() -> None:
    references = [TempoAnnotation(60.0, 90.0, 0.1), TempoAnnotation(100.0), TempoAnnotation(200.0)]
    assert constant(references)(clicks(80.0, 1.0)) == TempoAnnotation(100.0)


def test_tempi_of_real_beats() -> None:
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("RICERCAR_TEST_DATA names no folder with data")
    task = make()
    beats = [row.annotations()["beats"] for row in read_index(Path(root) / "pop") if "beats" in row.cells]
    scores = []
    for each in beats:
        assert isinstance(each, Beats)
        scores.append(task.score(each, task.decode(logits_of(each.time_s), FPS))["tempo/Acc1"])
    assert scores == [1.0] * 6


# --- options and files ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "comb"}, "task.method='comb'"),
        ({"min_bpm": 300.0}, "task.min_bpm=300.0 must be below"),
        ({"max_bpm": -1.0}, "task.max_bpm=-1.0"),
        ({"classes": {"bins_per_octave": 0}}, "bins_per_octave=0"),
        ({"classes": {"smoothing_bins": 0.0}}, "smoothing_bins=0.0"),
        ({"classes": {"bins": 3}}, "task.classes has"),
        ({"activations": {"prior": 2.0}}, "task.activations.prior=2.0"),
        ({"decoding": {"threshold": 0.0}}, "task.decoding.threshold=0.0"),
        ({"protocol": {"single_tempo": "zero"}}, "task.protocol.single_tempo='zero'"),
        ({"protocol": {"tolerance": 2.0}}, "task.protocol.tolerance=2.0"),
    ],
)
def test_bad_options(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        make(**changes)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        ("120", TempoAnnotation(120.0)),
        ("60 120 0.3", TempoAnnotation(60.0, 120.0, 0.3)),
        ("120.5\t60.25\t1", TempoAnnotation(120.5, 60.25, 1.0)),
        ("0 120 0", TempoAnnotation(120.0)),
        ("120 0 1.0", TempoAnnotation(120.0)),
    ],
)
def test_tempi_in_cells_and_files(text: str, tempo: TempoAnnotation, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text + "\n")
    assert TempoAnnotation.read(path) == tempo
    assert TempoAnnotation.from_cell(text, tmp_path.joinpath) == tempo
    tempo.write(path)
    assert TempoAnnotation.read(path) == tempo


def test_mir_eval_reads_two_tempi(tmp_path: Path) -> None:
    TempoAnnotation(60.0, 121.3, 0.3).write(tmp_path / "a.txt")
    tempi, strength = mir_eval.io.load_tempo(str(tmp_path / "a.txt"))
    assert (tempi.tolist(), strength) == ([60.0, 121.3], 0.3)


def test_two_tempi_are_stretched() -> None:
    assert TempoAnnotation(60.0, 120.0, 0.3).stretched(2.0) == TempoAnnotation(30.0, 60.0, 0.3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nfast\n", "line 2: Tempo 'fast' is not a number"),
        ("-3\n", "line 1: Tempo -3.0"),
        ("nan\n", "line 1: Tempo nan"),
        ("60 120\n", "line 1: Tempo '60 120' has 2 numbers"),
        ("60 120 1.5\n", "line 1: Strength 1.5 of tempo 60"),
        ("120,5\n", "line 1: Tempo '120,5' has a decimal comma: write 120.5"),
        ("120,0 1\n", "line 1: Tempo '120,0 1' has a decimal comma"),
        ("60 0 0,8\n", "line 1: Tempo '60 0 0,8' has a decimal comma"),
        ("0 0 1\n", "line 1: Tempo 0.0"),
        ("60\n120\n", "line 2: a second line"),
        ("\n", "no tempo in it"),
    ],
)
def test_errors_in_tempo_files(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        TempoAnnotation.read(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)
