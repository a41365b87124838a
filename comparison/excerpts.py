"""Excerpts of tracks: their sound, and what each system got right and wrong in them."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from PIL import Image

from ricercar.comparison.board import Board
from ricercar.comparison.options import listed
from ricercar.comparison.sources import Sources, sources_of
from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.harness.results import Result
from ricercar.tasks.marks import LACKING, RIGHT, UNFOUND, UNSCORED, Mark

BORDER_S = 0.05  # seconds from the border of a segment within which an error is at it
_SEQUENCES = "ricercar.tasks.heads.Sequences"
_WINDOW = ("window_frames", "border_frames", "hop_length", "sample_rate")


@dataclass(frozen=True)
class Segments:
    """Windows that a head of tokens tells of one after the other, without knowing of its neighbours.

    length_s         of each; the first begins with the track
    num_errors       errors of the whole track
    num_at_borders   those of them that begin within BORDER_S of where a segment ends
    expected         as many as there would be by chance, were they spread evenly
    """

    length_s: float
    num_errors: int
    num_at_borders: int
    expected: float


@dataclass(frozen=True)
class Excerpt:
    """An excerpt of one track. All times count from the start of the track.

    audio         data: URI of an MP3 of the excerpt, mono; None where it is not to be had
    spectrogram   data: URI of a greyscale image, white is loud; None as above
    pitch_low, pitch_high   MIDI numbers at the image's lower and upper edge; its rows are equally far apart in pitch
    kind          how marks are drawn: notes, events, intervals, melody, or track, where they are of the whole track
    estimates     {key of a system: its marks}, where its predictions are to be had
    segments      {key of a system: the segments that it says tokens of}, of those that do
    missing       sentences that say what is not to be had, and why; empty where all is there
    """

    id: str
    start_s: float
    end_s: float
    audio: str | None
    spectrogram: str | None
    pitch_low: float
    pitch_high: float
    kind: str
    reference: list[Mark]
    estimates: dict[str, list[Mark]]
    segments: dict[str, Segments]
    missing: str

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see or hear."""
        return not (self.audio or self.spectrogram or self.reference or self.estimates)


Doubts = Mapping[tuple[float, float | None, str], str]


def excerpts(
    board: Board,
    track_ids: Sequence[str],
    seconds: float,
    cache_dir: Path,
    data_root: str | None = None,
    in_doubt: Mapping[str, Doubts] | None = None,
) -> dict[str, Excerpt]:
    """{track id: the excerpt of at most `seconds` in which the board's systems err most}.

    cache_dir: where decoded audio is kept. data_root: where the data lies now; None: as the runs had it.
    in_doubt: {track id: {(start_s, pitch, label): kind}} of marks that are shown as of another kind, where an audit has
    doubts; the excerpt is then where most of these are.
    """
    lengths = {track.id: track.seconds for track in board.tracks}
    try:
        sources = sources_of(board, cache_dir, data_root)
    except InputError as error:
        missing = f"Neither sound nor reference: {str(error).partition('. ')[0].rstrip('.')}."
        return {each: _empty_excerpt(each, min(seconds, lengths[each]), missing) for each in track_ids}
    doubts = in_doubt or {}
    return {each: _excerpt(board, sources, each, lengths[each], seconds, doubts.get(each, {})) for each in track_ids}


def pick_tracks(board: Board, number: int) -> list[str]:
    """-> ids of tracks worth looking at: in turn the worst on average, where systems differ most, and the best."""
    metric = board.track_metric
    values = board.scale(metric).sign * board.scores(metric).values.transpose(2, 0, 1)  # (T, S, K)
    means = [[np.nanmean(seeds) for seeds in systems if not np.isnan(seeds).all()] for systems in values]
    scored = [row for row, each in enumerate(means) if each]
    average = {row: float(np.mean(means[row])) for row in scored}
    spread = {row: float(np.ptp(means[row])) for row in scored}
    orders = (
        sorted(scored, key=lambda row: average[row]),
        sorted(scored, key=lambda row: -spread[row]),
        sorted(scored, key=lambda row: -average[row]),
    )
    in_turn = [row for rows in zip(*orders, strict=True) for row in rows]
    return [board.tracks[row].id for row in dict.fromkeys(in_turn)][:number]


