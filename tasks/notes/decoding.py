"""From a network's outputs to notes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ricercar.data.annotations.notes import UNKNOWN_VELOCITY, Notes
from ricercar.tasks.shared.frames import tip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS = 500  # notes at a time: bounds the memory


@dataclass(frozen=True)
class Peaks:
    """Local maxima along time, sorted by pitch and then time. All arrays are (n,).

    pitch, frame   where; pitch counts from the lowest output
    height         0 to 1
    time           exact time in frames
    """

    pitch: Ints
    frame: Ints
    height: Floats
    time: Floats

    def __len__(self) -> int:
        return len(self.pitch)

    def above(self, threshold: float) -> "Peaks":
        kept = self.height >= threshold
        return Peaks(self.pitch[kept], self.frame[kept], self.height[kept], self.time[kept])


def find_peaks(logits: NDArray[np.float32], threshold: float, neighbourhood: int, between_frames: bool) -> Peaks:
    """(P, T) -> peaks of at least `threshold` that nothing within `neighbourhood` frames exceeds; of equals the first.

    between_frames: the exact time is the tip of the triangle through the peak and its two neighbours; otherwise it is
    the frame's.
    """
    num_frames = logits.shape[1]
    pitch, frame = np.nonzero(logits >= _logit(threshold))
    height = logits[pitch, frame]
    highest = np.ones(len(pitch), dtype=bool)
    for distance in range(1, neighbourhood + 1):
        highest &= (frame < distance) | (logits[pitch, np.maximum(frame - distance, 0)] < height)
        after = np.minimum(frame + distance, num_frames - 1)
        highest &= (after < frame + distance) | (logits[pitch, after] <= height)
    pitch, frame = pitch[highest], frame[highest]
    height = expit(logits[pitch, frame].astype(np.float64))
    time = frame.astype(np.float64)
    if between_frames:
        inner = np.flatnonzero((frame > 0) & (frame < num_frames - 1))
        before, after = (expit(logits[pitch[inner], frame[inner] + step].astype(np.float64)) for step in (-1, 1))
        time[inner] += tip(before, height[inner], after)
    return Peaks(pitch, frame, height, time)


class NoteDecoder:
    """The notes of one track, for any thresholds from the lowest on. What does not depend on them is done once.

    A note begins at a peak of `onset`, and its velocity is that of the frame with the peak. It ends where most of the
    evidence for an end lies within the tolerance that offsets are scored with, and at the latest where the same pitch
    begins again: see `_ends`.
    """

    def __init__(
        self,
        logits: Mapping[str, NDArray[np.float32]],
        *,
        fps: float,
        lowest_pitch: int,
        between_frames: bool,
        neighbourhood_frames: int,
        lowest_onset_threshold: float,
    ) -> None:
        """logits: {name: (T, P)}; onset, and any of frame, offset and velocity."""
        self.fps = fps
        self.lowest_pitch = lowest_pitch
        self.num_frames = len(logits["onset"])
        self.velocity = logits.get("velocity")
        onset = np.ascontiguousarray(logits["onset"].T)
        self.onsets = find_peaks(onset, lowest_onset_threshold, neighbourhood_frames, between_frames)
        # (P, T + 1) probabilities with one frame more than there are, in which nothing sounds.
        self.frame = _probabilities(logits.get("frame"), onset.shape, 1.0)
        self.offset = _probabilities(logits.get("offset"), onset.shape, 0.0)

    def __call__(self, decoding: Mapping[str, float]) -> Notes:
        """decoding: onset_threshold, survival_exponent, offset_weight, min_duration_s, max_duration_s, and shifts."""
        onsets = self.onsets.above(decoding["onset_threshold"])
        onset_s = np.maximum(onsets.time / self.fps + decoding["onset_shift_s"], 0.0)
        next_s = np.full(len(onset_s), np.inf)
        again = np.flatnonzero(onsets.pitch[:-1] == onsets.pitch[1:])
        next_s[again] = onset_s[again + 1]
        offset_s = self._ends(onsets, decoding) / self.fps + decoding["offset_shift_s"]
        offset_s = np.minimum(np.maximum(offset_s, onset_s + decoding["min_duration_s"]), next_s)
        # As written to a file and read back: to the microsecond.
        onset_s, offset_s = np.round(onset_s, 6), np.round(offset_s, 6)
        # A shift may move two onsets to or before the start of the track: the last one stays.
        kept = offset_s > onset_s
        return Notes.make(
            onset_s=onset_s[kept],
            offset_s=offset_s[kept],
            pitch=onsets.pitch[kept] + self.lowest_pitch,
            velocity=self._velocities(onsets)[kept],
        )

    def _ends(self, onsets: Peaks, decoding: Mapping[str, float]) -> Floats:
        """-> (n,) time in frames.

        The survival S(t) of a note is the running minimum of `frame` since its onset, to the power survival_exponent:
        how sure it is that the note has not ended. The end is the t that maximises
        S(t - w) - S(t + w) + offset_weight * offset(t), where w = max(20 ms, a tenth of the duration) is half the
        tolerance of an offset: a frame output that fades over half a second ends in the middle of its fall, rather
        than where it crosses some threshold.
        """
        limit = np.full(len(onsets.frame), self.num_frames)
        again = np.flatnonzero(onsets.pitch[:-1] == onsets.pitch[1:])
        limit[again] = onsets.frame[again + 1]
        longest = max(2, round(decoding["max_duration_s"] * self.fps))
        limit = np.minimum(limit, onsets.frame + longest)
        ends = np.zeros(len(limit))
        by_length = np.argsort(limit - onsets.frame)
        for rows in np.array_split(by_length, max(1, len(limit) // _ROWS)):
            if len(rows):
                ends[rows] = self._some_ends(onsets.pitch[rows], onsets.frame[rows], limit[rows], decoding)
        return ends

    def _some_ends(self, pitch: Ints, first: Ints, limit: Ints, decoding: Mapping[str, float]) -> Floats:
        num_frames = int((limit - first).max()) + 1
        since = np.arange(num_frames)
        frame = first[:, None] + since
        inside = frame < limit[:, None]
        sounding = self.frame[pitch[:, None], np.minimum(frame, self.num_frames)] * inside
        sounding[:, :3] = sounding[:, :3].max(axis=1, keepdims=True)  # the attack is loud, and not yet a tone
        survival = np.minimum.accumulate(sounding, axis=1) ** decoding["survival_exponent"]
        half = np.maximum(0.02 * self.fps, 0.1 * since)
        evidence = _at(survival, since - half, 1.0) - _at(survival, since + half, 0.0)
        evidence += decoding["offset_weight"] * self.offset[pitch[:, None], np.minimum(frame, self.num_frames)] * inside
        wait = max(1, int(np.ceil(decoding["min_duration_s"] * self.fps - 1e-6)))
        evidence[frame > limit[:, None]] = -1.0
        # A note that the next or the track's end cuts shorter than that ends there.
        evidence[since < np.minimum(wait, limit - first)[:, None]] = -1.0
        row = np.arange(len(first))
        best = evidence.argmax(axis=1)
        # Of several equally good times the one in the middle; between frames by the triangle, as for onsets.
        top = evidence[row, best]
        last = num_frames - 1 - (evidence[:, ::-1] >= top[:, None] - 1e-6).argmax(axis=1)
        before = evidence[row, np.maximum(best - 1, 0)]
        after = evidence[row, np.minimum(last + 1, num_frames - 1)]
        inner = (best > wait) & (last < limit - first) & (best == last)
        part = np.where(inner, tip(before, top, after), 0.0)
        time: Floats = first + (best + last) / 2 + part
        return time

    def _velocities(self, onsets: Peaks) -> Ints:
        if self.velocity is None:
            return np.full(len(onsets.pitch), UNKNOWN_VELOCITY)
        values = expit(self.velocity[onsets.frame, onsets.pitch].astype(np.float64))
        velocities: Ints = np.clip(np.rint(values * 127.0), 1, 127).astype(np.int64)
        return velocities


def _at(values: Floats, place: Floats, before: float) -> Floats:
    """(n, T), (T,) fractional places -> (n, T) values there; `before` ahead of the first, 0 after the last."""
    place = np.clip(place, -1.0, values.shape[1])
    lower = np.floor(place).astype(np.int64)
    padded = np.pad(values, ((0, 0), (1, 2)))
    padded[:, 0] = before
    share = place - lower
    mixed: Floats = padded[:, lower + 1] * (1 - share) + padded[:, lower + 2] * share
    return mixed


def _probabilities(logits: NDArray[np.float32] | None, shape: tuple[int, int], missing: float) -> Floats:
    """(T, P) logits -> (P, T + 1) probabilities, 0 in the last frame; all `missing` where there is no such output."""
    found = np.zeros((shape[0], shape[1] + 1))
    found[:, :-1] = missing if logits is None else expit(logits.T.astype(np.float64))
    return found


def _logit(probability: float) -> np.float32:
    return np.float32(logit(probability))
