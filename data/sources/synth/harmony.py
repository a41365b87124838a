"""Chords, and functional progressions of them in the 24 keys."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ricercar.data.annotations.key import spelling_of

# Semitones above the root. The names are those of Harte et al., "Symbolic representation of musical chords", 2005.
QUALITIES = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "7": (0, 4, 7, 10),
    "hdim7": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
}
_DEGREES = {0: "1", 3: "b3", 4: "3", 5: "4", 6: "b5", 7: "5", 9: "bb7", 10: "b7", 11: "7"}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

# degree: (semitones above the tonic, triad, chord with a seventh)
_CHORDS: dict[str, dict[str, tuple[int, str, str]]] = {
    "major": {
        "I": (0, "maj", "maj7"),
        "ii": (2, "min", "min7"),
        "iii": (4, "min", "min7"),
        "IV": (5, "maj", "maj7"),
        "V": (7, "maj", "7"),
        "vi": (9, "min", "min7"),
        "vii": (11, "dim", "hdim7"),
        "V/V": (2, "7", "7"),
        "V/vi": (4, "7", "7"),
    },
    "minor": {
        "I": (0, "min", "min7"),
        "ii": (2, "dim", "hdim7"),
        "III": (3, "maj", "maj7"),
        "IV": (5, "min", "min7"),
        "V": (7, "maj", "7"),
        "VI": (8, "maj", "maj7"),
        "VII": (10, "maj", "7"),
        "vii": (11, "dim", "dim7"),
    },
}
# What follows a degree, and how often: common practice, with subdominants before dominants before the tonic.
_NEXT: dict[str, dict[str, dict[str, float]]] = {
    "major": {
        "I": {"IV": 0.27, "V": 0.22, "vi": 0.2, "ii": 0.17, "iii": 0.06, "V/vi": 0.03, "V/V": 0.05},
        "ii": {"V": 0.85, "vii": 0.05, "IV": 0.1},
        "iii": {"vi": 0.5, "IV": 0.4, "ii": 0.1},
        "IV": {"V": 0.45, "I": 0.3, "ii": 0.18, "V/V": 0.07},
        "V": {"I": 0.65, "vi": 0.25, "IV": 0.1},
        "vi": {"ii": 0.3, "IV": 0.4, "V": 0.2, "iii": 0.1},
        "vii": {"I": 1.0},
        "V/V": {"V": 1.0},
        "V/vi": {"vi": 1.0},
    },
    "minor": {
        "I": {"IV": 0.28, "V": 0.25, "VI": 0.2, "ii": 0.12, "VII": 0.1, "III": 0.05},
        "ii": {"V": 0.9, "vii": 0.1},
        "III": {"VI": 0.5, "IV": 0.3, "ii": 0.2},
        "IV": {"V": 0.55, "I": 0.3, "VII": 0.05, "ii": 0.1},
        "V": {"I": 0.75, "VI": 0.25},
        "VI": {"IV": 0.3, "ii": 0.2, "V": 0.3, "III": 0.1, "VII": 0.1},
        "VII": {"I": 0.5, "III": 0.3, "VI": 0.2},
        "vii": {"I": 1.0},
    },
}


@dataclass(frozen=True)
class Chord:
    """A chord: root pitch class 0..11, a quality of QUALITIES, and which of its notes is in the bass."""

    root: int
    quality: str
    inversion: int

    @cached_property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + semitones) % 12 for semitones in QUALITIES[self.quality])

    @property
    def bass(self) -> int:
        return self.pitch_classes[self.inversion]

    @property
    def label(self) -> str:
        """Harte's notation, such as "A:min7/b3"."""
        bass = f"/{_DEGREES[QUALITIES[self.quality][self.inversion]]}" if self.inversion else ""
        return f"{spelling_of(self.root)}:{self.quality}{bass}"

    def scale(self, tonic: int, mode: str) -> tuple[int, ...]:
        """The pitch classes of the key, less those that rub against a chord tone from outside the key."""
        key = {(tonic + semitones) % 12 for semitones in SCALES[mode]}
        foreign = set(self.pitch_classes) - key
        near = {(pitch + step) % 12 for pitch in foreign for step in (-1, 1)} - set(self.pitch_classes)
        return tuple(sorted((key - near) | foreign))


def progression(
    random: np.random.Generator,
    *,
    tonic: int,
    mode: str,
    num_chords: int,
    opening: bool,
    seventh_share: float,
    inversion_share: float,
) -> list[Chord]:
    """`num_chords` chords that end on V or V-I. An opening begins on the tonic; other sections mostly do not."""
    table = _NEXT[mode]
    closed = bool(random.random() < 0.5)
    ending = (["V", "I"] if closed else ["V"])[-num_chords:]
    degrees: list[str] = []
    while len(degrees) + len(ending) < num_chords:
        if not degrees:
            others = ["IV", "vi" if mode == "major" else "VI", "ii", "I"]
            degrees.append("I" if opening else str(random.choice(others)))
        else:
            follow = table[degrees[-1]]
            degrees.append(str(random.choice(list(follow), p=list(follow.values()))))
    if degrees and degrees[-1].startswith("V/"):  # a secondary dominant must resolve, and here is no room for it
        degrees[-1] = "IV"
    return [
        chord(random, degree, tonic=tonic, mode=mode, seventh_share=seventh_share, inversion_share=inversion_share)
        for degree in degrees + ending
    ]


def chord(
    random: np.random.Generator, degree: str, *, tonic: int, mode: str, seventh_share: float, inversion_share: float
) -> Chord:
    """The chord on a degree, sometimes with a seventh, a suspended fourth, or another note in the bass."""
    semitones, triad, seventh = _CHORDS[mode][degree]
    quality = seventh if random.random() < seventh_share else triad
    if degree == "V" and quality == "maj" and random.random() < 0.1:
        quality = "sus4"
    inverted = random.random() < inversion_share and quality != "sus4"
    inversion = int(random.integers(1, len(QUALITIES[quality]))) if inverted else 0
    return Chord((tonic + semitones) % 12, quality, inversion)
