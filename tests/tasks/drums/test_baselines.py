"""Trivial baselines of drum transcription, on a drum kit made of sines and noise."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from configs import make_task
from ricercar.data.annotations.onsets import Onsets
from ricercar.tasks.drums.baselines import bands, majority
from ricercar.tasks.scoring import Baseline, Clip

KD_S = (0.5, 1.5, 2.5)
HH_S = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def labelled(*label: str) -> Onsets:
    return Onsets(np.array([float(row) for row in range(len(label))]), label)


def kit() -> Clip:
    """Low sines for the bass drum, noise above 6 kHz for the hi-hat; 4 s."""
    since_s = np.arange(4800) / 16000
    drum = np.sin(2 * np.pi * 60 * since_s) * np.exp(-15 * since_s)
    noise = np.random.default_rng(0).normal(0, 0.2, 4800)
    hat = sosfilt(butter(8, 6000, "highpass", fs=16000, output="sos"), noise) * np.exp(-60 * since_s)
    audio = np.zeros(64000)
    for sound, times_s in ((drum, KD_S), (hat, HH_S)):
        for onset_s in times_s:
            audio[round(onset_s * 16000) : round(onset_s * 16000) + 4800] += sound
    return Clip("kit", audio.astype(np.float32), 16000)


def test_bands_tell_low_from_high() -> None:
    reference = Onsets(np.array(KD_S + HH_S), ("KD",) * len(KD_S) + ("HH",) * len(HH_S))
    scores = make_task("drums").score(reference, bands([])(kit()))
    assert scores["onset/F-measure_KD"] == scores["onset/F-measure_HH"] == 1.0


@pytest.mark.parametrize(
    ("references", "label"),
    [
        ([], "HH"),
        ([labelled()], "HH"),
        ([labelled("SD", "SD", "KD"), labelled("KD", "KD")], "KD"),
        ([labelled("SD", "KD")], "KD"),
    ],
)
def test_majority_is_the_commonest_class(references: list[Onsets], label: str) -> None:
    estimate = majority(references)(kit())
    assert isinstance(estimate, Onsets)
    assert set(estimate.label) == {label}
    near = np.abs(estimate.time_s[:, None] - np.array(HH_S)).min(axis=0)
    assert near.max() < 0.05


def test_nothing_is_heard_in_high_bands_that_are_not_there() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 6000).astype(np.float32)
    estimate = bands([])(Clip("low", audio, 6000))
    assert isinstance(estimate, Onsets)
    assert "HH" not in estimate.label
    assert len(estimate) > 0


@pytest.mark.parametrize("num_samples", [0, 1, 1600])
@pytest.mark.parametrize("baseline", [bands, majority])
def test_silence_has_no_drums(baseline: Baseline, num_samples: int) -> None:
    estimate = baseline([])(Clip("silence", np.zeros(num_samples, dtype=np.float32), 16000))
    assert isinstance(estimate, Onsets)
    assert len(estimate) == 0
