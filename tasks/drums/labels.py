"""The classes that labels of drums count as."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import DRUM_LABELS, Onsets, drum_label
from ricercar.errors import InputError
from ricercar.tasks.shared.onset_scoring import merged

Floats = NDArray[np.float64]


class DrumLabels:
    """Sorts labelled onsets into classes.

    classes    {class: labels that count as it}; a class's own name always does. None: there is no such class
    ignored    labels of onsets that are left out
    All of DRUM_LABELS must be in a class or ignored, so that it is known what becomes of MIDI's drums.
    """

    def __init__(self, classes: Mapping[str, Sequence[str] | None], ignored: Sequence[str]) -> None:
        kept = {str(name): labels for name, labels in classes.items() if labels is not None}
        if not kept:
            raise InputError("task.classes is empty: name at least one class of drums and its labels.")
        found: dict[str, list[str]] = {}
        for name, labels in kept.items():
            if isinstance(labels, str):
                raise InputError(f"task.classes.{name}={labels!r}: must be a list of labels, such as [{labels}].")
            for label in dict.fromkeys([str(name), *map(str, labels)]):
                found.setdefault(label, []).append(str(name))
        for label in map(str, ignored):
            found.setdefault(label, []).append("task.ignored")
        for label, places in found.items():
            if len(places) > 1:
                raise InputError(f"task.classes: the label {label!r} is in {' and in '.join(places)}. Keep one.")
        missing = [label for label in DRUM_LABELS if label not in found]
        if missing:
            raise InputError(
                f"task.classes: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} in no class. "
                "Put them into the labels of a class, or into task.ignored."
            )
        self.classes = {str(name): sorted({str(name), *map(str, labels)}) for name, labels in kept.items()}
        self.ignored = sorted(map(str, ignored))
        self.names = tuple(self.classes)
        self._column = {label: self.names.index(places[0]) for label, places in found.items() if places[0] in kept}
        self._column |= {str(label): -1 for label in ignored}

    def times(self, onsets: Onsets) -> list[Floats]:
        """-> the sorted times of each class. InputError names a label that is in no class."""
        if unknown := set(onsets.label) - set(self._column):
            row = next(row for row, label in enumerate(onsets.label) if label in unknown)
            label = onsets.label[row]
            called = f"has the label {label!r}, which is in no class" if label else "has no label"
            raise InputError(
                f"the onset at {onsets.time_s[row]:g} s {called}. Labels of drums: {', '.join(self._column)}. "
                "Put others into task.classes, or into task.ignored."
            )
        column = np.array([self._column[label] for label in onsets.label], dtype=np.int64)
        return [onsets.time_s[column == number] for number in range(len(self.names))]

    def onsets(self, times_s: Sequence[Floats]) -> Onsets:
        """The onsets with these times of each class."""
        label = [name for name, time_s in zip(self.names, times_s, strict=True) for _ in time_s]
        return Onsets(time_s=np.concatenate(list(times_s)), label=tuple(label))

    def merged(self, onsets: Onsets, merge_s: float) -> Onsets:
        """Sorted into classes, and in each without those at most merge_s after the last one that stays."""
        return self.onsets([merged(time_s, merge_s) for time_s in self.times(onsets)])


def drums_of(notes: Notes) -> Onsets:
    """The onsets of percussion (program 128), with their labels."""
    chosen = notes.program == DRUMS
    return Onsets(time_s=notes.onset_s[chosen], label=tuple(map(drum_label, notes.semitone[chosen].tolist())))
