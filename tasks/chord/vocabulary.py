"""Which chords a network can tell apart: the classes of a label, and the label of a class."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.key import spelling_of
from ricercar.errors import InputError
from ricercar.models.head import Output

NO_CHORD = "N"
MAJMIN = ("maj", "min")
NOWHERE = -1  # the class of what the vocabulary cannot hold

_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7")
_TRIAD = 8  # semitones that mir_eval compares where sevenths and sixths do not matter

Floats = NDArray[np.float64]


class ChordVocabulary(ABC):
    """A state is a chord without its bass; the last is N.

    softmaxes   {name: {output: its part of the softmax's classes, one after the other}}. Pitch classes are outputs of
                their own, for networks that treat all of them alike
    """

    softmaxes: dict[str, dict[str, Output]]

    def size(self, name: str) -> int:
        """Number of classes of a softmax."""
        return sum(output.size for output in self.softmaxes[name].values())

    @abstractmethod
    def classes(self, label: str) -> dict[str, int]:
        """{softmax: class of a label}, NOWHERE where there is none."""

    @abstractmethod
    def state_log_probs(self, log_probs: Mapping[str, Floats]) -> Floats:
        """{softmax: (T, K)} -> (T, number of states)."""

    @abstractmethod
    def label(self, state: int) -> str:
        """A state in Harte's syntax, in root position."""

    def bass_notes(self, state: int) -> dict[str, int]:
        """{label of the state over this bass: class of the softmax `bass`}; empty where there is none for the bass."""
        return {}


class MajMin(ChordVocabulary):
    """C to B major, C to B minor, N. As mir_eval's majmin does, C:7, C:maj7 and C:maj6 are held as C:maj."""

    def __init__(self) -> None:
        self.softmaxes = {"chord": {"chord": Output(size=24, pitch_classes=True), "none": Output(size=1)}}
        self._triads = [tuple(mir_eval.chord.QUALITIES[quality][:_TRIAD]) for quality in MAJMIN]

    def classes(self, label: str) -> dict[str, int]:
        if label == NO_CHORD:
            return {"chord": 24}
        root, semitones, _ = mir_eval.chord.encode(label)
        triad = tuple(semitones[:_TRIAD].tolist())
        return {"chord": 12 * self._triads.index(triad) + root if triad in self._triads else NOWHERE}

    def state_log_probs(self, log_probs: Mapping[str, Floats]) -> Floats:
        return log_probs["chord"]

    def label(self, state: int) -> str:
        quality, root = divmod(state, 12)
        return NO_CHORD if state == 24 else f"{spelling_of(root)}:{MAJMIN[quality]}"


class Structured(ChordVocabulary):
    """Root (C to B, N), quality, and bass (C to B), as in McFee and Bello 2017.

    A chord's quality is held where it has the very notes of one of `qualities`, C:maj/b7 as C:7 for example. Root and
    bass of any other chord are held all the same; N has neither quality nor bass.
    """

    def __init__(self, qualities: Sequence[str]) -> None:
        self.qualities = tuple(qualities)
        self._notes = [tuple(mir_eval.chord.QUALITIES.get(quality, ())) for quality in self.qualities]
        for number, (quality, notes) in enumerate(zip(self.qualities, self._notes, strict=True)):
            if Chords.problem_with_label(f"C:{quality}"):
                raise InputError(f"task.qualities: {Chords.problem_with_label(f'C:{quality}')}")
            if notes in self._notes[:number]:
                twin = self.qualities[self._notes.index(notes)]
                raise InputError(f"task.qualities: {quality} has the same notes as {twin}: leave one out.")
        if not self.qualities:
            raise InputError("task.qualities is empty: name one at least, such as maj.")
        self.softmaxes = {
            "root": {"root": Output(size=12, pitch_classes=True), "none": Output(size=1)},
            "quality": {"quality": Output(size=len(self.qualities))},
            "bass": {"bass": Output(size=12, pitch_classes=True)},
        }

    def classes(self, label: str) -> dict[str, int]:
        if label == NO_CHORD:
            return {"root": 12, "quality": NOWHERE, "bass": NOWHERE}
        root, semitones, bass = mir_eval.chord.encode(label)
        if root < 0:  # X
            return dict.fromkeys(self.softmaxes, NOWHERE)
        notes = tuple(semitones.tolist())
        quality = self._notes.index(notes) if notes in self._notes else NOWHERE
        return {"root": root, "quality": quality, "bass": (root + bass) % 12}

    def state_log_probs(self, log_probs: Mapping[str, Floats]) -> Floats:
        """Root x quality, C with each quality first; root and quality are taken as independent."""
        root, quality = log_probs["root"], log_probs["quality"]
        chords = (root[:, :12, None] + quality[:, None, :]).reshape(len(root), -1)
        return np.concatenate([chords, root[:, 12:]], axis=1)

    def label(self, state: int) -> str:
        root, quality = divmod(state, len(self.qualities))
        return NO_CHORD if root == 12 else f"{spelling_of(root)}:{self.qualities[quality]}"

    def bass_notes(self, state: int) -> dict[str, int]:
        """Only notes of the chord can be its bass."""
        root, quality = divmod(state, len(self.qualities))
        if root == 12:
            return {}
        label = self.label(state)
        return {
            label + self._over(quality, semitones): (root + semitones) % 12
            for semitones, sounds in enumerate(self._notes[quality])
            if sounds
        }

    def _over(self, quality: int, semitones: int) -> str:
        if semitones == 0:
            return ""
        return "/bb7" if (self.qualities[quality], semitones) == ("dim7", 9) else f"/{_DEGREES[semitones]}"
