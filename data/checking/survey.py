"""A whole data set, read once: what is in it, what is wrong, and what is odd."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.tags import Tags
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.store import AudioStore
from ricercar.data.checking.facts import annotated_s, num_events
from ricercar.data.checking.near_duplicates import NearDuplicates
from ricercar.data.checking.oddities import oddities
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError

_SILENT = 32  # of 32,768: 60 dB below full scale
_CLIPPED_SHARE = 0.001
_SHORT_S = 1.0
_FEW_NOTES = 16  # fewer may be the same by chance


@dataclass
class Total:
    """How much there is of one kind of annotation."""

    tracks: int = 0
    events: int = 0
    seconds: float | None = None

    def add(self, annotation: Annotation) -> None:
        self.tracks += 1
        self.events += num_events(annotation)
        seconds = annotated_s(annotation)
        if seconds is not None:
            self.seconds = (self.seconds or 0.0) + seconds


@dataclass
class Survey:
    """What a data set holds.

    tracks     those with audio that can be read, without their annotations
    seconds    of each track
    kinds      {(kind of annotation, split): how much there is}
    problems   what makes results wrong, or impossible: {what: where}
    odd        what is worth a look: {what: where}
    """

    tracks: list[Track] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    kinds: dict[tuple[str, str], Total] = field(default_factory=lambda: defaultdict(Total))
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    odd: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def survey(source: Source, store: AudioStore) -> Survey:
    """Reads every track of a data set, and compares them. Memory holds one track, and 1 MB per hour of audio."""
    return _Surveyor(store).surveyed(source)


class _Surveyor:
    def __init__(self, store: AudioStore) -> None:
        self.store = store
        self.result = Survey()
        self._compared: list[int] = []  # numbers of the tracks that are compared by their sound
        self._sounds: dict[bytes, int] = {}
        self._notes: dict[bytes, int] = {}
        self._tags: dict[str, list[Track]] = defaultdict(list)
        self._near = NearDuplicates(store.sample_rate, self._read)

    def surveyed(self, source: Source) -> Survey:
        for each in tqdm(source.inspect(), desc="Reading tracks", unit="track", disable=None):
            if isinstance(each, Track):
                self._look_at(each)
            else:
                self.result.problems["cannot be read"].append(str(each))
        self._look_at_names()
        self._look_at_tags()
        for pair in self._near.found():
            first, second = self._compared[pair.first], self._compared[pair.second]
            where = f"from {pair.start_s:.2f} s in the one and {pair.second_start_s:.2f} s in the other"
            self._same(first, second, "the same audio", f"{pair.seconds:.1f} s, {where}")
        return self.result

    def _look_at(self, track: Track) -> None:
        try:
            num_samples = self.store.num_samples(track)
            flaw = self.store.flaw(track)
        except InputError as error:
            self.result.problems["cannot be read"].append(f"{track.id} ({track.split}): {error}")
            return
        if flaw:
            self.result.problems["audio that is not as long as its header says"].append(
                f"{track.id} ({track.split}): {flaw}"
            )
        samples = self.store.read(track, 0, num_samples)
        number, seconds = len(self.result.tracks), num_samples / self.store.sample_rate
        self.result.tracks.append(replace(track, annotations={}))
        self.result.seconds.append(seconds)
        for name, annotation in track.annotations.items():
            self.result.kinds[name, track.split].add(annotation)
            for what, where in oddities(name, annotation, seconds):
                self._odd(what, track, where)
            if isinstance(annotation, Tags):
                for tag in annotation.present:
                    self._tags[tag].append(track)
            if isinstance(annotation, Notes) and len(annotation) >= _FEW_NOTES:
                other = self._notes.setdefault(_digest(annotation.text().encode()), number)
                if other != number:
                    self._same(other, number, "the same notes", f"{len(annotation):,} notes")
        self._look_at_audio(track, number, samples)

    def _look_at_audio(self, track: Track, number: int, samples: NDArray[np.int16]) -> None:
        """Silent tracks are not compared: they would all be the same."""
        seconds = len(samples) / self.store.sample_rate
        if seconds < _SHORT_S:
            self._odd(f"shorter than {_SHORT_S:g} s", track, f"{seconds:.3f} s")
        level = np.abs(samples.astype(np.int32))
        if level.max() <= _SILENT:
            self._odd("silent", track, f"{_file(track)}no sample above {level.max() / 32768:.1%} of full scale")
            return
        clipped = float(np.mean(level >= 32767))
        if clipped > _CLIPPED_SHARE:
            self._odd("clipped", track, f"{_file(track)}{clipped:.2%} of the samples are at full scale")
        other = self._sounds.setdefault(_digest(samples.tobytes()), number)
        if other != number:
            self._same(other, number, "the same audio", "sample for sample")
        else:
            self._compared.append(number)
            self._near.add(samples)

    def _look_at_names(self) -> None:
        groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        spellings: dict[str, list[str]] = defaultdict(list)
        for track in self.result.tracks:
            groups[track.group][track.split].append(track.id)
            spellings[track.id.casefold()].append(track.id)
        for group, splits in groups.items():
            if len(splits) > 1:
                where = "; ".join(f"{split}: {_some(ids)}" for split, ids in splits.items())
                self.result.problems["a group in several splits"].append(f"group {group!r}: {where}")
        self._look_at_folds()
        works: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for track in self.result.tracks:
            works[track.work][track.split].append(track.id)
        for work, splits in works.items():
            if len(splits) > 1 and work not in groups:
                where = "; ".join(f"{split}: {_some(ids)}" for split, ids in splits.items())
                self.result.odd["a work in several splits, which results tell of"].append(f"work {work!r}: {where}")
        for ids in spellings.values():
            if len(ids) > 1:
                self.result.odd["ids that differ in case alone (one file on some systems)"].append(_some(ids))

    def _look_at_folds(self) -> None:
        """Those that the data set names."""
        groups: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        without = [track.id for track in self.result.tracks if track.fold is None]
        for track in self.result.tracks:
            if track.fold is not None:
                groups[track.group][track.fold].append(track.id)
        for group, folds in groups.items():
            if len(folds) > 1:
                where = "; ".join(f"fold {fold}: {_some(ids)}" for fold, ids in sorted(folds.items()))
                self.result.problems["a group in several folds"].append(f"group {group!r}: {where}")
        if groups and without:
            self.result.problems["tracks in no fold, where others are in one"].append(_some(without))

    def _look_at_tags(self) -> None:
        trained = {tag for tag, tracks in self._tags.items() if any(track.split == "train" for track in tracks)}
        for tag, tracks in sorted(self._tags.items()):
            if len(tracks) == 1:
                self._odd("tags that one track alone has", tracks[0], repr(tag))
            elif trained and tag not in trained:
                ids = _some([track.id for track in tracks])
                self.result.odd["tags that no track of train has"].append(f"{tag!r}: {ids}")

    def _same(self, first: int, second: int, what: str, how: str) -> None:
        one, other = self.result.tracks[first], self.result.tracks[second]
        text = f"{_named(one)} and {_named(other)}: {how}"
        if one.split != other.split:
            self.result.problems[f"{what} in several splits"].append(text)
        elif one.fold != other.fold:
            self.result.problems[f"{what} in several folds"].append(text)
        else:
            self.result.odd[f"{what} twice in a split"].append(text)

    def _odd(self, what: str, track: Track, where: str) -> None:
        self.result.odd[what].append(f"{track.id} ({track.split}): {where}")

    def _read(self, compared: int, start: int, num_samples: int) -> NDArray[np.int16]:
        return self.store.read(self.result.tracks[self._compared[compared]], start, num_samples)


def _file(track: Track) -> str:
    return f"{track.audio.path}: " if isinstance(track.audio, AudioFile) else ""


def _named(track: Track) -> str:
    path = f", {track.audio.path}" if isinstance(track.audio, AudioFile) else ""
    return f"{track.id} ({track.split}{path})"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
