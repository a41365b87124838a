"""Notes become sound at the right time and pitch, and equal settings give equal bytes."""

import hashlib
import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import ROOT
from conftest import Command
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.sources.rendering.renderer import Rendering
from ricercar.data.sources.rendering.soundfont import SoundFont
from ricercar.errors import InputError

SAMPLE_RATE = 16000
ONE = Notes.make([0.5], [1.5], [60], [90], [0])


def rendering(notes: Notes, **settings: Any) -> Rendering:
    dry: dict[str, Any] = {
        "soundfont": SoundFont(None),
        "duration_s": None,
        "tuning_cents": 0.0,
        "levels_db": None,
        "reverb_db": None,
        "reverb_s": 0.5,
        "noise_db": None,
        "gain_db": 0.0,
        "seed": 0,
    }
    return Rendering(notes=notes, **{**dry, **settings})


def decoded(notes: Notes, **settings: Any) -> NDArray[np.float32]:
    return rendering(notes, **settings).decode(SAMPLE_RATE)


def rms(audio: NDArray[np.float32], start_s: float, end_s: float) -> float:
    part = audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
    return float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))


def onset_lag_s(onset_s: float, pitch: int, program: int) -> float:
    """From the note's onset to 10 % of its peak."""
    audio = np.abs(decoded(Notes.make([onset_s], [onset_s + 0.6], [pitch], [90], [program])))
    assert audio[: round((onset_s - 0.001) * SAMPLE_RATE)].max() < 1e-3
    return float(np.argmax(audio > 0.1 * audio.max()) / SAMPLE_RATE - onset_s)


@pytest.mark.parametrize("tuning_cents", [0.0, -37.0])
@pytest.mark.parametrize(
    ("program", "pitch"), [(0, 48), (0, 72), (4, 60), (24, 69), (34, 43), (40, 76), (71, 60), (0, 72.37), (24, 68.6)]
)
def test_pitch(program: int, pitch: float, tuning_cents: float) -> None:
    audio = decoded(Notes.make([0.1], [1.3], [pitch], [90], [program]), tuning_cents=tuning_cents)
    window = audio[round(0.3 * SAMPLE_RATE) : round(1.2 * SAMPLE_RATE)]
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 2**19))
    freq_hz = np.fft.rfftfreq(2**19, 1 / SAMPLE_RATE)
    expected_hz = 440.0 * 2.0 ** ((pitch - 69 + tuning_cents / 100.0) / 12.0)
    near = np.abs(np.log2(np.maximum(freq_hz, 1.0) / expected_hz)) < 1 / 24
    cents = 1200 * np.log2(freq_hz[near][np.argmax(spectrum[near])] / expected_hz)
    assert abs(cents) < 5.0


@pytest.mark.parametrize("pitch", [36, 60, 84])
def test_a_piano_sounds_within_milliseconds(pitch: int) -> None:
    assert 0.0 <= onset_lag_s(0.5, pitch, program=0) < 0.007


@pytest.mark.parametrize("onset_s", [0.5001, 0.51237, 0.987654])
def test_onsets_are_exact_to_the_sample(onset_s: float) -> None:
    assert onset_lag_s(onset_s, 60, program=0) == pytest.approx(onset_lag_s(0.5, 60, program=0), abs=1.5 / SAMPLE_RATE)


def test_a_note_sounds_until_its_pedalled_offset() -> None:
    notes = Notes.make([0.1], [0.3], [60], [90], [16], pedalled_offset_s=[1.0])
    audio = decoded(notes)
    assert rms(audio, 0.8, 1.0) > 0.5 * rms(audio, 0.15, 0.3)
    assert rms(audio, 1.3, 1.5) < 0.01 * rms(audio, 0.15, 0.3)


def test_more_programs_than_midi_has_channels() -> None:
    programs = [0, 1, 2, 4, 5, 6, 8, 10, 11, 12, 16, 24, 25, 26, 27, 32, 33, 34, 40, 56, 73, DRUMS]
    onset_s = np.arange(len(programs)) * 0.5 + 0.2
    pitch = [60] * (len(programs) - 1) + [38]
    audio = decoded(Notes.make(onset_s, onset_s + 0.2, pitch, 90, programs), levels_db=dict.fromkeys(programs, 0.0))
    levels = [rms(audio, start_s, start_s + 0.2) for start_s in onset_s]
    assert min(levels) > 0.6 * max(levels)  # the last notes still ring


def test_an_unknown_program_is_a_piano() -> None:
    unknown = replace(ONE, program=np.array([-1]))
    np.testing.assert_array_equal(decoded(unknown), decoded(ONE))


def test_levels() -> None:
    notes = Notes.make([0.1, 2.1], [1.1, 3.1], [60, 40], [90, 90], [24, 33])
    audio = decoded(notes, levels_db={24: 0.0, 33: -12.0})
    assert 20 * np.log10(rms(audio, 2.1, 3.1) / rms(audio, 0.1, 1.1)) == pytest.approx(-12.0, abs=0.5)


