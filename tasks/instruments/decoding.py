"""From a network's outputs to notes with instruments."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.notes.decoding import Floats, NoteDecoder, Peaks, find_peaks

DRUM_S = 0.05  # a drum's sound has no end worth writing down
_NEIGHBOURHOOD = "neighbourhood_frames"


class InstrumentDecoder:
    """{name: (T, K)} logits of one track -> notes.

    classes   {name: program of its estimates}, with outputs onset_<name> and frame_<name>
    drums     MIDI numbers of the output `drums`; there may be none
    Each class is decoded as notes are, with a threshold of its own. The threshold of what is called `name` is
    decoding["threshold/<name>"]; that of all drums is of the name "drums".
    """

    def __init__(self, *, classes: Mapping[str, int], drums: Sequence[int], lowest_pitch: int) -> None:
        self.classes = dict(classes)
        self.drums = np.array(drums, dtype=np.int64)
        self.lowest_pitch = lowest_pitch
        self.names = [*classes, *(["drums"] if len(self.drums) else [])]

    def __call__(self, logits: Mapping[str, NDArray[np.float32]], fps: float, decoding: Mapping[str, float]) -> Notes:
        parts = []
        for name, program in self.classes.items():
            threshold = decoding[f"threshold/{name}"]
            decoder = NoteDecoder(
                {"onset": logits[f"onset_{name}"], "frame": logits[f"frame_{name}"]},
                fps=fps,
                lowest_pitch=self.lowest_pitch,
                between_frames=True,
                neighbourhood_frames=int(decoding[_NEIGHBOURHOOD]),
                lowest_onset_threshold=threshold,
            )
            notes = decoder({**decoding, "onset_threshold": threshold, "offset_weight": 0.0, "offset_shift_s": 0.0})
            parts.append((notes.onset_s, notes.offset_s, notes.pitch, np.full(len(notes), program)))
        if len(self.drums):
            peaks = self.peaks("drums", logits, decoding["threshold/drums"], decoding)
            onset_s = self.onset_s(peaks, fps, decoding)
            offset_s = np.round(onset_s + DRUM_S, 6)
            parts.append((onset_s, offset_s, self.pitch("drums", peaks), np.full(len(peaks), DRUMS)))
        onset_s, offset_s, pitch, program_of = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Notes.make(onset_s=onset_s, offset_s=offset_s, pitch=pitch, program=program_of)

    def peaks(
        self, name: str, logits: Mapping[str, NDArray[np.float32]], threshold: float, decoding: Mapping[str, float]
    ) -> Peaks:
        output = logits["drums" if name == "drums" else f"onset_{name}"]
        return find_peaks(np.ascontiguousarray(output.T), threshold, int(decoding[_NEIGHBOURHOOD]), True)

    def onset_s(self, peaks: Peaks, fps: float, decoding: Mapping[str, float]) -> NDArray[np.float64]:
        """As written to a file and read back: to the microsecond."""
        onset_s = np.maximum(peaks.time / fps + decoding["onset_shift_s"], 0.0)
        return np.asarray(np.round(onset_s, 6), dtype=np.float64)

    def pitch(self, name: str, peaks: Peaks) -> Floats:
        found: Floats = (self.drums[peaks.pitch] if name == "drums" else peaks.pitch + self.lowest_pitch).astype(
            np.float64
        )
        return found

    def program(self, name: str) -> int:
        return DRUMS if name == "drums" else self.classes[name]
