"""Excerpts of tracks: their sound, and what each system got right and wrong in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ricercar.comparison import sound
from ricercar.comparison.board import Board
from ricercar.comparison.excerpt import cut, worst_start
from ricercar.comparison.sources import Sources, sources_of
from ricercar.errors import InputError
from ricercar.tasks.marks import Mark

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
_WHOLE_TRACK = "clip"


@dataclass(frozen=True)
class Clip:
    """An excerpt of one track. All times count from the start of the track.

    audio         data: URI of an MP3 of the excerpt, mono; None where it is not to be had
    spectrogram   data: URI of a greyscale image, white is loud; None as above
    pitch_low, pitch_high   MIDI numbers at the image's lower and upper edge; its rows are equally far apart in pitch
    kind          how marks are drawn: notes, events, intervals, melody, or clip, where they are of the whole track
    estimates     {key of a system: its marks}, where its predictions are to be had
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
    missing: str


def clips(
    board: Board, track_ids: Sequence[str], seconds: float, cache_dir: Path, data_root: str | None = None
) -> dict[str, Clip]:
    """{track id: the excerpt of at most `seconds` in which the board's systems err most}.

    cache_dir: where decoded audio is kept. data_root: where the data lies now; None: as the runs had it.
    """
    lengths = {track.id: track.seconds for track in board.tracks}
    try:
        sources = sources_of(board, cache_dir, data_root)
    except InputError as error:
        missing = f"Neither sound nor reference: {error}"
        return {each: _empty_clip(each, min(seconds, lengths[each]), missing) for each in track_ids}
    return {each: _clip(board, sources, each, lengths[each], seconds) for each in track_ids}


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


def _clip(board: Board, sources: Sources, track_id: str, length_s: float, seconds: float) -> Clip:
    track, missing = sources.tracks[track_id], []
    reference = sources.reference(track)
    estimates, without = {}, []
    for system in board.systems:
        try:
            estimate = sources.estimate(system, track)
            if estimate is None:
                without.append(system.name)
            else:
                estimates[system.key] = sources.scoring.marks(reference, estimate)
        except InputError as error:
            missing.append(f"The prediction of {system.name} cannot be read: {error}")
    if without:
        missing.append(f"No predictions beside the results of: {', '.join(without)}.")
    start_s = worst_start([mark for marks in estimates.values() for mark in marks], length_s, seconds)
    end_s = min(start_s + seconds, length_s)
    audio = image = None
    low = high = 0.0
    try:
        rate = sources.store.sample_rate
        samples = sources.store.read(track, round(start_s * rate), round((end_s - start_s) * rate)) / 32768.0
        audio, (image, low, high) = sound.mp3(samples, rate), sound.spectrogram(samples, rate)
    except InputError as error:
        missing.append(f"No sound: {error}")
    return Clip(
        id=track_id,
        start_s=start_s,
        end_s=end_s,
        audio=audio,
        spectrogram=image,
        pitch_low=low,
        pitch_high=high,
        kind=_VIEWS.get(sources.scoring.annotation.name, _WHOLE_TRACK),
        reference=cut(sources.scoring.reference_marks(reference), start_s, end_s),
        estimates={key: cut(marks, start_s, end_s) for key, marks in estimates.items()},
        missing=" ".join(missing),
    )


def _empty_clip(track_id: str, end_s: float, missing: str) -> Clip:
    return Clip(track_id, 0.0, end_s, None, None, 0.0, 0.0, _WHOLE_TRACK, [], {}, missing)