def test_gain_is_of_the_peak() -> None:
    assert np.abs(decoded(ONE, gain_db=-6.0)).max() == pytest.approx(0.95 * 10 ** (-6 / 20), rel=1e-3)


def test_noise_level() -> None:
    audio = decoded(Notes.make([], [], []), duration_s=4.0, noise_db=-40.0)
    assert 20 * np.log10(rms(audio, 0.0, 4.0) / 0.95) == pytest.approx(-40.0, abs=0.1)
    power = np.abs(np.fft.rfft(audio)) ** 2
    octaves = [power[4 * lowest : 8 * lowest].mean() for lowest in (200, 400, 800, 1600, 3200)]  # 4 bins per Hz
    np.testing.assert_allclose(10 * np.diff(np.log10(octaves)), -3.0, atol=0.7)


def test_a_room_rings_and_decays() -> None:
    dry, wet = (decoded(ONE, reverb_db=level, reverb_s=0.8) for level in (None, -3.0))
    assert rms(wet, 1.75, 1.8) > 3 * rms(dry, 1.75, 1.8)
    assert rms(wet, 2.2, 2.25) < 0.3 * rms(wet, 1.75, 1.8)


def test_silence() -> None:
    audio = decoded(Notes.make([], [], []), duration_s=0.5)
    assert audio.shape == (8000,)
    assert audio.dtype == np.float32
    assert not audio.any()


@pytest.mark.parametrize(("duration_s", "num_samples"), [(None, 40000), (1.0, 16000), (20.0, 320000)])
def test_duration(duration_s: float | None, num_samples: int) -> None:
    assert decoded(ONE, duration_s=duration_s).shape == (num_samples,)


@pytest.mark.parametrize(
    "changed",
    [
        {"duration_s": 3.0},
        {"tuning_cents": 1.0},
        {"levels_db": {0: 0.0}},
        {"reverb_db": -20.0},
        {"reverb_s": 0.6},
        {"noise_db": -60.0},
        {"gain_db": -1.0},
        {"seed": 1},
        {"notes": replace(ONE, velocity=np.array([91]))},
        {"notes": replace(ONE, pedalled_offset_s=np.array([1.6]))},
        {"notes": replace(ONE, program=np.array([1]))},
    ],
    ids=str,
)
def test_key_tells_settings_apart(changed: dict[str, Any]) -> None:
    assert rendering(ONE).key() == rendering(ONE).key()
    assert rendering(ONE).key() != rendering(**{"notes": ONE, **changed}).key()


def test_key_follows_the_content_of_the_soundfont(tmp_path: Path) -> None:
    copy = tmp_path / "copy.sf2"
    copy.write_bytes(SoundFont(None).file.read_bytes())
    assert rendering(ONE, soundfont=SoundFont(copy)).key() == rendering(ONE).key()
    copy.write_bytes(copy.read_bytes() + b"\0\0")
    assert rendering(ONE, soundfont=SoundFont(copy)).key() != rendering(ONE).key()


OTHER_PROCESS = """
import hashlib, sys
sys.path[:0] = {folders!r}
from test_rendering import ROOM_AND_DRUMS
print(ROOM_AND_DRUMS.key(), hashlib.sha256(ROOM_AND_DRUMS.decode(16000).tobytes()).hexdigest())
"""
ROOM_AND_DRUMS = rendering(
    Notes.make([0.1, 0.2, 0.3], [0.5, 0.8, 0.4], [60, 40, 38], [90, 70, 100], [11, 33, DRUMS]),
    levels_db={DRUMS: -6.0, 33: -3.0, 11: 0.0},
    tuning_cents=7.0,
    reverb_db=-12.0,
    noise_db=-50.0,
    seed=5,
)


def test_same_bytes_in_another_process(run_command: Command) -> None:
    script = OTHER_PROCESS.format(folders=[str(ROOT / "tests"), str(Path(__file__).parent)])
    run = run_command("-c", script)
    assert run.returncode == 0, run.stderr
    samples = hashlib.sha256(ROOM_AND_DRUMS.decode(SAMPLE_RATE).tobytes()).hexdigest()
    assert run.stdout.split() == [ROOM_AND_DRUMS.key(), samples]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "not found"),
        (b"", "not a SoundFont"),
        (b"RIFF\0\0\0\0sfbk", "cannot be read"),
        (b"ID3 x" * 9, "not a SoundF"),
    ],
)
def test_unusable_soundfont(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "font.sf2"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        decoded(ONE, soundfont=SoundFont(file))
    assert str(file) in str(caught.value)


def test_without_tinysoundfont(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(InputError, match="pip install --no-deps tinysoundfont"):
        decoded(ONE)
