"""The sections of a piece."""

from dataclasses import dataclass
from typing import ClassVar

from ricercar.data.annotations.intervals import Intervals


@dataclass(frozen=True, eq=False)
class Segments(Intervals):
    """Sections: verse, chorus ... File: rows `start end label`; a label may have spaces."""

    name: ClassVar[str] = "segments"

    @staticmethod
    def problem_with_label(label: str) -> str:
        return "" if label else "the label is empty."
