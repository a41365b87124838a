"""Values in an annotation that are allowed, and hardly ever meant."""

from collections.abc import Iterator
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ricercar.data.annotations.alignment import Alignment
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.formats.rows import is_number
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.checking.facts import end_s, num_events

Oddity = tuple[str, str]  # what it is, and the value and place in this track

_PAST_END_S = 0.1
_SAME_S = 0.001
_SHORT_NOTE_S, _LONG_NOTE_S = 0.005, 60.0
_FEW_NOTES = 10
_LONG_BAR = 32
_BPM = (20.0, 400.0)
_HZ = (30.0, 5000.0)
_GAP, _CROWD = 2.5, 0.4  # of the beats around
_X_SHARE = 0.1
_LABEL_GAP_S = 0.01


def oddities(name: str, annotation: Annotation, duration_s: float) -> Iterator[Oddity]:
    """Of one annotation of a track that lasts `duration_s`."""
    last_s = end_s(annotation)
    if last_s is not None and last_s > duration_s + _PAST_END_S:
        yield f"{name} that go on after the audio", f"until {last_s:.2f} s, the audio ends at {duration_s:.2f} s"
    if num_events(annotation) == 0:
        yield f"{name} without an event", "empty"
    else:
        for what, where in _of_kind(annotation):
            yield f"{name}: {what}", where


@singledispatch
def _of_kind(annotation: Annotation) -> Iterator[Oddity]:
    yield from ()


@_of_kind.register
def _(notes: Notes) -> Iterator[Oddity]:
    yield from _where(
        "without an end in the MIDI file: they last to the end of its track",
        notes.unended,
        notes.onset_s,
        notes.pitch,
        "MIDI",
    )
    length_s = notes.offset_s - notes.onset_s
    yield from _where(
        f"shorter than {_SHORT_NOTE_S * 1000:g} ms", length_s < _SHORT_NOTE_S, notes.onset_s, length_s, "s"
    )
    yield from _where(f"longer than {_LONG_NOTE_S:g} s", length_s > _LONG_NOTE_S, notes.onset_s, length_s, "s")
    twice = np.zeros(len(notes), dtype=bool)
    order = np.lexsort((notes.onset_s, notes.semitone, notes.program))
    same = (np.diff(notes.semitone[order]) == 0) & (np.diff(notes.program[order]) == 0)
    twice[order[1:]] = same & (np.diff(notes.onset_s[order]) <= _SAME_S)
    yield from _where("twice at the same time, pitch and program", twice, notes.onset_s, notes.pitch, "MIDI")
    if len(notes) >= _FEW_NOTES and (notes.velocity == notes.velocity[0]).all():
        yield "all of one velocity", f"{len(notes):,} notes of velocity {notes.velocity[0]}"


@_of_kind.register
def _(beats: Beats) -> Iterator[Oddity]:
    interval_s = np.diff(beats.time_s)
    if len(interval_s) >= 2:
        around_s = median_filter(interval_s, 9, mode="nearest")
        gap, crowd = interval_s > _GAP * around_s, interval_s < _CROWD * around_s
        yield from _where(f"intervals above {_GAP:g} of those around", gap, beats.time_s[:-1], interval_s, "s")
        yield from _where(f"intervals below {_CROWD:g} of those around", crowd, beats.time_s[:-1], interval_s, "s")
        yield from _tempo(60.0 / float(np.median(interval_s)))
    if beats.of_flags:
        yield "flags, not positions in the bar (1 a downbeat, 0 another beat)", f"{len(beats.downbeat_s):,} downbeats"
    if beats.position.any() and not len(beats.downbeat_s):
        yield "positions in the bar without a downbeat (1)", f"{beats.position.min()} to {beats.position.max()}"
    before, after = beats.position[:-1], beats.position[1:]
    skips = (before > 0) & (after > 0) & (after != 1) & (after != before + 1)
    yield from _where("two downbeats in a row", (before == 1) & (after == 1), beats.time_s[1:], beats.time_s[1:], "s")
    yield from _where(
        f"positions in the bar above {_LONG_BAR}", beats.position > _LONG_BAR, beats.time_s, beats.position, ""
    )
    yield from _where("positions in the bar that skip", skips, beats.time_s[1:], after, "")


