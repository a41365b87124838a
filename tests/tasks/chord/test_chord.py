"""Chords: what a vocabulary holds, exact changes, Viterbi paths, mir_eval's scores."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import option
from ricercar.data.annotations.chords import Chords
from ricercar.errors import InputError
from ricercar.tasks.chord import Chord
from ricercar.tasks.chord.decoding import likeliest, runs
from ricercar.tasks.chord.vocabulary import NOWHERE, MajMin, Structured
from ricercar.tasks.scoring import Clip
from ricercar.tasks.shared.frames import class_shares, share_cross_entropy

FPS = 50.0
QUALITIES = ["maj", "min", "dim", "aug", "sus2", "sus4", "maj7", "min7", "7", "hdim7", "dim7", "minmaj7", "maj6"]
LABELS = ("N", "X", "C:maj", "C:maj/3", "A:min7", "A:min7/b7", "Eb:sus4", "F#:dim", "G:7(9)", "B:5", "D:aug", "C:maj/2")


def make(**options: Any) -> Chord:
    values: Any = OmegaConf.to_container(OmegaConf.merge(option("task", "chord"), options))
    return Chord(**{name: value for name, value in values.items() if name != "_target_"})


def chords(*rows: tuple[float, float, str]) -> Chords:
    start_s, end_s, label = zip(*rows, strict=True)
    return Chords(np.array(start_s), np.array(end_s), label)


def as_logits(targets: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The logarithms of posteriors: those that a perfect network's softmax gives back."""
    return {name: np.log(np.clip(target, 1e-6, 1)) for name, target in targets.items()}


def random_chords(seed: int, labels: Sequence[str] = LABELS) -> Chords:
    """From 0 to 2 s on; some neighbours have a gap between them."""
    random = np.random.default_rng(seed)
    start_s = random.uniform(0, 2) + np.cumsum(random.uniform(0.2, 2, 30))
    end_s = np.append(start_s[1:], start_s[-1] + 1)
    end_s[random.choice(29, 5, replace=False)] -= 0.1
    return Chords(start_s, end_s, tuple(random.choice(labels, 30)))


# --- scores ---


@pytest.mark.parametrize("seed", range(8))
def test_scores_are_those_of_mir_eval(seed: int) -> None:
    reference, estimate = random_chords(seed), random_chords(seed + 100)
    sides = [(np.column_stack([side.start_s, side.end_s]), list(side.label)) for side in (reference, estimate)]
    expected = {f"chord/{name}": value for name, value in mir_eval.chord.evaluate(*sides[0], *sides[1]).items()}
    scores = make(protocol={"gaps": "hold"}).score(reference, estimate)
    assert list(scores) == list(expected)
    assert scores == pytest.approx(expected, rel=0, abs=1e-9)


def test_scores_by_hand() -> None:
    """X and sus4 are no part of majmin, C:7 is C:maj there; of 8 s that count 5 are right: 0 to 2, 3 to 4, 6 to 8."""
    reference = chords((0, 3, "C:maj"), (3, 4, "A:min"), (4, 5, "X"), (5, 6, "G:sus4"), (6, 9, "C:7"), (9, 10, "N"))
    estimate = chords((0, 2, "C:maj"), (2, 4, "A:min7"), (4, 6, "C:maj"), (6, 8, "C:maj/3"), (8, 20, "D:min"))
    scores = make().score(reference, estimate)
    assert scores["chord/majmin"] == pytest.approx(5 / 8)
    assert scores["chord/majmin_inv"] == pytest.approx(3 / 8)
    assert scores["chord/root"] == pytest.approx(5 / 9)
    assert scores["chord/sevenths"] == pytest.approx(2 / 8)


@pytest.mark.parametrize(("incomparable", "expected"), [("exclude", np.nan), ("mir_eval", 0.0)])
def test_reference_that_a_metric_cannot_compare(incomparable: str, expected: float) -> None:
    task = make(protocol={"incomparable": incomparable})
    scores = task.score(chords((0, 2, "X"), (2, 4, "C:dim")), chords((0, 4, "C:dim")))
    np.testing.assert_equal([scores["chord/majmin"], scores["chord/sevenths"]], [expected, expected])
    assert scores["chord/triads"] == 1.0


@pytest.mark.parametrize(
    "rows",
    [[(0, 1, "C")], [(0, 2, "C")], [(4, 5, "C")], [(6, 9, "C")], [(0, 1, "C"), (9, 10, "D")]],
)
def test_estimate_elsewhere_is_no_chord(rows: list[tuple[float, float, str]]) -> None:
    """With ends that only touch, mir_eval stops with an error."""
    reference = chords((2, 3, "C"), (3, 4, "N"))
    assert make().score(reference, chords(*rows)) == make().score(reference, chords((2, 4, "N")))


