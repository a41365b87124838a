"""What folders with an index.csv share, of recordings or of MIDI files."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.sources.index import SPLITS, Row, check_rows, scan_index
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError


class Indexed(Source):
    """The tracks that <root>/index.csv lists, in its order.

    Before the first tracks are given, the index is checked as a whole; annotations are read for the split that is
    asked for.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        self._rows, self._problems = scan_index(self.root)
        self._tracks: dict[str, list[Track]] = {}

    @abstractmethod
    def _track(self, row: Row, annotations: Mapping[str, Annotation]) -> Track:
        """The track of a row with the annotations that its cells name. InputError names the row."""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if any(row.split == split for row in self._rows))

    def tracks(self, split: str) -> list[Track]:
        if not self._tracks:
            if self._problems:
                raise self._problems[0]
            check_rows(self._rows)
        if split not in self._tracks:
            if split not in self.splits:
                raise InputError(
                    f"{self.root / 'index.csv'} has no tracks with split {split!r}; it has: {', '.join(self.splits)}."
                )
            self._tracks[split] = [self._track(row, row.annotations()) for row in self._rows if row.split == split]
        return list(self._tracks[split])

    def inspect(self) -> Iterator[Track | InputError]:
        """A track with an annotation that cannot be read comes without it."""
        yield from self._problems
        for row in self._rows:
            annotations = {}
            for name in row.kinds():
                try:
                    annotations[name] = row.annotation(name)
                except InputError as error:
                    yield error
            try:
                yield self._track(row, annotations)
            except InputError as error:
                yield error
