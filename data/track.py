"""A track: where its audio comes from, and what is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation


class AudioSource(Protocol):
    """Where audio comes from: a file, or a rendering."""

    def key(self) -> str:
        """A hash of everything that determines the samples; the store keeps them under it."""
        ...

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        """-> (N,) mono audio in [-1, 1] at `sample_rate` Hz. InputError names the file."""
        ...


@dataclass(frozen=True)
class Track:
    """One recording.

    group   what is never in two splits: the work, the artist, the player
    work    what statistics draw, because its tracks are not independent, and what a system should not have been trained
            on: where a group is no work and no artist (a player of pieces that all play, a class of sounds), the piece,
            or the recording; else the group
    part    of several data sets, the one that it is from
    fold    of a cross-validation that the data set names, from 0; None: it names none
    """

    id: str
    split: str
    group: str
    audio: AudioSource
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    work: str = ""
    part: str = ""
    fold: int | None = None

    def __post_init__(self) -> None:
        if not self.work:
            object.__setattr__(self, "work", self.group)
