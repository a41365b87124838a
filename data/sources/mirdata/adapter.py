"""What has to be said of one of mirdata's data sets so that its tracks become ours."""

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ricercar.data.annotations.annotation import Annotation


@dataclass(frozen=True)
class FromFile:
    """An annotation that is in a file of its own. A track whose entry in the index is empty does not have it."""

    file: str  # its name in mirdata's index
    read: Callable[[Path], Annotation | None]

    def __call__(self, track: Any) -> Annotation | None:
        path = track.get_path(self.file)
        if path is None:
            return None
        if not Path(path).is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return self.read(Path(path))


@dataclass(frozen=True)
class Adapter:
    """One data set. `track` is mirdata's own; None stands for "not known".

    audio        name in mirdata's index of the file with the recording
    annotations  {annotation: track -> the annotation, or None where the track does not have it}
    second       where two people annotated: what the second wrote, in place of the first one's
    group        track -> the work or the artist; None: splits/<data set>.csv says both the group and the split
    work         mirdata's id of a track, its group -> its work; None: the group (see Track)
    fold         mirdata's id of a track -> the fold that papers put it into, from 0; None: what
                 folds/<data set>.csv says, where there is one
    listed_as    name in a published list of folds -> id of the track, where they differ; what is not of that form stays
    groups       what the groups are, for messages
    split        track -> what the data set says of its split; where it says nothing (None) of all, the rule makes them
    split_lists  mirdata's data set -> {what the data set says: ids of its tracks}
    splits       {what the data set says: our split, or EXCLUDED}; what is not listed here is UNSPLIT (see splitting)
    valid_share  of the training tracks, those that become the validation split by the rule; 0: an official one is there
    multitracks  the recordings are mirdata's multitracks, and its tracks are their stems
    remotes      those of mirdata's downloads that are needed; None: those that mirdata takes by itself
    skipped      names in mirdata's index of files that nothing here reads
    brought      where the recordings cannot be downloaded: what to do about that
    """

    groups: str
    annotations: Mapping[str, Callable[[Any], Annotation | None]]
    second: Mapping[str, Callable[[Any], Annotation | None]] = field(default_factory=dict)
    audio: str = "audio"
    split: Callable[[Any], Any] | None = None
    split_lists: Callable[[Any], Mapping[str, Iterable[str]]] | None = None
    splits: Mapping[Any, str] = field(default_factory=dict)
    group: Callable[[Any], Any] | None = None
    work: Callable[[str, str], str] | None = None
    fold: Callable[[str], int | None] | None = None
    listed_as: Callable[[str], str] | None = None
    valid_share: float = 0.0
    multitracks: bool = False
    remotes: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()
    brought: str = ""