@_of_kind.register
def _(alignment: Alignment) -> Iterator[Oddity]:
    if len(alignment) and all(map(is_number, alignment.event)):
        yield "events that are numbers", f"{len(alignment):,}, the first is {alignment.event[0]}"


@_of_kind.register
def _(tempo: Tempo) -> Iterator[Oddity]:
    yield from _tempo(tempo.bpm)


@_of_kind.register
def _(onsets: Onsets) -> Iterator[Oddity]:
    labels = np.array(onsets.label)
    twice = np.append(False, (np.diff(onsets.time_s) == 0) & (labels[1:] == labels[:-1]))
    yield from _where("twice at the same time", twice, onsets.time_s, onsets.time_s, "s")
    if len(onsets) and all(map(is_number, onsets.label)):
        yield "labels that are numbers", f"{len(onsets):,}, the first is {onsets.label[0]}"


@_of_kind.register
def _(melody: Melody) -> Iterator[Oddity]:
    voiced = melody.frequency_hz > 0
    if not voiced.any():
        yield "none sounds", f"{len(melody):,} frames of 0 Hz"
    yield from _frequencies(melody.time_s[voiced], melody.frequency_hz[voiced])
    step_s = np.diff(melody.time_s)
    gap = (step_s > _GAP * melody.usual_step_s) & voiced[:-1]
    yield from _where("rows far apart after one that sounds (task.protocol.gaps)", gap, melody.time_s[:-1], step_s, "s")


@_of_kind.register
def _(multipitch: Multipitch) -> Iterator[Oddity]:
    yield from _frequencies(np.repeat(multipitch.time_s, multipitch.count), multipitch.frequency_hz)


@_of_kind.register
def _(tags: Tags) -> Iterator[Oddity]:
    several = [tag for tag in tags.tags if "," in tag]
    if several:
        yield "a comma within a tag (several are written a;b;c)", repr(several[0])


@_of_kind.register
def _(chords: Chords) -> Iterator[Oddity]:
    gap_s = chords.start_s[1:] - chords.end_s[:-1]
    yield from _where(
        "stretches without a label (task.protocol.gaps)", gap_s > _LABEL_GAP_S, chords.end_s[:-1], gap_s, "s"
    )
    length_s = chords.end_s - chords.start_s
    share = float(length_s[np.array(chords.label) == "X"].sum() / length_s.sum())
    if share > _X_SHARE:
        yield f"more than {_X_SHARE:.0%} is X (cannot be named)", f"{share:.0%}"


def _tempo(bpm: float) -> Iterator[Oddity]:
    if not _BPM[0] <= bpm <= _BPM[1]:
        yield f"tempo outside {_BPM[0]:g} to {_BPM[1]:g} beats per minute", f"{bpm:.1f}"


def _frequencies(time_s: NDArray[np.float64], frequency_hz: NDArray[np.float64]) -> Iterator[Oddity]:
    outside = (frequency_hz < _HZ[0]) | (frequency_hz > _HZ[1])
    yield from _where(f"frequencies outside {_HZ[0]:g} to {_HZ[1]:,g} Hz", outside, time_s, frequency_hz, "Hz")


def _where(
    what: str, odd: NDArray[np.bool_], time_s: NDArray[np.float64], values: NDArray[np.generic], unit: str
) -> Iterator[Oddity]:
    """How many are odd, and the first of them."""
    if odd.any():
        first = int(np.argmax(odd))
        yield (
            what,
            f"{odd.sum():,} of {len(odd):,}, the first at {time_s[first]:.3f} s: {values[first]:.4g} {unit}".rstrip(),
        )
