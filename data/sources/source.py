"""What every source of tracks is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ricercar.data.track import Track
from ricercar.errors import InputError

ALL = "all"  # the name of all splits together


class Source(ABC):
    """A data set: the tracks of a split, always in the same order. Splits are train, valid and test."""

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Those that have tracks, in the order train, valid, test."""

    @abstractmethod
    def tracks(self, split: str) -> list[Track]:
        """The tracks of `split`. InputError if there are none, naming the splits there are."""

    def inspect(self) -> Iterator[Track | InputError]:
        """Every track, one after the other, and whatever is wrong: for a check that goes on after a bad file.

        Here a split is read as a whole; a source that reads files goes on within it.
        """
        for split in self.splits:
            try:
                yield from self.tracks(split)
            except InputError as error:
                yield error
