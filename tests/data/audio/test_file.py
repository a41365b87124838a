"""Audio files decoded: formats, rates, channels, and the error for each kind of damage."""

import contextlib
import io
import re
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ricercar.data import scratch
from ricercar.data.audio import reading as audio_reading
from ricercar.data.audio.file import AudioFile
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


def test_channels_are_averaged_and_peaks_clipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, 0.1], [3.0, 2.0], [-3.0, 0.0]]), SAMPLE_RATE, subtype="FLOAT")
    assert AudioFile(tmp_path / "a.wav").decode(SAMPLE_RATE).tolist() == pytest.approx([0.3, 1.0, -1.0])
    assert "a.wav: is clipped at full scale, which its samples exceed up to 2.5." in caplog.text


def test_integers_as_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([1000.0, -20000.0, 5.0]), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"samples up to 20000, where 1 is full scale.*32768"):
        AudioFile(tmp_path / "a.wav").decode(SAMPLE_RATE)


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


# --- lengths that do not hold: what is there is read, and a line says so ---

CUT = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "GSM610"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("AU", "G721_32"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("NIST", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


def noise(seconds: float, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * sample_rate))


def written(samples: NDArray[np.float64], kind: str, subtype: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format=kind, subtype=subtype, **options)
    return file.getvalue()


def decoded(content: bytes, folder: Path, name: str = "a") -> tuple[NDArray[np.float32], str]:
    (folder / name).write_bytes(content)
    return AudioFile(folder / name).decoded(SAMPLE_RATE)


@pytest.mark.parametrize(("kind", "subtype"), CUT)
def test_what_is_there_of_a_file_that_was_cut_is_read(
    kind: str, subtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where it is too long for memory."""
    content = written(noise(2.0), kind, subtype)
    whole, flaw = decoded(content, tmp_path)
    assert flaw == ""
    part, flaw = decoded(content[: int(0.6 * len(content))], tmp_path)
    assert "cut short" in flaw
    assert f"{len(part) / SAMPLE_RATE:.3f} " in flaw
    assert 0.4 * len(whole) < len(part) < 0.65 * len(whole)
    same = len(part) - 3000  # the last block of a codec is not whole
    assert np.abs(part[:same] - whole[:same]).max() < 1e-4
    monkeypatch.setattr(scratch, "IN_MEMORY", 1000)
    again, flaw_again = decoded(content[: int(0.6 * len(content))], tmp_path)
    assert flaw_again == flaw
    np.testing.assert_array_equal(again, part)


def test_a_cut_file_is_a_warning_that_names_it(tmp_path: Path, wav: Path, caplog: pytest.LogCaptureFixture) -> None:
    wav.write_bytes(wav.read_bytes()[:1044])
    assert AudioFile(wav).decode(SAMPLE_RATE)[-1] == np.float32(500 / 32768)
    assert f"{wav}: is cut short: 0.031 of 0.062 s are there." in caplog.text


@pytest.mark.parametrize("num_bytes", [0, 0x7FFFF000, 0x7FFFFFDB, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
@pytest.mark.parametrize("kind", ["WAV", "AU", "AIFF", "RF64"])
def test_length_that_a_program_writes_to_a_pipe(kind: str, num_bytes: int, tmp_path: Path) -> None:
    """AU, AIFF and WAV keep it in four bytes after the name of the chunk, AU eight bytes into the file."""
    content = bytearray(written(noise(0.5), kind, "PCM_16"))
    order = "<" if kind in ("WAV", "RF64") else ">"
    position = {"WAV": 40, "AU": 8, "RF64": 20}.get(kind) or content.index(b"SSND") + 4
    if kind == "RF64":
        wide = num_bytes | num_bytes << 32 if num_bytes > 0xFFFF0000 else num_bytes
        struct.pack_into("<QQ", content, position, wide, wide)
    else:
        struct.pack_into(f"{order}I", content, position, num_bytes)
    samples, flaw = decoded(bytes(content), tmp_path)
    assert (len(samples), flaw) == (8000, "")


@pytest.mark.parametrize("num_bytes", [-1, 0])
def test_caf_without_a_length(num_bytes: int, tmp_path: Path) -> None:
    content = bytearray(written(noise(0.5), "CAF", "PCM_16"))
    struct.pack_into(">q", content, content.index(b"data") + 4, num_bytes)
    samples, flaw = decoded(bytes(content), tmp_path)
    assert (len(samples), flaw) == (8000, "")


def test_wav_without_samples_but_with_other_chunks_has_none(tmp_path: Path) -> None:
    content = written(np.zeros(0), "WAV", "PCM_16") + b"LIST\x0c\0\0\0INFOabcdefgh"
    with pytest.raises(InputError, match="no samples"):
        decoded(content, tmp_path)


@pytest.mark.parametrize(
    ("promised", "words"),
    [(0, ""), (8000, ""), (4000, "goes on .* 0.500 s are there, not 0.250"), (12000, "0.500 of 0.750 s are there")],
)
def test_flac_is_read_to_its_end(promised: int, words: str, tmp_path: Path) -> None:
    content = bytearray(written(noise(0.5), "FLAC"))
    content[22:26] = promised.to_bytes(4, "big")
    samples, flaw = decoded(bytes(content), tmp_path)
    assert len(samples) == 8000
    assert re.search(words, flaw)
    assert bool(flaw) == bool(words)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("before", [b"", b"ID3\4\0\0\0\0\1\0" + 128 * b"x", 500 * b"junk"])
def test_mp3_without_a_length(mode: str, before: bytes, tmp_path: Path) -> None:
    """Loud and then quiet: from the bit rate of the first frames a decoder guesses far too short a length."""
    sound = np.concatenate([noise(1.0), 0.001 * noise(9.0)])
    tagged = written(sound, "MP3", bitrate_mode=mode, compression_level=0.5)
    whole, flaw = decoded(tagged, tmp_path)
    assert (len(whole), flaw) == (160000, "")
    assert max(tagged.find(b"Xing"), tagged.find(b"Info")) in range(9, 40)
    bare = tagged[tagged.index(tagged[:2], 10) :]  # the tag is a frame of its own
    samples, flaw = decoded(before + bare, tmp_path)
    assert flaw == ""
    assert len(samples) == pytest.approx(160000, abs=2500)  # of which the tag tells how much is padding
    start = int(np.argmin([np.abs(samples[at : at + 8000] - whole[:8000]).max() for at in range(1500)]))
    assert np.abs(samples[start : start + 150000] - whole[:150000]).max() < 1e-3


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_mp3_with_more_frames_than_its_tag_says(mode: str, tmp_path: Path) -> None:
    content = bytearray(written(noise(2.0), "MP3", bitrate_mode=mode))
    tag = max(content.find(b"Xing"), content.find(b"Info"))
    number = int.from_bytes(content[tag + 8 : tag + 12], "big")
    content[tag + 8 : tag + 12] = (number // 2).to_bytes(4, "big")
    samples, flaw = decoded(bytes(content), tmp_path)
    assert len(samples) == 32000
    assert "goes on after the length in its header: 2.000 s are there, not " in flaw


def test_mp3_beside_a_resource_fork_of_another_system(tmp_path: Path) -> None:
    (tmp_path / "._a.mp3").write_bytes(bytes(100))
    assert len(decoded(written(noise(1.0), "MP3"), tmp_path, "a.mp3")[0]) == SAMPLE_RATE


def test_mp3_in_an_id3_tag_is_the_same(tmp_path: Path) -> None:
    content = written(noise(1.0), "MP3")
    tag = b"ID3\4\0\0\0\0\1\0" + 128 * b"\xff"
    assert np.array_equal(decoded(tag + content, tmp_path)[0], decoded(content, tmp_path)[0])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_all_streams_of_a_chain_are_read(subtype: str, tmp_path: Path) -> None:
    first, second = (written(noise(seconds), "OGG", subtype) for seconds in (0.5, 1.0))
    samples, flaw = decoded(first + second, tmp_path)
    assert (len(samples), flaw) == (24000, "")
    alone = decoded(second, tmp_path)[0]
    assert np.array_equal(samples[8000:], alone)
    _, flaw = decoded(first[: len(first) // 2 * 2 - 200] + second, tmp_path)
    assert "stream 1 is cut short" in flaw


def test_a_chain_of_several_kinds_is_refused(tmp_path: Path) -> None:
    content = written(noise(0.5), "OGG") + written(np.stack([noise(0.5)] * 2, axis=1), "OGG")
    with pytest.raises(InputError, match="1 channels at 16000 Hz and of 2 at 16000 Hz"):
        decoded(content, tmp_path)


def ogg_page(flags: int, number: int, packet: bytes) -> bytes:
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = bytearray(struct.pack("<4sxBqIIIB", b"OggS", flags, 0, 7, number, 0, len(sizes)) + sizes + packet)
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    page[22:26] = checksum.to_bytes(4, "little")
    return bytes(page)


def test_flac_in_ogg(tmp_path: Path) -> None:
    flac = written(noise(0.5), "FLAC")
    pages = [ogg_page(2, 0, b"\x7fFLAC\1\0\0\1" + flac[:42])]
    for at in range(42, len(flac), 4000):
        pages.append(ogg_page(4 if at + 4000 >= len(flac) else 0, len(pages), flac[at : at + 4000]))
    samples, flaw = decoded(b"".join(pages), tmp_path)
    assert (samples.tolist(), flaw) == (decoded(flac, tmp_path)[0].tolist(), "")
    part, flaw = decoded(b"".join(pages[:-1]), tmp_path)
    assert part.tolist() == samples[: len(part)].tolist()
    assert f"cut short: {len(part) / SAMPLE_RATE:.3f} of 0.500 s are there" in flaw


def test_ogg_that_is_cut_in_its_only_page_of_samples(tmp_path: Path) -> None:
    """libsndfile finds no samples in it."""
    content = written(0.001 * noise(2.0), "OGG", compression_level=1.0)
    whole, _ = decoded(content, tmp_path)
    samples, flaw = decoded(content[:-400], tmp_path)
    assert 1000 < len(samples) < 32000
    assert np.abs(samples[:-512] - whole[: len(samples) - 512]).max() < 1e-4
    assert f"is cut short: {len(samples) / SAMPLE_RATE:.3f} s are there" in flaw


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("WAV", "NMS_ADPCM_32"),
        ("AIFF", "GSM610"),
        ("AIFF", "DWVW_16"),
        ("AU", "G723_40"),
        ("W64", "GSM610"),
    ],
)
def test_files_in_which_libsndfile_cannot_seek(kind: str, subtype: str, tmp_path: Path) -> None:
    samples, flaw = decoded(written(0.5 * tone(1.0, SAMPLE_RATE)[:, 0], kind, subtype), tmp_path)
    assert (len(samples), flaw) == (pytest.approx(SAMPLE_RATE, abs=320), "")
    spectrum = np.abs(np.fft.rfft(samples[:16000]))
    assert spectrum.argmax() == 440


@pytest.mark.parametrize("kind", ["XI", "VOC", "MAT5", "SDS", "AVR", "PVF"])
def test_formats_whose_length_cannot_be_checked_are_refused(kind: str, tmp_path: Path) -> None:
    subtype = "DPCM_16" if kind == "XI" else "PCM_16"
    with pytest.raises(InputError, match=rf"a: is {kind} .*Convert it to FLAC"):
        decoded(written(noise(0.1), kind, subtype), tmp_path)


@pytest.mark.parametrize("rate", [0, 1, 999, 1_000_001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_sample_rate_that_cannot_be(rate: int, tmp_path: Path) -> None:
    content = bytearray(written(noise(0.1), "WAV", "PCM_16"))
    struct.pack_into("<I", content, 24, rate)
    with pytest.raises(InputError, match=r"sample rate|not audio"):
        decoded(bytes(content), tmp_path)


def test_hours_of_nothing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more there have to be more bytes."""
    monkeypatch.setattr(audio_reading, "_LONG_S", 1.0)
    monkeypatch.setattr(audio_reading, "_MOST_FRAMES_PER_BYTE", 10)
    assert len(decoded(written(noise(18.0), "FLAC"), tmp_path)[0]) == 18 * SAMPLE_RATE
    with pytest.raises(InputError, match=r"is longer than 0\.000277778 hours, which [0-9,]+ bytes cannot hold"):
        decoded(written(np.zeros(18 * SAMPLE_RATE), "FLAC"), tmp_path)


def test_length_that_the_file_cannot_hold(tmp_path: Path) -> None:
    """libsndfile would decode zeros for hours."""
    content = bytearray(written(noise(0.5), "W64", "GSM610"))
    at = content.index(b"data") + 16
    content[at : at + 8] = bytes.fromhex("e703008ecc4d21b4")  # below zero
    with pytest.raises(InputError, match=r"frames, which [0-9,]+ bytes cannot hold"):
        decoded(bytes(content), tmp_path)


# --- any bytes ---

FUZZED = [*CUT, ("WAV", "ALAW"), ("AIFF", "DWVW_16"), ("RAW", "PCM_16"), ("XI", "DPCM_16"), ("MAT5", "PCM_16")]


@cache
def original(number: int) -> bytes:
    kind, subtype = FUZZED[number % len(FUZZED)]
    num_channels = 2 if subtype in ("PCM_16", "VORBIS", "MPEG_LAYER_III") and number % 2 else 1
    if kind == "RAW":
        return np.random.default_rng(0).bytes(5000)
    return written(np.stack([noise(0.1)] * num_channels, axis=1), kind, subtype)


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Cut off, with bytes or whole numbers changed (of the header, mostly), with some put in, left out, or twice."""
    changed = bytearray(content)
    near = min(len(changed) - 4, int(random.choice([40, 120, len(changed)])))
    at = int(random.integers(near))
    what = random.integers(6)
    if what == 0:
        del changed[int(random.integers(len(changed))) :]
    elif what == 1:
        for each in random.integers(near, size=int(random.choice([1, 3, 20]))):
            changed[each] ^= 1 << int(random.integers(8))
    elif what == 2:
        numbers = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", random.bytes(4)]
        changed[at : at + 4] = numbers[int(random.integers(len(numbers)))]
    elif what == 3:
        changed[at:at] = random.bytes(int(random.choice([1, 7, 100, 3000])))
    elif what == 4:
        del changed[at : at + int(random.choice([1, 2, 50, 500]))]
    else:
        changed += bytes(changed)
    return bytes(changed)


@pytest.mark.parametrize("first", range(0, 400, 40))
def test_any_bytes_are_read_or_refused(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 40):
        path = tmp_path / f"{seed}.wav"
        path.write_bytes(damaged(original(seed), np.random.default_rng(seed)))
        with contextlib.suppress(InputError):
            samples, _ = AudioFile(path).decoded(SAMPLE_RATE)
            assert 0 < len(samples) < 100 * SAMPLE_RATE, seed
            assert np.abs(samples).max() <= 1.0, seed


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
