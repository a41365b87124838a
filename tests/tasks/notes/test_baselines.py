"""Trivial baselines of notes."""

import numpy as np
import pytest

from note_examples import make
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.scoring import Clip

RATE = 16000


def piano(notes: Notes, seconds: float) -> Clip:
    """Decaying tones with five harmonics, damped within 30 ms."""
    time_s = np.arange(int(RATE * seconds)) / RATE
    audio = np.zeros_like(time_s)
    for onset_s, offset_s, pitch in zip(notes.onset_s, notes.offset_s, notes.pitch, strict=True):
        since_s = time_s - onset_s
        sounding = (since_s >= 0) * np.clip((offset_s + 0.03 - time_s) / 0.03, 0, 1)
        for harmonic in range(1, 6):
            partial = np.sin(2 * np.pi * harmonic * 440 * 2 ** ((pitch - 69) / 12) * since_s) / harmonic
            audio += 0.1 * sounding * np.exp(-3 * since_s.clip(0)) * partial
    return Clip("piano", audio.astype(np.float32), RATE)


@pytest.mark.parametrize("interval", [0, 4, 7, 9])
@pytest.mark.parametrize("seed", range(3))
def test_spectral_peaks_finds_notes(seed: int, interval: int) -> None:
    random = np.random.default_rng(seed)
    onset_s = np.arange(0.2, 4.0, 0.3) + random.uniform(0, 0.05, 13)
    pitch = random.integers(45, 75, 13)
    if interval:
        onset_s, pitch = np.concatenate([onset_s, onset_s]), np.concatenate([pitch, pitch + interval])
    reference = Notes.make(onset_s, onset_s + 0.25, pitch)
    estimate = make().baselines["spectral_peaks"]([])(piano(reference, 4.5))
    assert make().score(reference, estimate)["transcription/F-measure_no_offset"] > 0.7


def test_spectral_peaks_ends_where_the_sound_does() -> None:
    reference = Notes.make([0.5, 1.5], [1.0, 2.5], [60, 60])
    estimate = make().baselines["spectral_peaks"]([])(piano(reference, 3.0))
    assert isinstance(estimate, Notes)
    found = estimate.pitch == 60
    np.testing.assert_allclose(estimate.onset_s[found], [0.5, 1.5], atol=0.05)
    assert np.all(estimate.offset_s[found] > [0.6, 1.6])
    assert np.all(estimate.offset_s[found] < [1.1, 2.6])


def test_common_pitches_takes_as_many_as_promise_the_best_f() -> None:
    """In 2 s, 20 grid points: 60 is played 10 times, 64 9 times, 70 once, drums more often.

    F with one, two and three pitches: 2 * 10 / (20 + 20), 2 * 19 / (40 + 20), 2 * 20 / (60 + 20).
    """
    onset_s = np.concatenate([np.arange(10) * 0.2, np.arange(9) * 0.2 + 0.1, [0.5], np.arange(30) * 0.05])
    pitch = np.repeat([60, 64, 70, 38], [10, 9, 1, 30])
    program = np.repeat([0, DRUMS], [20, 30])
    reference = Notes.make(onset_s, np.append(onset_s[:-1] + 0.01, 2.0), pitch, program=program)
    estimate = make().baselines["common_pitches"]([reference])(Clip("silence", np.zeros(RATE, np.float32), RATE))
    assert isinstance(estimate, Notes)
    assert estimate.pitch.tolist() == [60, 64] * 10
    np.testing.assert_allclose(estimate.onset_s, np.repeat(np.arange(10) * 0.1, 2), atol=1e-9)


@pytest.mark.parametrize("name", ["common_pitches", "spectral_peaks"])
@pytest.mark.parametrize("references", [[], [Notes.make([], [], [])]])
@pytest.mark.parametrize("audio", [np.zeros(1), np.zeros(1600), np.zeros(48000), np.ones(48000)])
def test_any_sound_has_an_estimate(name: str, references: list[Notes], audio: np.ndarray) -> None:
    estimate = make().baselines[name](references)(Clip("clip", audio.astype(np.float32), RATE))
    score = make().score(Notes.make([0.1], [0.5], [60]), estimate)
    assert 0 <= score["transcription/F-measure_no_offset"] <= 1
