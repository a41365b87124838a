"""The samples of an audio file up to its real end, whatever length its header promises."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from ricercar.data import scratch
from ricercar.data.audio.lengths import (
    Pieces,
    flac_unbounded,
    id3_bytes,
    mended,
    mpeg_counted,
    mpeg_start,
    ogg_links,
)
from ricercar.errors import InputError

Samples = NDArray[Any]
Take = Callable[[Samples, int], Samples]  # an (n, channels) block, which is overwritten afterwards, and its sample rate

_ID3 = b"ID3\4" + bytes(5) + b"\n" + bytes(10)  # an empty tag: without one libsndfile first looks for a file "._"
_BLOCK = 1 << 18  # samples, of all channels together
_UNKNOWN = 2**63 - 1  # libsndfile's number of frames where no header tells
_FORMATS = (
    "WAV",
    "WAVEX",
    "RF64",
    "W64",
    "AIFF",
    "AU",
    "CAF",
    "NIST",
    "FLAC",
    "OGG",
    "MP3",
)  # of others no length holds
_RATES_HZ = (1_000, 1_000_000)
_MOST_PER_BYTE = 16  # samples, of any codec but those of these formats; libsndfile may fill up with zeros
_PACKED = ("FLAC", "OGG", "MP3", "CAF")
# A few damaged bytes can ask for days of zeros. No codec says so much by a byte, but of silence.
_LONG_S, _MOST_FRAMES_PER_BYTE = 10 * 3600, 1000
_EXACT_S = 0.001  # lengths that differ by less are the same
# libsndfile's note on a header that announces more bytes of samples (or, in two formats, of all) than the file has.
_SHORT = re.compile(r"^\s*(data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_OF_ALL = {"riff": "W64", "Riff size": "RF64"}
_NIST_COUNT = re.compile(rb"sample_count -i (\d+)")
# What libsndfile says of any other file whose name ends in .mp3: it is there, and a regular file.
_NO_FRAMES = ("File does not exist or is not a regular file (possibly a pipe?).", "There are no frames of MPEG audio.")
_FAILURES = (soundfile.SoundFileError, OSError, RuntimeError)


class Recording(NamedTuple):
    """What a file holds.

    samples      (N,) or (N, channels): the blocks that were taken, in a row; long ones are no memory, but a file
    is_float     whether the file has floating-point numbers, which may go beyond full scale
    flaw         what does not hold, in words that follow the file's name; empty where its length is what it promises
    """

    samples: Samples
    sample_rate: int
    num_channels: int
    is_float: bool
    flaw: str


def copied(block: Samples, sample_rate: int) -> Samples:
    return block.copy()


def read(path: Path, take: Take = copied, dtype: str = "float32") -> Recording:
    """-> what `take` makes of the file's blocks.

    InputError where the file is missing, is not audio, or is damaged before its first sample.
    """
    if not path.is_file():
        raise _error(path, "there is no such file.")
    samples = scratch.Growing()
    try:
        parts = [_read(part, take, dtype, samples) for part in _parts(path)]
    except _FAILURES as error:
        raise _error(
            path,
            f"is not audio that libsndfile reads, or is damaged ({str(error).replace(*_NO_FRAMES)}). "
            "Copy or download it again, or convert it to FLAC.",
        ) from error
    first = parts[0]
    for each in parts:
        if (each.sample_rate, each.num_channels) != (first.sample_rate, first.num_channels):
            raise _error(
                path,
                f"has streams of {first.num_channels} channels at {first.sample_rate} Hz and of "
                f"{each.num_channels} at {each.sample_rate} Hz in a row. Convert them to one.",
            )
    whole = first._replace(samples=samples.whole())
    if len(parts) == 1:
        return whole
    flaws = "; ".join(f"stream {number} {part.flaw}" for number, part in enumerate(parts, 1) if part.flaw)
    return whole._replace(flaw=flaws)


def length(path: Path) -> tuple[int, int, int]:
    """-> sample rate, frames, channels: of the header where it is to be believed, else of what is read. InputError."""
    try:
        info = soundfile.info(path)
    except _FAILURES:
        info = None
    if info is not None and info.format not in ("OGG", "MP3") and 0 < info.frames < _UNKNOWN:
        return info.samplerate, info.frames, info.channels
    recording = read(path)
    return recording.sample_rate, len(recording.samples), recording.num_channels


class _Part(NamedTuple):
    """A stream of a file. content: its bytes; None: the file itself. is_piped: so that libsndfile looks for no end."""

    path: Path
    content: Pieces | None = None
    is_piped: bool = False
    promised: int | None = None  # frames, by a header that was put right
    share: float | None = None  # of the promised bytes that are there, likewise
    ended: bool = True


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Reads on and on. soundfile seeks after each block, and refuses files in which libsndfile cannot."""

    def seekable(self) -> bool:
        return False


def _parts(path: Path) -> Iterator[_Part]:
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"OggS":
        for link in ogg_links(scratch.content(path)):
            stream, promised = flac_unbounded(link.content) if link.is_flac else (link.content, None)
            yield _Part(path, stream, not link.is_flac, promised, ended=link.ended)
        return
    if head[:3] == b"ID3" or head == b"fLaC":
        content = scratch.content(path)
        untagged = memoryview(content)[id3_bytes(content) :]
        if bytes(untagged[:4]) == b"fLaC":
            unbounded, promised = flac_unbounded((untagged,))
            yield _Part(path, unbounded, promised=promised)
            return
    failure, promised = None, None
    try:
        with _Forward(path) as file:
            if file.format != "MP3" and file.frames:
                yield _Part(path)
                return
            is_empty, promised = file.format != "MP3", file.frames
    except _FAILURES as error:
        failure, is_empty = error, False
    content = scratch.content(path)
    start = None if is_empty else mpeg_start(content)
    if start is not None:
        frames, counted = mpeg_counted(content, start)
        yield _Part(path, (_ID3, *frames), True, promised if counted else None)
        return
    better = mended(content)
    if better is not None:
        yield _Part(path, better.content, share=better.share, ended=better.share is None)
    elif failure is None:
        yield _Part(path)
    else:
        raise failure