def test_metrics_of_all_tracks_weigh_them_by_their_time() -> None:
    task = make()
    pairs = [
        (chords((0, 9, "C"), (9, 12, "X")), chords((0, 12, "C"))),
        (chords((0, 1, "C")), chords((0, 1, "D"))),
        (chords((0, 5, "X")), chords((0, 5, "D"))),
    ]
    pooled = task.pooled([task.evidence(*pair) for pair in pairs])
    assert pooled["chord/WCSR_majmin"] == pytest.approx(0.9)
    assert np.isnan(task.pooled([task.evidence(*pairs[2])])["chord/WCSR_majmin"])


# --- vocabularies and targets ---


@pytest.mark.parametrize(
    ("label", "number"),
    [("C", 0), ("B:maj/3", 11), ("C:7", 0), ("Db:maj6", 1), ("C#:9", 1), ("C:min", 12), ("A:min7/b3", 21), ("N", 24),
     ("X", NOWHERE), ("C:sus4", NOWHERE), ("C:dim", NOWHERE), ("C:5", NOWHERE), ("C:maj/2", NOWHERE)],
)  # fmt: skip
def test_classes_of_majmin(label: str, number: int) -> None:
    assert MajMin().classes(label) == {"chord": number}


@pytest.mark.parametrize(
    ("label", "root", "quality", "bass"),
    [("C", 0, "maj", 0), ("Eb:min7/b3", 3, "min7", 6), ("C:maj/b7", 0, "7", 10), ("B:7(9)/3", 11, "7", 3),
     ("D:sus4(b7)", 2, None, 2), ("C:maj/2", 0, None, 2), ("X", NOWHERE, None, NOWHERE), ("N", 12, None, NOWHERE)],
)  # fmt: skip
def test_classes_of_structured(label: str, root: int, quality: str | None, bass: int) -> None:
    expected = NOWHERE if quality is None else QUALITIES.index(quality)
    assert Structured(QUALITIES).classes(label) == {"root": root, "quality": expected, "bass": bass}


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_structured_chord_comes_back(quality: str) -> None:
    vocabulary = Structured(QUALITIES)
    states = [root * len(QUALITIES) + QUALITIES.index(quality) for root in range(12)]
    labels = [label for state in states for label in vocabulary.bass_notes(state)]
    assert len(labels) == 12 * sum(mir_eval.chord.QUALITIES[quality])
    times = np.arange(len(labels) + 1, dtype=np.float64) * 0.2 - 0.01
    times[0] = 0
    reference = Chords(times[:-1], times[1:], tuple(labels))
    task = make(vocabulary="structured", qualities=QUALITIES)
    num_frames = round(times[-1] * FPS + 0.5)
    estimate = task.decode(as_logits(task.encode(reference, 0.0, num_frames, FPS)), FPS)
    assert estimate.label == reference.label
    np.testing.assert_allclose(estimate.start_s, reference.start_s, atol=1e-6)


@pytest.mark.parametrize("vocabulary", ["majmin", "structured"])
@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_transposition_rotates_the_pitch_classes(vocabulary: str, semitones: int) -> None:
    task, reference = make(vocabulary=vocabulary), random_chords(0)
    plain, moved = (task.encode(each, 0, 2000, FPS) for each in (reference, reference.transposed(semitones)))
    for name, output in task.outputs.items():
        shape = (2000, -1, 12) if output.pitch_classes else (2000, -1)
        shift = semitones if output.pitch_classes else 0
        np.testing.assert_array_equal(moved[name].reshape(shape), np.roll(plain[name].reshape(shape), shift, axis=-1))


