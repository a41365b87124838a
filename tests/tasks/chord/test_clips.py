"""Frames of chords in clips: as they are counted one by one, in the order in which the published code does it."""

from fractions import Fraction

import numpy as np
import pytest

from ricercar.data.annotations.chords import Chords
from ricercar.errors import InputError
from ricercar.tasks.chord.clips import ChordClips

LABELS = ("C", "D:min7", "N", "G:sus4", "F#:maj(9)/3", "X", "A:dim", "Bb:7", "E:min")
CLASS = {"C": 0, "D:min7": 14, "N": 24, "G:sus4": -1, "F#:maj(9)/3": 6, "X": 24, "A:dim": -1, "Bb:7": 10, "E:min": 16}


def chords(random: np.random.Generator, number: int, step: float) -> Chords:
    times = np.cumsum(random.choice([0.25, 0.5, 1.0, 1.5], number + 1)) * step
    return Chords(times[:-1], times[1:], tuple(random.choice(LABELS, number).tolist()))


def sounding(side: Chords, time: Fraction) -> int:
    """The place of the chord that began last; -1 before the first."""
    return max((row for row, start_s in enumerate(side.start_s.tolist()) if start_s <= time), default=-1)


def counted(reference: Chords, estimate: Chords, length: Fraction, least: Fraction, fps: int) -> tuple[int, int]:
    begin, right, compared = Fraction(0), 0, 0
    end = Fraction(reference.end_s[-1])
    while end - begin >= length or (end > begin and end - begin >= least):
        first = sounding(reference, begin)
        for frame in range(int(length * fps)):
            time = begin + Fraction(frame, fps)
            row = sounding(reference, time)
            true = CLASS[reference.label[row]] if row >= 0 else 24
            if true == 24 and row > first:
                true = CLASS[reference.label[row - 1]] if row >= 1 else 24
            heard = sounding(estimate, time)
            found = 24 if heard < 0 or time >= estimate.end_s[-1] else CLASS[estimate.label[heard]]
            compared += true != -1
            right += true != -1 and found == true
        begin += length
    return right, compared


@pytest.mark.parametrize("seed", range(6))
def test_frames_are_counted_as_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference, estimate = chords(random, 30, 1.0), chords(random, 25, random.choice([0.5, 1.0]))
    expected = counted(reference, estimate, Fraction(4), Fraction(1, 2), 8)
    assert ChordClips(4.0, 0.5, 8.0).count(reference, estimate) == expected
    assert 0 < expected[0] < expected[1]


def test_classes_are_those_of_the_triads_that_a_chord_contains() -> None:
    times = np.arange(len(LABELS) + 1.0)
    reference = Chords(times[:-1], times[1:], LABELS)
    for number in range(24):
        quality = "maj" if number < 12 else "min"
        own = Chords(times[:1], times[-1:], (f"{_root(number)}:{quality}",))
        assert ChordClips(1.0, 1.0, 1.0).count(reference, own)[0] == list(CLASS.values()).count(number)


def test_a_clip_needs_frames() -> None:
    with pytest.raises(InputError, match=r"task\.protocol\.clip_s=15 of chords needs clip_fps"):
        ChordClips.of({"clip_s": 15, "clip_least_s": 0, "clip_fps": 0})
    with pytest.raises(InputError, match="clip_least_s"):
        ChordClips.of({"clip_s": 15, "clip_least_s": 16, "clip_fps": 75})


def _root(number: int) -> str:
    return ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")[number % 12]
