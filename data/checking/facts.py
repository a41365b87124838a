"""What can be counted in an annotation of any kind."""

from collections.abc import Sized
from functools import singledispatch

import numpy as np

from ricercar.data.annotations.alignment import Alignment
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.intervals import Intervals
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.tags import Tags


def num_events(annotation: Annotation) -> int:
    """Notes, beats, chords ...; 1 for a value of the whole track."""
    if isinstance(annotation, Tags):
        return len(annotation.present)
    return len(annotation) if isinstance(annotation, Sized) else 1


@singledispatch
def annotated_s(annotation: Annotation) -> float | None:
    """Seconds that it labels; None for events without a duration, and where it makes no sense to add them up."""
    return None


@annotated_s.register
def _(annotation: Intervals) -> float | None:
    return float(np.sum(annotation.end_s - annotation.start_s))


@annotated_s.register
def _(annotation: Hierarchy) -> float | None:
    return annotated_s(annotation.levels[0])


@annotated_s.register
def _(annotation: Melody) -> float | None:
    """Those with a melody: a frame lasts until the next one."""
    if len(annotation) < 2:
        return 0.0
    steps_s = np.diff(annotation.time_s)
    return float(np.sum(np.append(steps_s, np.median(steps_s))[annotation.frequency_hz > 0]))


@singledispatch
def end_s(annotation: Annotation) -> float | None:
    """When the last event ends (or comes, where events have no duration); None where there is no such time."""
    return None


@end_s.register
def _(annotation: Notes) -> float | None:
    """When the last key is released: sound that a pedal holds may outlast the recording."""
    return float(annotation.offset_s.max()) if len(annotation) else None


@end_s.register(Beats)
@end_s.register(Onsets)
@end_s.register(Alignment)
def _(annotation: Beats | Onsets | Alignment) -> float | None:
    return float(annotation.time_s[-1]) if len(annotation) else None


@end_s.register
def _(annotation: Intervals) -> float | None:
    return float(annotation.end_s[-1]) if len(annotation) else None


@end_s.register
def _(annotation: Hierarchy) -> float | None:
    return annotation.end_s


@end_s.register
def _(annotation: Melody) -> float | None:
    """Frames without a melody may go on."""
    voiced_s = annotation.time_s[annotation.frequency_hz > 0]
    return float(voiced_s[-1]) if len(voiced_s) else None


@end_s.register
def _(annotation: Multipitch) -> float | None:
    sounding_s = annotation.time_s[annotation.count > 0]
    return float(sounding_s[-1]) if len(sounding_s) else None
