"""Sound as a pipe brings it: PCM, raw or in a WAV, in pieces of any length -> samples as a network hears them."""

import logging
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricercar.data.audio.file import OTHER_UNIT, Mono, quantised
from ricercar.data.audio.reading import is_unknown
from ricercar.errors import InputError

log = logging.getLogger(__name__)
# {name: (bytes, full scale, kind of numbers in a WAV, numpy's type)}, all little-endian.
_FORMATS: Mapping[str, tuple[int, float, int, str]] = {
    "s16": (2, 2.0**15, 1, "<i2"),
    "s24": (3, 2.0**31, 1, "<i4"),
    "s32": (4, 2.0**31, 1, "<i4"),
    "f32": (4, 1.0, 3, "<f4"),
}
FORMATS = tuple(_FORMATS)
_OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\3": "MP3", b"ID3\4": "MP3", b"FORM": "AIFF", b"caff": "CAF",
           b".snd": "AU", b"RIFX": "a WAV of the other byte order"}  # fmt: skip
_EXTENSIBLE = 0xFFFE
_LONGEST_HEADER = 16 << 20  # bytes


class Layout(NamedTuple):
    """How samples lie in bytes. num_bytes: of all samples; None: up to the end."""

    sample_rate: int
    num_channels: int
    sample_format: str
    num_bytes: int | None = None

    @property
    def frame_bytes(self) -> int:
        return _FORMATS[self.sample_format][0] * self.num_channels

    def check(self) -> None:
        """InputError where no sound is like this."""
        if not 1_000 <= self.sample_rate <= 1_000_000 or not 1 <= self.num_channels <= 64:
            raise InputError(
                f"sound of {self.num_channels} channels at {self.sample_rate} Hz on standard input: there may be 1 to "
                "64 (--channels), from 1,000 Hz on (--sample-rate)."
            )

    def floats(self, content: bytes) -> NDArray[np.float32]:
        """Whole frames -> (n, channels), 1 is full scale."""
        width, full_scale, _, kind = _FORMATS[self.sample_format]
        if width == 3:  # as the upper bytes of 32 bits
            wide = np.zeros((len(content) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            content = wide.tobytes()
        values = np.frombuffer(content, kind).astype(np.float32) / np.float32(full_scale)
        return values.reshape(-1, self.num_channels)


class Pcm:
    """Bytes of one recording in -> (N,) mono samples in 16 bits at `to_rate` Hz, as they come.

    given   {sample_rate, num_channels, sample_format}, as far as they were said: a WAV's header says its own
    usual   the same of raw PCM of which they were not

    InputError where the header of a WAV says otherwise than `given`, and where it is no PCM.
    """

    def __init__(self, to_rate: int, given: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        self.given = given
        self.raw = Layout(**{**usual, **given})
        self.raw.check()
        self.layout: Layout | None = None
        self._mono = Mono(to_rate, lambda problem: InputError(f"standard input {problem}"), np.inf)
        self._rest = b""
        self._num_bytes = 0  # of samples, taken

    def take(self, content: bytes, last: bool = False) -> NDArray[np.int16]:
        content = self._rest + content
        if self.layout is None:
            begun = self._begun(content, last)
            if begun is None:
                self._rest = content
                return np.zeros(0, np.int16)
            self.layout, content = begun
        layout = self.layout
        if layout.num_bytes is not None:  # other chunks may follow
            content = content[: layout.num_bytes - self._num_bytes]
        whole = len(content) // layout.frame_bytes * layout.frame_bytes
        self._rest = content[whole:]
        self._num_bytes += whole
        samples = quantised(self._mono.take(layout.floats(content[:whole]), layout.sample_rate))
        if layout.sample_format == "f32" and self._mono.peak > OTHER_UNIT:
            raise InputError(f"standard input has samples up to {self._mono.peak:.6g}, where 1 is full scale.")
        return np.concatenate([samples, self._ended(layout)]) if last else samples

    def _ended(self, layout: Layout) -> NDArray[np.int16]:
        if not self._num_bytes:
            raise InputError("standard input has no samples.")
        if self._rest:
            log.warning(
                "Standard input ends within a sample: is it %s of %d channels?",
                layout.sample_format,
                layout.num_channels,
            )
        if layout.num_bytes is not None and self._num_bytes + len(self._rest) < layout.num_bytes:
            there_s, promised_s = (
                each / layout.frame_bytes / layout.sample_rate for each in (self._num_bytes, layout.num_bytes)
            )
            log.warning("Standard input is cut short: %.3f of %.3f s are there.", there_s, promised_s)
        return quantised(self._mono.rest())

    def _begun(self, content: bytes, last: bool) -> tuple[Layout, bytes] | None:
        """-> how the samples lie, and what there is of them; None: that is not to be seen yet."""
        magic = content[:4]
        if magic in _OTHERS:
            raise InputError(
                f"standard input is {_OTHERS[magic]}: give raw PCM, or a WAV, as `ffmpeg -f wav -` makes it."
            )
        if magic not in (b"RIFF", b"RF64", b"BW64"):
            if len(content) < 4 and not last:
                return None
            return self.raw, content
        found = _wav(content)
        if found is None:
            if last or len(content) > _LONGEST_HEADER:
                raise InputError("standard input begins as a WAV, and has no samples.")
            return None
        for name, value in self.given.items():
            if getattr(found[0], name) != value:
                option = {"num_channels": "channels"}.get(name, name).replace("_", "-")
                raise InputError(
                    f"--{option} {value}: the header of the WAV on standard input says {getattr(found[0], name)}. "
                    "Leave the option out."
                )
        found[0].check()
        return found


def _wav(content: bytes) -> tuple[Layout, bytes] | None:
    """-> what the header says, and what there is of the samples; None: the header is not whole."""
    layout, long_bytes, position = None, None, 12
    while len(content) >= position + 8:
        name, size = struct.unpack_from("<4sI", content, position)
        body = content[position + 8 : position + 8 + size]
        if name == b"data":
            if layout is None:
                raise InputError("standard input is a WAV without a format before its samples: mend it.")
            size = size if long_bytes is None or size != 0xFFFFFFFF else long_bytes
            return layout._replace(num_bytes=None if is_unknown(size) else size), content[position + 8 :]
        if len(body) < size:
            return None
        if name == b"ds64" and size >= 16:
            long_bytes = struct.unpack_from("<Q", body, 8)[0]
        elif name == b"fmt " and size >= 16:
            layout = _layout(body)
        position += 8 + size + (size & 1)
    return None


def _layout(body: bytes) -> Layout:
    tag, num_channels, sample_rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack_from("<H", body, 24)[0]
    for name, (width, _, kind, _) in _FORMATS.items():
        if (tag, bits, frame_bytes) == (kind, 8 * width, width * num_channels) and num_channels:
            return Layout(sample_rate, num_channels, name)
    raise InputError(
        f"standard input is a WAV of {bits} bits in {frame_bytes} bytes for {num_channels} channels, format {tag}: "
        "read are 16, 24 and 32 bits of PCM, and 32 of floating-point numbers."
    )
