"""The instruments that tokens tell apart: groups of General MIDI programs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, UNKNOWN_PROGRAM
from ricercar.errors import InputError
from ricercar.tasks.shared.options import check_programs

Ints = NDArray[np.int64]
GROUPINGS = ("flat", "families", "full")
OWN_CLASSES = "or own classes, {name: [General MIDI programs]}"


class Programs:
    """The groups of instruments that tokens tell apart. Drums are none of them.

    programs   flat: one group; its notes are decoded as of unknown program
               families: the 16 of General MIDI ("MIDI classes" of MT3).   full: 128
               {name: [programs]}: own groups; notes of other programs belong to none
    Decoded notes have the first program of their group. A note of unknown program counts as one of program 0, which is
    what MT3's notes are where nothing is said.

    first   (G,) int64: the first program of each group; -1 under flat
    """

    def __init__(self, programs: str | Mapping[str, Sequence[int]]) -> None:
        group = np.full(DRUMS, -1, dtype=np.int64)
        if isinstance(programs, Mapping):
            if not programs:
                raise InputError(f"programs={{}}: choose one of {', '.join(GROUPINGS)}, {OWN_CLASSES}")
            check_programs("programs", programs)
            for number, own in enumerate(programs.values()):
                group[list(own)] = number
            self.first = np.array([own[0] for own in programs.values()])
        elif programs in GROUPINGS:
            size = {"flat": 128, "families": 8, "full": 1}[programs]
            group = np.arange(DRUMS) // size
            self.first = np.full(1, UNKNOWN_PROGRAM) if programs == "flat" else np.arange(0, DRUMS, size)
        else:
            raise InputError(f"programs={programs!r}: choose one of {', '.join(GROUPINGS)}, {OWN_CLASSES}")
        self.told_apart = programs != "flat"
        self._group = np.concatenate([group, [-1], group[:1]])  # of programs 0 to 127, drums, and -1

    def __len__(self) -> int:
        return len(self.first)

    def group(self, program: Ints) -> Ints:
        """(n,) programs, -1 unknown, 128 drums -> (n,) groups; -1 for what belongs to none."""
        return self._group[program]