def _excerpt(
    board: Board, sources: Sources, track_id: str, length_s: float, seconds: float, in_doubt: Doubts
) -> Excerpt:
    track, missing = sources.tracks[track_id], []
    reference = sources.reference(track)
    estimates, without = {}, []
    for system in board.systems:
        try:
            estimate = sources.estimate(system, track)
            if estimate is None:
                without.append(system.name)
            else:
                estimates[system.key] = doubted(sources.scoring.marks(reference, estimate), in_doubt)
        except InputError as error:
            missing.append(f"The prediction of {system.name} cannot be read: {error}")
    if without and len(without) == len(board.systems):
        missing.append("There are no predictions beside the results.")
    elif without:
        missing.append(f"No predictions beside the results of: {listed(without, len(without))}.")
    every = [mark for marks in estimates.values() for mark in marks]
    start_s = worst_start([each for each in every if each.kind in (LACKING, UNFOUND)] or every, length_s, seconds)
    end_s = min(start_s + seconds, length_s)
    audio = image = None
    low = high = 0.0
    try:
        rate = sources.store.sample_rate
        samples = sources.store.read(track, round(start_s * rate), round((end_s - start_s) * rate)) / 32768.0
        audio, (image, low, high) = mp3(samples, rate), spectrogram(samples, rate)
    except InputError as error:
        missing.append(f"No sound: {error}")
    return Excerpt(
        id=track_id,
        start_s=start_s,
        end_s=end_s,
        audio=audio,
        spectrogram=image,
        pitch_low=low,
        pitch_high=high,
        kind=view_of(sources.scoring.annotation),
        reference=cut(sources.scoring.reference_marks(reference), start_s, end_s),
        estimates={key: cut(marks, start_s, end_s) for key, marks in estimates.items()},
        segments={
            system.key: segments(length, estimates[system.key], length_s)
            for system in board.systems
            if system.key in estimates and (length := segment_s(system.first)) is not None
        },
        missing=" ".join(missing),
    )


def _empty_excerpt(track_id: str, end_s: float, missing: str) -> Excerpt:
    return Excerpt(track_id, 0.0, end_s, None, None, 0.0, 0.0, _WHOLE_TRACK, [], {}, {}, missing)


def segment_s(result: Result) -> float | None:
    """How long the segments are that a run says tokens of; None of any other system."""
    config = result.config or {}
    head = config.get("head")
    if not isinstance(head, dict) or head.get("_target_") != _SEQUENCES:
        return None
    frames, border, hop, rate = (config.get(name) for name in _WINDOW)
    if not all(isinstance(each, int) for each in (frames, border, hop, rate)):
        return None
    return float((frames - 2 * border) * hop / rate)  # type: ignore[operator]


def segments(length_s: float, marks: Iterable[Mark], duration_s: float) -> Segments:
    """marks: of the whole track."""
    time_s = np.array([mark.start_s for mark in marks if mark.is_error])
    border = np.maximum(np.rint(time_s / length_s), 1.0) * length_s
    near = int((np.abs(time_s - border) <= BORDER_S).sum())
    share = min(1.0, 2 * BORDER_S * np.floor(duration_s / length_s) / max(duration_s, length_s))
    return Segments(length_s, len(time_s), near, float(len(time_s) * share))


def doubted(marks: Iterable[Mark], in_doubt: Doubts) -> list[Mark]:
    """What is right, or not scored, stays so: labels that are late are in doubt by other means."""
    kept = (RIGHT, UNSCORED)
    return [
        mark
        if mark.kind in kept
        else replace(mark, kind=in_doubt.get((mark.start_s, mark.pitch, mark.label), mark.kind))
        for mark in marks
    ]


def worst_start(marks: Iterable[Mark], duration_s: float, length_s: float) -> float:
    """-> where the excerpt starts in which most errors begin: at a whole second, of equals the first."""
    error_s = np.sort([mark.start_s for mark in marks if mark.is_error])
    start_s = np.arange(0.0, max(duration_s - length_s, 0.0) + 1.0)
    start_s = np.minimum(start_s, max(duration_s - length_s, 0.0))
    num_errors = np.searchsorted(error_s, start_s + length_s) - np.searchsorted(error_s, start_s)
    return float(start_s[num_errors.argmax()])


