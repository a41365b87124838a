"""From a network's outputs to beats."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.special import expit, log_expit, logit

from ricercar.checks import check_between, check_positive, check_whole
from ricercar.data.annotations.beats import Beats
from ricercar.errors import InputError
from ricercar.tasks.beat.tracking import Tracker
from ricercar.tasks.shared.frames import tip
from ricercar.tasks.shared.options import check_names

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LIMITS = {
    "threshold": (0.001, 0.999),
    "downbeat_threshold": (0.001, 0.999),
    "tempo_inertia": (0, 1000),
    "shift_s": (-1, 1),
}
_LIMIT = 8.0  # of a log odds: what one frame can say
_LEAST_SHARE = 0.02  # of downbeats among beats, and of others, that one frame can say


def decode_by_peaks(
    beat: Floats, downbeat: Floats, *, fps: float, neighbourhood_frames: int, decoding: Mapping[str, float]
) -> Beats:
    """(T,) logits twice -> beats at peaks of at least `threshold`, as in Beat This (Foscarin et al. 2024).

    A peak is the highest within neighbourhood_frames; of equals the first. A beat is a downbeat where a peak of the
    downbeats of at least downbeat_threshold is as near. Beats are counted from the last downbeat.
    """
    beats, downbeats = (
        frames[values[frames] >= logit(threshold)]
        for values, threshold in ((beat, decoding["threshold"]), (downbeat, decoding["downbeat_threshold"]))
        for frames in [peaks(values, neighbourhood_frames)]
    )
    first = np.zeros(len(beats), dtype=bool)
    if len(beats) and len(downbeats):
        nearest = np.searchsorted((beats[:-1] + beats[1:]) / 2, downbeats, side="right")
        near = np.abs(beats[nearest] - downbeats) <= neighbourhood_frames
        first[nearest[near]] = True
    return timed(exact_times(beat, beats), counted(first), fps, decoding["shift_s"])


class TrackingDecoder:
    """(T,) logits twice -> the most probable beats and bars, by beat_tracking.

    min_bpm, max_bpm      tempo range
    beats_per_bar         the bars that are known
    metre_change_cost     in log odds, as are
    pause_cost            the costs that beat_tracking describes
    tolerance_frames      a beat may be as far from its peak before the peak is looked up
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        names = ("min_bpm", "max_bpm", "beats_per_bar", "metre_change_cost", "pause_cost", "tolerance_frames")
        check_names("task.tracking", options, names)
        check_positive(**{"task.tracking.min_bpm": options["min_bpm"], "task.tracking.max_bpm": options["max_bpm"]})
        if options["min_bpm"] > options["max_bpm"]:
            raise InputError(
                f"task.tracking.min_bpm={options['min_bpm']} is above task.tracking.max_bpm={options['max_bpm']}."
            )
        bars = options["beats_per_bar"]
        if not isinstance(bars, Sequence) or not bars or len(set(bars)) < len(bars):
            raise InputError(f"task.tracking.beats_per_bar={bars!r}: give different whole numbers, such as [3, 4].")
        check_whole(**{f"task.tracking.beats_per_bar[{i}]": beats for i, beats in enumerate(bars)})
        for name in ("metre_change_cost", "pause_cost"):
            check_between(0, float("inf"), **{f"task.tracking.{name}": options[name]})
        check_whole(0, **{"task.tracking.tolerance_frames": options["tolerance_frames"]})
        self.options = dict(options)

    def __call__(self, beat: Floats, downbeat: Floats | None, *, fps: float, decoding: Mapping[str, float]) -> Beats:
        """decoding: tempo_inertia; threshold, where the odds of a beat are even; with downbeats, downbeat_threshold.

        Without downbeats, and where all bars have one beat, positions are unknown. decoding["shift_s"] may be left out.
        """
        tracker = Tracker(
            shortest=max(2, round(60.0 * fps / self.options["max_bpm"])),
            longest=max(2, round(60.0 * fps / self.options["min_bpm"])),
            beats_per_bar=self.options["beats_per_bar"] if downbeat is not None else [1],
            tempo_inertia=decoding["tempo_inertia"],
            metre_change_cost=self.options["metre_change_cost"],
            pause_cost=self.options["pause_cost"],
        )
        evidence = np.repeat(np.clip(beat - logit(decoding["threshold"]), -_LIMIT, _LIMIT)[:, None], 2, axis=1)
        has_bars = tracker.num_states > 1
        if has_bars:
            assert downbeat is not None
            share = np.clip(expit(downbeat) / np.maximum(expit(beat), 1e-9), _LEAST_SHARE, 1.0 - _LEAST_SHARE)
            odds = logit(share) - logit(decoding["downbeat_threshold"])
            evidence += np.stack([log_expit(-odds), log_expit(odds)], axis=1)
        tolerance = self.options["tolerance_frames"]
        frames, position = tracker(maximum_filter1d(evidence, 2 * tolerance + 1, axis=0, mode="nearest"))
        reach = min(tolerance + 1, (int(tracker.intervals[0]) - 1) // 2)  # so that no two beats find one peak
        time = exact_times(beat, nearby_peaks(beat, frames, reach))
        return timed(time, position if has_bars else np.zeros_like(position), fps, decoding.get("shift_s", 0.0))


def peaks(values: Floats, neighbourhood: int) -> Ints:
    """(T,) -> frames with the highest value within `neighbourhood` frames; of equals the first, of constants none."""
    highest = values == maximum_filter1d(values, 2 * neighbourhood + 1, mode="nearest")
    highest[1:] &= values[1:] > values[:-1]
    frames = np.flatnonzero(highest)
    if len(frames) and frames[0] == 0 and (values[: neighbourhood + 1] == values[0]).all():
        frames = frames[1:]
    apart = np.diff(frames, prepend=-neighbourhood - 1) > neighbourhood
    return frames[apart]


def nearby_peaks(values: Floats, frames: Ints, reach: int) -> Ints:
    """The frame of the highest value within `reach` of each frame where that is a peak, else the frame itself."""
    around = np.clip(frames[:, None] + np.arange(-reach, reach + 1), 0, len(values) - 1)
    row = np.arange(len(frames))
    found = around[row, values[around].argmax(axis=1)]
    before, after = values[np.maximum(found - 1, 0)], values[np.minimum(found + 1, len(values) - 1)]
    is_peak = (values[found] >= np.maximum(before, after)) & (values[found] > np.minimum(before, after))
    return np.where(is_peak, found, frames)


def exact_times(logits: Floats, frames: Ints) -> Floats:
    """Peaks at whole frames -> exact times in frames, at the tip of the triangle through a peak and its neighbours."""
    time = frames.astype(np.float64)
    inner = np.flatnonzero((frames > 0) & (frames < len(logits) - 1))
    before, at, after = (expit(logits[frames[inner] + step]) for step in (-1, 0, 1))
    time[inner] += np.where(at >= np.maximum(before, after), tip(before, at, after), 0.0)
    return time


def counted(downbeat: Bools) -> Ints:
    """Which beats are downbeats -> positions in the bar; 0 before the first downbeat, from 2 on where there is none."""
    index = np.arange(len(downbeat))
    if not downbeat.any():
        return index + 2  # said to be no downbeats, which is not the same as unknown
    last = np.maximum.accumulate(np.where(downbeat, index, -1))
    return np.where(last >= 0, index - last + 1, 0)


def timed(time: Floats, position: Ints, fps: float, shift_s: float) -> Beats:
    """Times in frames -> beats, to the microsecond, as they are written to a file and read back."""
    time_s = np.round(np.maximum(time / fps + shift_s, 0.0), 6)
    # A shift may move several beats to the start of the track: the last one stays.
    kept = np.append(np.diff(time_s) > 0, True)[: len(time_s)]
    return Beats(time_s=time_s[kept], position=np.minimum(position[kept], 10_000))
