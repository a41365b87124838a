"""Key: classes that rotate with the pitch, and mir_eval's scores."""

import math

import mir_eval
import numpy as np
import pytest
import torch

from ricercar.data.annotations.key import Key as KeyAnnotation
from ricercar.errors import InputError
from ricercar.tasks.key import Key
from ricercar.tasks.scoring import Clip

KEYS = [KeyAnnotation(tonic=tonic, mode=mode) for mode in ("major", "minor") for tonic in range(12)]
# mir_eval's own spellings.
NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
VALID = torch.ones(1, 10, dtype=torch.bool)


def make(label_smoothing: float = 0.0, averaging: str = "tracks") -> Key:
    return Key(label_smoothing=label_smoothing, protocol={"averaging": averaging})


def spelt(key: KeyAnnotation) -> str:
    return f"{NAMES[key.tonic]} {key.mode}"


def index_of(key: KeyAnnotation) -> int:
    return int(make().encode(key, 0.0, 10, 50.0)["key"].argmax())


@pytest.mark.parametrize("reference", KEYS, ids=str)
def test_scores_are_those_of_mir_eval(reference: KeyAnnotation) -> None:
    """With every key as the estimate."""
    scores = [make().score(reference, estimate) for estimate in KEYS]
    expected = [mir_eval.key.weighted_score(spelt(reference), spelt(estimate)) for estimate in KEYS]
    assert [each["key/Weighted_Score"] for each in scores] == expected
    relations = ("accuracy", "fifth", "relative", "parallel", "other")
    assert [sum(each[f"key/{name}"] for name in relations) for each in scores] == [1] * len(KEYS)


FIFTHS_BELOW = (("C major", "F major"), ("A minor", "D minor"))


@pytest.mark.parametrize(
    ("reference", "estimate", "score", "relation"),
    [
        ("C major", "C major", 1.0, "accuracy"),
        ("Db minor", "C# minor", 1.0, "accuracy"),
        ("C major", "G major", 0.5, "fifth"),
        ("A minor", "E minor", 0.5, "fifth"),
        ("C major", "F major", 0.0, "other"),
        ("A minor", "D minor", 0.0, "other"),
        ("C major", "A minor", 0.3, "relative"),
        ("A minor", "C major", 0.3, "relative"),
        ("Eb major", "Eb minor", 0.2, "parallel"),
        ("C major", "C# major", 0.0, "other"),
        ("C major", "G minor", 0.0, "other"),
    ],
)
def test_scores_by_hand(reference: str, estimate: str, score: float, relation: str) -> None:
    scores = make().score(KeyAnnotation.parse(reference), KeyAnnotation.parse(estimate))
    assert scores["key/Weighted_Score"] == score
    assert scores["key/Symmetric_Score"] == (0.5 if (reference, estimate) in FIFTHS_BELOW else score)
    assert {name for name, value in scores.items() if value and not name.endswith("_Score")} == {f"key/{relation}"}


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_transposition_rotates_the_classes_of_a_mode(semitones: int) -> None:
    targets = np.stack([make().encode(key, 0.0, 10, 50.0)["key"].reshape(2, 12) for key in KEYS])
    transposed = [make().encode(key.transposed(semitones), 0.0, 10, 50.0)["key"].reshape(2, 12) for key in KEYS]
    np.testing.assert_array_equal(transposed, np.roll(targets, semitones, axis=2))


@pytest.mark.parametrize(("key", "index"), [("C major", 0), ("B major", 11), ("C minor", 12), ("A minor", 21)])
def test_order_of_the_classes(key: str, index: int) -> None:
    assert index_of(KeyAnnotation.parse(key)) == index


def test_decode_inverts_encode() -> None:
    assert [make().decode(make().encode(key, 0.0, 10, 50.0), 50.0) for key in KEYS] == KEYS


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_by_hand(label_smoothing: float) -> None:
    """Logit 2 for C major, the target, and 0 for the other 23."""
    logits = torch.zeros(1, 24)
    logits[0, 0] = 2.0
    target = torch.from_numpy(make().encode(KEYS[0], 0.0, 10, 50.0)["key"])[None]
    normaliser = math.log(math.exp(2) + 23)
    expected = normaliser - 2 * (1 - label_smoothing + label_smoothing / 24)
    assert float(make(label_smoothing).loss({"key": logits}, {"key": target}, VALID)["key"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("label_smoothing", "averaging", "message"),
    [(1.0, "tracks", "label_smoothing=1.0"), (0.0, "keys", "'keys'.*works")],
)
def test_wrong_options_name_the_value(label_smoothing: float, averaging: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(label_smoothing, averaging)


def cadence(key: KeyAnnotation, sample_rate: int) -> Clip:
    """Tonic, subdominant, dominant and tonic again, each for a second, with three harmonics."""
    third = 4 if key.mode == "major" else 3
    chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    time_s = np.arange(sample_rate) / sample_rate
    audio = [
        sum(
            np.sin(2 * np.pi * harmonic * 440 * 2 ** ((48 + key.tonic + semitones - 69) / 12) * time_s) / harmonic
            for semitones in chord
            for harmonic in (1, 2, 3)
        )
        for chord in chords
    ]
    return Clip("cadence", (0.1 * np.concatenate(audio)).astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [16000, 22050])
@pytest.mark.parametrize("key", KEYS[::5], ids=str)
def test_template_hears_a_cadence(key: KeyAnnotation, sample_rate: int) -> None:
    assert Key.baselines["template"]([])(cadence(key, sample_rate)) == key


@pytest.mark.parametrize("num_samples", [1, 100, 16000])
def test_template_has_a_key_for_silence(num_samples: int) -> None:
    clip = Clip("silence", np.zeros(num_samples, dtype=np.float32), 16000)
    assert Key.baselines["template"]([])(clip) == KeyAnnotation.parse("C major")


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        (["G major", "A minor", "A minor"], "A minor"),
        (["G major", "A minor", "A minor", "G major"], "A minor"),
        ([], "C major"),
    ],
)
def test_majority_is_the_commonest_key(training: list[str], expected: str) -> None:
    estimate = Key.baselines["majority"]([KeyAnnotation.parse(key) for key in training])
    assert estimate(Clip("any", np.zeros(100, dtype=np.float32), 16000)) == KeyAnnotation.parse(expected)