def cut(marks: Iterable[Mark], start_s: float, end_s: float) -> list[Mark]:
    """The marks of an excerpt, ends cut off; times still count from the start of the track."""
    return [
        replace(mark, start_s=max(mark.start_s, start_s), end_s=min(mark.end_s, end_s))
        for mark in marks
        if (mark.start_s < end_s and mark.end_s > start_s) or start_s <= mark.start_s == mark.end_s <= end_s
    ]


if TYPE_CHECKING:
    from ricercar.models.frontends.cqt import CQT

# Rates at which the file begins with LAME's own header, by which players leave out the encoder's delay (23 to 46 ms,
# as much as the tolerance of an onset); at 24 kHz it does not.
_MP3_RATES = (16_000, 22_050)
_COMPRESSION = 0.7  # of libsndfile, constant bit rate, so that players seek exactly: 56 kbit/s
_COLUMNS_PER_S = 50
_BINS_PER_SEMITONE = 3
_PLANNED_S = 5.0  # lengths are rounded up to multiples of this: the transform plans anew for each, which takes seconds
_AT_ONCE_S = 25.0  # longer recordings are taken in parts of this length
_MARGIN_S = 2.0  # at both ends of a part: more than half of the longest kernel
_MOST_COLUMNS = 16_000  # of a WebP image, of which 16,383 is the limit
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

    Of a long recording the image has fewer columns in a second: no more than images can have.
    """
    magnitude = _long(audio, sample_rate) if len(audio) > _AT_ONCE_S * sample_rate else _magnitude(audio, sample_rate)
    loudest = max(float(magnitude.max()), _SILENCE)
    decibel = 20 * np.log10(np.maximum(magnitude / loudest, 10 ** (-_RANGE_DB / 20)))
    grey = np.rint(255 * (1 + decibel / _RANGE_DB)).astype(np.uint8)
    content = BytesIO()
    method = 6 if grey.shape[1] <= _AT_ONCE_S * _COLUMNS_PER_S else 2  # seconds for a long one
    Image.fromarray(grey[::-1]).save(content, "WEBP", quality=_QUALITY, method=method)
    lower_edge = _LOWEST - 0.5 / _BINS_PER_SEMITONE
    return _uri("image/webp", content), lower_edge, lower_edge + len(grey) / _BINS_PER_SEMITONE


def _magnitude(audio: Floats, sample_rate: int) -> Floats:
    """(N,) -> (F, T), at once."""
    import torch

    planned = round(_PLANNED_S * sample_rate)
    padded = np.pad(audio, (0, -len(audio) % planned))
    with torch.no_grad():
        bins = _transform(sample_rate)(torch.as_tensor(padded, dtype=torch.float32)[None])[0, 0]
    kept: Floats = bins[:, : max(1, round(len(audio) / sample_rate * _COLUMNS_PER_S))].double().numpy()
    return kept


def _long(audio: Floats, sample_rate: int) -> Floats:
    """(N,) -> (F, T), by parts of one length, of neighbouring columns the loudest where there are too many."""
    hop = sample_rate // _COLUMNS_PER_S
    margin, size = round(_MARGIN_S * _COLUMNS_PER_S), round((_AT_ONCE_S - 2 * _MARGIN_S) * _COLUMNS_PER_S)
    total = max(1, len(audio) // hop)
    together = -(-total // _MOST_COLUMNS)
    size -= size % together
    parts = []
    for first in range(0, total, size):
        start, stop = (first - margin) * hop, (first + size + margin) * hop
        outside = (max(-start, 0), max(stop - len(audio), 0))
        part = np.pad(audio[max(start, 0) : stop], outside)
        columns = _magnitude(part, sample_rate)[:, margin : margin + min(size, total - first)]
        columns = np.pad(columns, ((0, 0), (0, -columns.shape[1] % together)))
        parts.append(columns.reshape(len(columns), -1, together).max(axis=2))
    return np.concatenate(parts, axis=1)


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


# How the marks of an annotation are drawn; others are of the whole track.
_VIEWS = {
    "notes": "notes",
    "multipitch": "notes",
    "beats": "events",
    "onsets": "events",
    "chords": "intervals",
    "hierarchy": "intervals",
    "melody": "melody",
}
_WHOLE_TRACK = "track"


def view_of(kind: type[Annotation]) -> str:
    """How the marks of a kind of annotation are drawn: an Excerpt's `kind`."""
    return _VIEWS.get(kind.name, _WHOLE_TRACK)
