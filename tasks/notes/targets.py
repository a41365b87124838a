"""What a network should say about the notes of a window."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.shared.frames import check_targets, in_frames, span_cells, triangles


class NoteTargets:
    """Notes -> {onset, frame, offset, velocity: (T, P) float32 in [0, 1]}, without drums and notes of other pitches;
    a pitch is that of the nearest semitone.

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
        check_targets(kind, half_width_frames, label_frames)
        self.kind = kind
        self.half_width = half_width_frames
        self.label_frames = label_frames
        self.lowest_pitch = lowest_pitch
        self.num_pitches = num_pitches
        self.reach = int(np.ceil(half_width_frames)) if kind == "regression" else label_frames

    def __call__(
        self, notes: Notes, offset_s: NDArray[np.float64], start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """`notes` may be all of the track or those near the window; offset_s (len(notes),) are the offsets to use."""
        pitch = notes.semitone - self.lowest_pitch
        kept = (pitch >= 0) & (pitch < self.num_pitches) & (notes.program != DRUMS)
        pitch = pitch[kept]
        time = in_frames(np.array([notes.onset_s[kept], offset_s[kept]]), start_s, fps)
        cells, height, note = self._labels(time, pitch, num_frames)
        labels = np.zeros((2, num_frames, self.num_pitches), dtype=np.float32)
        np.maximum.at(labels.reshape(-1), cells, height)
        frame, velocity = (np.zeros((num_frames, self.num_pitches), dtype=np.float32) for _ in range(2))
        frame.reshape(-1)[self._sounding(time, pitch, num_frames)] = 1.0
        nearest = (cells < velocity.size) & (labels.reshape(-1)[cells] == height)
        velocity.reshape(-1)[cells[nearest]] = notes.velocity[kept][note[nearest]] / 127.0
        return {"onset": labels[0], "frame": frame, "offset": labels[1], "velocity": velocity}

    def _labels(
        self, time: NDArray[np.float64], pitch: NDArray[np.int64], num_frames: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """(2, n) onsets and offsets in frames -> of each labelled cell: place in (2, T, P), height, and its note."""
        if self.kind == "regression":
            frame, height = triangles(time, self.half_width)
        else:  # from the nearest frame to the onset on, and up to the one nearest to the offset
            around = np.stack([np.arange(self.label_frames + 0.0), np.arange(1.0 - self.label_frames, 1.0)])
            frame = np.floor(time + 0.5)[..., None] + around[:, None]
            height = np.ones(frame.shape)
        inside = np.flatnonzero((height > 0) & (frame >= 0) & (frame < num_frames))
        column = pitch + np.array([[0], [num_frames * self.num_pitches]])
        cells = (frame * self.num_pitches + column[..., None]).ravel()[inside].astype(np.int64)
        return cells, height.ravel()[inside].astype(np.float32), inside // frame.shape[2] % len(pitch)

    def _sounding(self, time: NDArray[np.float64], pitch: NDArray[np.int64], num_frames: int) -> NDArray[np.int64]:
        """-> the places in (T, P) between the frames of onset and offset."""
        first = np.floor(time[0] + 0.5)
        end = np.maximum(np.ceil(time[1]), first + 1)
        first, end = (np.minimum(np.maximum(each, 0), num_frames).astype(np.int64) for each in (first, end))
        return span_cells(first, end, pitch, self.num_pitches)
