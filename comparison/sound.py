"""The sound of an excerpt and its image, as data: URIs for a page without a server."""

from base64 import b64encode
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from ricercar.models.frontends.cqt import CQT

# Rates at which the file begins with LAME's own header, by which players leave out the encoder's delay (23 to 46 ms,
# as much as the tolerance of an onset); at 24 kHz it does not.
_MP3_RATES = (16_000, 22_050)
_COMPRESSION = 0.7  # of libsndfile, constant bit rate, so that players seek exactly: 56 kbit/s
_COLUMNS_PER_S = 50
_BINS_PER_SEMITONE = 3
_PLANNED_S = 5.0  # lengths are rounded up to multiples of this: the transform plans anew for each, which takes seconds
_LOWEST = 21  # MIDI number: A0, 27.5 Hz
_HIGHEST_HZ = 8_000.0
_RANGE_DB = 70.0  # below the loudest point of the excerpt is black
_SILENCE = 1e-4  # what is quieter is black all the same: zeros come out at 1e-8
_QUALITY = 50  # of WebP: 20 s take 30 to 45 kB

Floats = NDArray[np.float64]


def mp3(audio: Floats, sample_rate: int) -> str:
    """(N,) mono in [-1, 1] -> data: URI that plays for N samples."""
    rate = sample_rate if sample_rate in _MP3_RATES else _MP3_RATES[-1]
    if rate != sample_rate:
        audio = np.clip(soxr.resample(audio, sample_rate, rate), -1.0, 1.0)
    content = BytesIO()
    soundfile.write(content, audio, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=_COMPRESSION)
    return _uri("audio/mpeg", content)


def spectrogram(audio: Floats, sample_rate: int) -> tuple[str, float, float]:
    """(N,) -> data: URI of a greyscale image of constant-Q magnitudes in dB, low pitches at the bottom, white loud;
    and the MIDI numbers at its lower and its upper edge.
    """
    import torch

    transform = _transform(sample_rate)
    planned = round(_PLANNED_S * sample_rate)
    padded = np.pad(audio, (0, -len(audio) % planned))
    with torch.no_grad():
        bins = transform(torch.as_tensor(padded, dtype=torch.float32)[None])[0, 0]
    magnitude = bins[:, : max(1, round(len(audio) / sample_rate * _COLUMNS_PER_S))].numpy()
    loudest = max(float(bins.max()), _SILENCE)
    decibel = 20 * np.log10(np.maximum(magnitude / loudest, 10 ** (-_RANGE_DB / 20)))
    grey = np.rint(255 * (1 + decibel / _RANGE_DB)).astype(np.uint8)
    content = BytesIO()
    Image.fromarray(grey[::-1]).save(content, "WEBP", quality=_QUALITY, method=6)
    lower_edge = _LOWEST - 0.5 / _BINS_PER_SEMITONE
    return _uri("image/webp", content), lower_edge, lower_edge + len(grey) / _BINS_PER_SEMITONE


@cache
def _transform(sample_rate: int) -> "CQT":
    """Kept, with its plans."""
    from ricercar.models.frontends.cqt import CQT

    lowest_hz = 440.0 * 2 ** ((_LOWEST - 69) / 12)
    bins_per_octave = 12 * _BINS_PER_SEMITONE
    return CQT(
        sample_rate=sample_rate,
        hop_length=sample_rate // _COLUMNS_PER_S,
        freq_min_hz=lowest_hz,
        bins_per_octave=bins_per_octave,
        num_bins=int(bins_per_octave * np.log2(min(_HIGHEST_HZ, 0.45 * sample_rate) / lowest_hz)),
        filter_scale=0.5,
        window="hann",
        harmonics=[1.0],
        trainable=False,
    )


def _uri(kind: str, content: BytesIO) -> str:
    return f"data:{kind};base64,{b64encode(content.getvalue()).decode()}"
