"""Chords, in the syntax of Harte."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from ricercar.data.annotations.intervals import Intervals
from ricercar.data.annotations.key import semitone_of, spelling_of

# Harte et al. (2005), "Symbolic representation of musical chords". The shorthands are those that mir_eval can score.
_SHORTHANDS = (
    "maj|min|dim|aug|1|5|sus2|sus4|maj6|min6|7|maj7|min7|dim7|hdim7|minmaj7|9|maj9|min9|11|min11|13|maj13|min13"
)
_DEGREE = r"[b#]*(?:1[0-3]|[1-9])"
_DEGREES = rf"\(\*?{_DEGREE}(?:,\*?{_DEGREE})*\)"
_CHORD = re.compile(
    rf"(?P<root>[A-G](?:b*|#*))(?P<rest>(?::(?:(?:{_SHORTHANDS})(?:{_DEGREES})?|{_DEGREES}))?(?:/{_DEGREE})?)"
)
_ROOTLESS = ("N", "X")


@dataclass(frozen=True, eq=False)
class Chords(Intervals):
    """Chords. A label is a root, a quality and a bass (`C`, `Eb:min7`, `F#:maj(9)/3`), N (no chord) or X (unclear).

    File: rows `start end label`.
    """

    name: ClassVar[str] = "chords"

    @staticmethod
    def problem_with_label(label: str) -> str:
        if label in _ROOTLESS or _CHORD.fullmatch(label):
            return ""
        return (
            f"{label!r} is not a chord in Harte's syntax: root:quality(degrees)/bass, such as C, Eb:min7, F#:maj(9)/3; "
            f"N for no chord, X for one that cannot be named. Qualities: {_SHORTHANDS.replace('|', ' ')}."
        )

    def transposed(self, semitones: int) -> Self:
        """Roots move (and are spelled anew: C Db D Eb ...); the bass is an interval above the root and stays."""
        if semitones == 0:
            return self
        moved = {label: _transposed(label, semitones) for label in set(self.label)}
        return replace(self, label=tuple(moved[label] for label in self.label))


def _transposed(label: str, semitones: int) -> str:
    match = _CHORD.fullmatch(label)
    if match is None:
        assert label in _ROOTLESS
        return label
    return spelling_of(semitone_of(match["root"]) + semitones) + match["rest"]
