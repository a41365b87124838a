"""What a network should say about the notes of a window."""

import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_whole
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError

KINDS = ("regression", "binary")


class NoteTargets:
    """Notes -> {onset, frame, offset, velocity: (T, P) float32 in [0, 1]}, without drums and notes of other pitches.

    kind regression   onset and offset: max(0, 1 - |dt| / J) around the exact time, dt in frames, J = half_width_frames
                      (Kong et al. 2021, High-resolution piano transcription, equation 1)
    kind binary       onset: 1 in `label_frames` frames from the one nearest to the onset; offset: 1 in as many up to
                      the one nearest to the offset (Hawthorne et al. 2018, Onsets and Frames)

    frame     1 from the frame nearest to the onset to the last one before the offset; each note has at least one
    velocity  velocity / 127 where the onset target is above 0; where two notes meet, that of the nearer one
    """

    def __init__(
        self, *, kind: str, half_width_frames: float, label_frames: int, lowest_pitch: int, num_pitches: int
    ) -> None:
        if kind not in KINDS:
            raise InputError(f"task.targets={kind!r} is not known: choose one of {', '.join(KINDS)}.")
        if not half_width_frames >= 1.5:
            raise InputError(
                f"task.half_width_frames={half_width_frames} is too narrow: give 1.5 or more, "
                "so that a peak has a neighbour on both sides to find its exact time from."
            )
        check_whole(**{"task.label_frames": label_frames})
        self.kind = kind
        self.half_width = half_width_frames
        self.label_frames = label_frames
        self.lowest_pitch = lowest_pitch
        self.num_pitches = num_pitches
        # How far, in frames, a label reaches to either side of its event.
        self.reach = int(np.ceil(half_width_frames)) if kind == "regression" else label_frames

    def __call__(
        self, notes: Notes, offset_s: NDArray[np.float64], start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """`notes` may be all of the track or those near the window; offset_s (len(notes),) are the offsets to use."""
        pitch = notes.pitch - self.lowest_pitch
        kept = (pitch >= 0) & (pitch < self.num_pitches) & (notes.program != DRUMS)
        pitch = pitch[kept]
        # To 1e-6 frames, so that a time on the frame grid falls on the same side in every window.
        onset = np.round((notes.onset_s[kept] - start_s) * fps, 6)
        offset = np.round((offset_s[kept] - start_s) * fps, 6)
        shape = (num_frames, self.num_pitches)
        onset_target, velocity = self._peaks(onset, pitch, notes.velocity[kept] / 127.0, shape, ahead=0)
        offset_target, _ = self._peaks(offset, pitch, np.ones(len(pitch)), shape, ahead=self.label_frames - 1)
        return {
            "onset": onset_target,
            "frame": _sounding(onset, offset, pitch, shape),
            "offset": offset_target,
            "velocity": velocity,
        }

    def _peaks(
        self,
        time: NDArray[np.float64],
        pitch: NDArray[np.int64],
        amount: NDArray[np.float64],
        shape: tuple[int, int],
        ahead: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Events at `time` (frames) -> (T, P) labels, and (T, P) `amount` of the nearest event under each label."""
        if self.kind == "regression":
            frame = np.floor(time).astype(np.int64)[:, None] + np.arange(1 - self.reach, self.reach + 1)
            height = 1.0 - np.abs(frame - time[:, None]) / self.half_width
        else:
            frame = _nearest(time)[:, None] + np.arange(-ahead, self.label_frames - ahead)
            height = np.ones(frame.shape)
        inside = (height > 0) & (frame >= 0) & (frame < shape[0])
        event, _ = np.nonzero(inside)
        frame, height = frame[inside], height[inside]
        # numpy keeps the last of several values for one cell: lowest first, so that the highest stays.
        order = np.argsort(height, kind="stable")
        cells = frame[order], pitch[event[order]]
        label, amounts = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        label[cells] = height[order]
        amounts[cells] = amount[event[order]]
        return label, amounts


def _nearest(time: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(time + 0.5).astype(np.int64)


def _sounding(
    onset: NDArray[np.float64], offset: NDArray[np.float64], pitch: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """-> (T, P): 1 between the frames of onset and offset, by the running sum of +1 and -1."""
    first = _nearest(onset)
    end = np.maximum(np.ceil(offset).astype(np.int64), first + 1)
    steps = np.zeros((shape[0] + 1, shape[1]), dtype=np.int32)
    np.add.at(steps, (np.clip(first, 0, shape[0]), pitch), 1)
    np.add.at(steps, (np.clip(end, 0, shape[0]), pitch), -1)
    return (np.cumsum(steps[:-1], axis=0) > 0).astype(np.float32)