def test_frames_have_the_shares_that_chords_fill() -> None:
    """At 10 frames per second frame 2 reaches from 0.15 to 0.25 s; window from 0.1 s on."""
    reference = chords((0, 0.22, "C"), (0.22, 0.4, "A:min"), (0.5, 0.6, "X"), (0.6, 0.7, "N"))
    targets = make().encode(reference, 0.1, 7, 10.0)
    together = np.concatenate([targets["chord"], targets["none"]], axis=1)
    expected = np.zeros((7, 25))
    expected[[0, 1], 0] = 1, 0.7
    expected[[1, 2, 3], 21] = 0.3, 1, 0.5
    expected[[5, 6], 24] = 0.5, 0.5
    np.testing.assert_allclose(together, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_shares_by_adding_up_each_interval(seed: int) -> None:
    reference = random_chords(seed)
    classes = np.random.default_rng(seed).integers(-1, 3, 30)
    middle = 1.5 + np.arange(200) / 20
    expected = np.zeros((200, 3))
    for start_s, end_s, number in zip(reference.start_s, reference.end_s, classes, strict=True):
        if number >= 0:
            filled = np.minimum(end_s, middle + 0.025) - np.maximum(start_s, middle - 0.025)
            expected[:, number] += 20 * filled.clip(0)
    np.testing.assert_allclose(class_shares(reference, classes, 3, 1.5, 200, 20.0), expected, atol=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_by_hand(label_smoothing: float) -> None:
    """Two frames of class 0, one half filled and one without a target; a last one outside the track."""
    logits = torch.tensor([[[2.0, 0.0], [0.0, 0.0], [5.0, 0.0], [0.0, 9.0]]])
    target = torch.tensor([[[1.0, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.0]]])
    valid = torch.tensor([[True, True, True, False]])
    sure, other = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    first = (1 - label_smoothing / 2) * sure + label_smoothing / 2 * other
    loss = share_cross_entropy(logits, target, valid, label_smoothing)
    assert float(loss) == pytest.approx((first + 0.5 * np.log(2)) / 1.5, rel=1e-6)


def test_what_has_no_target_has_no_gradient() -> None:
    task = make(vocabulary="structured")
    targets = {name: torch.from_numpy(x)[None] for name, x in task.encode(chords((0, 9, "X")), 0, 9, FPS).items()}
    logits = {name: torch.randn(x.shape).requires_grad_() for name, x in targets.items()}
    losses = task.loss(logits, targets, torch.ones(1, 9, dtype=torch.bool))
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    assert [float(x.grad.abs().sum()) for x in logits.values() if x.grad is not None] == [0.0] * 4


@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("num_frames", [1, 2, 30])
def test_structured_outputs_that_say_nothing(num_frames: int, value: float) -> None:
    task, reference = make(vocabulary="structured"), chords((0, 3, "D:min7/5"), (3, 4, "N"))
    targets = task.encode(reference, 2.5, num_frames, FPS)
    logits = {name: np.full_like(target, value) for name, target in targets.items()}
    estimate = task.decode(logits, FPS)
    assert estimate.end_s[-1] == pytest.approx(num_frames / FPS)
    assert 0 <= task.score(reference, estimate)["chord/majmin"] <= 1
    batch = [{name: torch.from_numpy(x)[None] for name, x in each.items()} for each in (logits, targets)]
    losses = task.loss(batch[0], batch[1], torch.ones(1, num_frames, dtype=torch.bool))
    expected = {"root": np.log(13), "quality": np.log(14), "bass": np.log(12)}
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-3)


# --- decoding ---


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("self_transition", [0.5, 0.9, 0.999])
def test_viterbi_finds_the_best_of_all_paths(seed: int, self_transition: float) -> None:
    log_probs = np.random.default_rng(seed).normal(0, 2, (6, 4))
    transition = np.full((4, 4), (1 - self_transition) / 3) + np.eye(4) * (self_transition - (1 - self_transition) / 3)
    paths = np.array(list(itertools.product(range(4), repeat=6)))
    scores = log_probs[np.arange(6), paths].sum(axis=1) + np.log(transition)[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    assert likeliest(log_probs, self_transition).tolist() == paths[scores.argmax()].tolist()


def test_short_doubts_are_smoothed_and_changes_stay() -> None:
    task = make(decoding={"self_transition": 0.99})
    logits = {"chord": np.zeros((100, 24), dtype=np.float32), "none": np.zeros((100, 1), dtype=np.float32)}
    logits["chord"][:50, 0] = logits["chord"][50:, 9] = 3.0
    logits["chord"][20:22, 0], logits["chord"][20:22, 5] = 0.0, 3.0
    estimate = task.decode(logits, FPS)
    assert estimate.label == ("C:maj", "A:maj")
    np.testing.assert_allclose(estimate.end_s, [0.99, 2.0], atol=1e-6)


def test_changes_are_placed_within_frames() -> None:
    """Frame 2 is 0.3 of state 0, then 0.7 of state 1; frame 4 half and half, which the shortest state limits."""
    probs = np.array([[1, 0], [1, 0], [0.3, 0.7], [0, 1], [0.5, 0.5], [1, 0]])
    first, begin = runs(np.log(probs.clip(1e-9)), np.array([0, 0, 1, 1, 0, 0]))
    assert first.tolist() == [0, 2, 4]
    np.testing.assert_allclose(begin, [0, 1.8, 3.99], atol=1e-6)


def test_tuning_prefers_the_smoothing_that_the_noise_needs() -> None:
    random = np.random.default_rng(0)
    reference = chords(*((2 * i, 2 * i + 2, "CDEFG"[i % 5]) for i in range(20)))
    task = make(decoding={"self_transition": 0.5})
    targets = task.encode(reference, 0, 2000, FPS)
    noisy = {name: (2 * x + random.normal(0, 2, x.shape)).astype(np.float32) for name, x in targets.items()}
    before = task.score(reference, task.decode(noisy, FPS))["chord/majmin"]
    task.tune([(reference, noisy)], FPS)
    assert task.decoding["self_transition"] > 0.9
    assert task.score(reference, task.decode(noisy, FPS))["chord/majmin"] > before + 0.2


REAL = [("maps", 6), ("pop909", 72)]


@pytest.mark.parametrize(("folder", "number"), REAL)
@pytest.mark.parametrize(("vocabulary", "least"), [("majmin", 0.99999), ("structured", 0.995)])
def test_perfect_network_on_real_chords(folder: str, number: int, vocabulary: str, least: float) -> None:
    """X (in maps) is not learned or scored. Where root and quality change in one frame, structured is not exact."""
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip("RICERCAR_TEST_DATA names no folder with real data.")
    paths = sorted(Path(os.environ["RICERCAR_TEST_DATA"], folder, "chords").glob("*.lab"))
    assert len(paths) == number
    task = make(vocabulary=vocabulary)
    scores = []
    for path in paths[:10]:
        reference = Chords.read(path)
        num_frames = int(reference.end_s[-1] * FPS) + 1
        estimate = task.decode(as_logits(task.encode(reference, 0.0, num_frames, FPS)), FPS)
        scores.append(task.score(reference, estimate)["chord/majmin"])
    assert min(scores) > least


# --- baselines ---


def sounding(reference: Chords, sample_rate: int = 16000) -> Clip:
    """Three harmonics of every note of each chord, in two octaves; silence for N."""
    audio = np.zeros(round(reference.end_s[-1] * sample_rate))
    time_s = np.arange(len(audio)) / sample_rate
    for start_s, end_s, label in zip(reference.start_s, reference.end_s, reference.label, strict=True):
        root, notes, _ = mir_eval.chord.encode(label)
        inside = (time_s >= start_s) & (time_s < end_s)
        for semitones, harmonic in itertools.product(np.flatnonzero(notes), (1, 2, 3)):
            for octave in (48, 60):
                freq_hz = 440 * 2 ** ((octave + root + semitones - 69) / 12) * harmonic
                audio[inside] += 0.02 / harmonic * np.sin(2 * np.pi * freq_hz * time_s[inside])
    return Clip("chords", audio.astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [16000, 22050])
def test_template_hears_plain_chords(sample_rate: int) -> None:
    labels = ("C:maj", "A:min", "N", "F#:maj", "Eb:min", "G:maj")
    reference = chords(*((2.0 * i, 2.0 * i + 2, label) for i, label in enumerate(labels)))
    estimate = Chord.baselines["template"]([])(sounding(reference, sample_rate))
    assert make().score(reference, estimate)["chord/majmin"] > 0.9


def test_majority_is_what_lasts_longest() -> None:
    training = [chords((0, 1, "C"), (1, 2, "D:min"), (2, 9, "X")), chords((0, 1, "C"), (1, 4, "D:min"))]
    clip = Clip("silence", np.zeros(16000, dtype=np.float32), 16000)
    assert Chord.baselines["majority"](training)(clip).text() == "0.000000\t1.000000\tD:min\n"
    assert Chord.baselines["majority"]([])(clip).text() == "0.000000\t1.000000\tC:maj\n"


# --- options ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": "sevenths"}, "'sevenths'.*majmin or structured"),
        ({"vocabulary": "structured", "qualities": ["maj", "major"]}, "'C:major' is not a chord"),
        ({"vocabulary": "structured", "qualities": ["7", "maj", "9"]}, "9 has the same notes as 7"),
        ({"vocabulary": "structured", "qualities": []}, "qualities is empty"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"decoding": {"self_transition": 1.0}}, "self_transition=1.0"),
        ({"decoding": {"self_transition": 0.1}}, "self_transition=0.1"),
        ({"weights": {"chord": -1.0}}, "weights.chord=-1.0"),
        ({"protocol": {"incomparable": "zero"}}, "'zero'.*exclude"),
    ],
)
def test_wrong_options_name_the_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)