def _read(part: _Part, take: Take, dtype: str, samples: scratch.Growing) -> Recording:
    """Of one stream, without its samples, which are added to `samples`."""
    damage = ""
    with _opened(part) as file:
        if file.format not in _FORMATS:
            raise _error(part.path, f"is {file.format_info}: read are {', '.join(_FORMATS)}. Convert it to FLAC.")
        num_bytes = part.path.stat().st_size
        if file.format not in _PACKED and file.frames * file.channels > _MOST_PER_BYTE * num_bytes:
            raise _error(
                part.path, f"announces {file.frames:,} frames, which {num_bytes:,} bytes cannot hold. Mend it."
            )
        rate, channels, promised = file.samplerate, file.channels, _promised(part, file)
        if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
            low, high = _RATES_HZ
            raise _error(part.path, f"has a sample rate of {rate:,} Hz, outside {low:,} to {high:,}. Mend its header.")
        block = np.empty((max(1, _BLOCK // channels), channels), dtype)
        num_frames, more = 0, 1
        while more:
            block[:, -1] = np.nan  # an error hides how many frames came before it
            try:
                more = len(file.read(out=block))
            except soundfile.SoundFileError as error:
                damage = error.error_string.removeprefix("Error : ").rstrip(".")
                empty = np.isnan(block[:, -1])
                more = int(empty.argmax()) if empty.any() else len(block)
                if not num_frames + more:
                    raise
            if more:
                samples.add(take(block[:more], rate))
                num_frames += more
            if num_frames > max(_LONG_S * rate, _MOST_FRAMES_PER_BYTE * num_bytes):
                raise _error(
                    part.path,
                    f"is longer than {_LONG_S / 3600:g} hours, which {num_bytes:,} bytes cannot hold. Mend it.",
                )
            if damage:
                break
        is_float = file.subtype in ("FLOAT", "DOUBLE")
    if not num_frames:
        samples.add(take(block[:0], rate))
    return Recording(block[:0], rate, channels, is_float, _flaw(part, num_frames, promised, rate, damage))


def _flaw(part: _Part, num_frames: int, promised: float | None, rate: int, damage: str) -> str:
    found_s = num_frames / max(rate, 1)
    promised_s = found_s if promised is None else promised / max(rate, 1)
    there = f"{found_s:.3f} s are there" if promised is None else f"{found_s:.3f} of {promised_s:.3f} s are there"
    if damage:
        return f"is damaged or cut short: {there} ({damage})"
    if promised_s > found_s + _EXACT_S or not part.ended:
        return f"is cut short: {there}"
    if promised_s < found_s - _EXACT_S:
        return f"goes on after the length in its header: {found_s:.3f} s are there, not {promised_s:.3f} s"
    return ""


def _promised(part: _Part, file: soundfile.SoundFile) -> float | None:
    """Frames that the header announces, as far as it is known."""
    frames = int(file.frames)
    if part.promised is not None:
        return part.promised
    if part.share is not None:
        return frames / part.share if file.subtype.startswith("PCM") else None
    if not part.ended:
        return None
    if part.content is not None and part.is_piped and part.content[0][:4] == b"OggS":
        with _in_a_file(part.content) as whole:  # which libsndfile searches for the last page
            frames = int(whole.frames)
    if frames == _UNKNOWN:
        return None
    for label, announced, present in _SHORT.findall(file.extra_info):
        if _OF_ALL.get(label, file.format) == file.format and int(present) and not is_unknown(int(announced)):
            return max(frames, frames * int(announced) / int(present))
    if file.format == "NIST":
        with part.path.open("rb") as raw:
            count = _NIST_COUNT.search(raw.read(1024))
        return int(count[1]) if count else frames
    return frames


def is_unknown(num_bytes: int) -> bool:
    """Lengths that programs write to a pipe: 0, and some bytes around 2**31, 2**32, 2**63 and 2**64."""
    return num_bytes == 0 or any(abs(num_bytes - each) <= 4096 for each in (2**31, 2**32, 2**63, 2**64))


@contextmanager
def _opened(part: _Part) -> Iterator[soundfile.SoundFile]:
    if part.content is None:
        with _Forward(part.path) as file:
            yield file
    else:
        with (_in_a_pipe if part.is_piped else _in_a_file)(part.content) as file:
            yield file


@contextmanager
def _in_a_file(content: Pieces) -> Iterator[soundfile.SoundFile]:
    with scratch.file_of(content, sum(map(len, content))) as kept, _Forward(kept.fileno(), closefd=False) as file:
        yield file


@contextmanager
def _in_a_pipe(content: Pieces) -> Iterator[soundfile.SoundFile]:
    """From a pipe libsndfile reads streams to their end, where in a file it guesses or searches for it."""
    reading, writing = os.pipe()
    feeder = threading.Thread(target=_feed, args=(writing, content), daemon=True)
    feeder.start()
    try:
        with _Forward(reading, closefd=False) as file:
            yield file
    finally:
        os.close(reading)
        feeder.join()


def _feed(writing: int, content: Pieces) -> None:
    try:
        with os.fdopen(writing, "wb") as pipe:
            for piece in content:
                pipe.write(piece)
    except BrokenPipeError:  # nobody reads on
        pass


def _error(path: Path, problem: str) -> InputError:
    return InputError(f"Audio file {path}: {problem}")
