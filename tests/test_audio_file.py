"""Audio files decoded: formats, rates, channels, and the error for each kind of damage."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ricercar.data.audio_file import AudioFile
from ricercar.errors import InputError

SAMPLE_RATE = 16000


def tone(seconds: float, sample_rate: int, num_channels: int = 1) -> NDArray[np.float64]:
    """(N, C) 440 Hz at an amplitude of 0.5."""
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * sample_rate)) / sample_rate)
    return np.repeat(sine[:, None], num_channels, axis=1)


def counting(num_samples: int) -> NDArray[np.int16]:
    return (np.arange(num_samples) % 30000 + 1).astype(np.int16)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """1,000 samples: 1, 2, 3 ..."""
    path = tmp_path / "a.wav"
    soundfile.write(path, counting(1000), SAMPLE_RATE)
    return path


@pytest.mark.parametrize(
    ("file", "subtype", "sample_rate", "num_channels", "tolerance"),
    [
        ("a.wav", "PCM_16", 16000, 1, 1e-4),
        ("a.wav", "PCM_U8", 16000, 1, 1e-2),
        ("a.wav", "PCM_24", 16000, 2, 1e-4),
        ("a.wav", "FLOAT", 44100, 2, 1e-3),
        ("a.wav", "PCM_16", 192000, 2, 1e-3),
        ("a.wav", "PCM_16", 8000, 6, 1e-3),
        ("a.flac", None, 48000, 2, 1e-3),
        ("a.ogg", None, 44100, 2, 3e-2),
        ("a.mp3", None, 44100, 2, 3e-2),
    ],
)
def test_formats_rates_and_channels(
    file: str, subtype: str | None, sample_rate: int, num_channels: int, tolerance: float, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / file, tone(1.0, sample_rate, num_channels), sample_rate, subtype=subtype)
    audio = AudioFile(tmp_path / file).decode(SAMPLE_RATE)
    expected = tone(1.0, SAMPLE_RATE)[:, 0]
    assert audio.dtype == np.float32
    assert len(audio) == pytest.approx(SAMPLE_RATE, abs=2)
    middle = slice(2000, 14000)
    assert np.abs(audio[middle] - expected[middle]).max() < tolerance


def test_channels_are_averaged_and_peaks_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, 0.1], [3.0, 2.0], [-3.0, 0.0]]), SAMPLE_RATE, subtype="FLOAT")
    assert AudioFile(tmp_path / "a.wav").decode(SAMPLE_RATE).tolist() == pytest.approx([0.3, 1.0, -1.0])


def test_resampling_keeps_out_what_would_alias(tmp_path: Path) -> None:
    time_s = np.arange(48000) / 48000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 10000 * time_s), 48000, subtype="FLOAT")
    audio = AudioFile(tmp_path / "a.wav").decode(SAMPLE_RATE)
    assert np.abs(audio[1000:-1000]).max() < 1e-4


def test_key_is_a_hash_of_the_content(tmp_path: Path, wav: Path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(wav.read_bytes())
    assert AudioFile(copy).key() == AudioFile(wav).key()
    copy.write_bytes(wav.read_bytes()[:-1] + b"\x01")
    assert AudioFile(copy).key() != AudioFile(wav).key()


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("file", ["a.wav", "a.flac", "a.mp3", "a.aiff", "a.au"])
def test_file_that_was_cut_short(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLE_RATE)
    soundfile.write(path, noise, SAMPLE_RATE)
    AudioFile(path).decode(SAMPLE_RATE)
    cut(path, 0.6)
    with pytest.raises(InputError, match="cut short") as error:
        AudioFile(path).decode(SAMPLE_RATE)
    assert str(path) in str(error.value)


def test_wav_of_unknown_length_from_a_pipe(wav: Path) -> None:
    content = bytearray(wav.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # what ffmpeg writes when it cannot go back
    wav.write_bytes(content)
    assert len(AudioFile(wav).decode(SAMPLE_RATE)) == 1000


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"", "not audio"), (b"<html>404</html>", "not audio")],
)
def test_file_that_is_no_audio(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        AudioFile(path).decode(SAMPLE_RATE)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("samples", "words"),
    [([], "no samples"), ([0.0, 0.0, np.nan], "NaN or infinite samples, the first at 0.000"), ([np.inf], "infinite")],
)
def test_samples_that_cannot_be_used(samples: list[float], words: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array(samples), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=words):
        AudioFile(tmp_path / "a.wav").decode(SAMPLE_RATE)
