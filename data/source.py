"""What every source of tracks is."""

from abc import ABC, abstractmethod

from ricercar.data.track import Track


class Source(ABC):
    """A data set: the tracks of a split, always in the same order. Splits are train, valid and test."""

    @abstractmethod
    def tracks(self, split: str) -> list[Track]:
        """The tracks of `split`. InputError if there are none, naming the splits there are."""
