"""Pieces composed from a seed and rendered by a SoundFont, with exact annotations of every kind."""

from collections.abc import Mapping

import numpy as np

from ricercar.checks import check_between, check_whole
from ricercar.data.annotations.notes import Notes
from ricercar.data.sources.rendering.studio import Studio
from ricercar.data.sources.source import Source
from ricercar.data.sources.synth.composer import Composer
from ricercar.data.track import Track
from ricercar.errors import InputError

_SPLITS = ("train", "valid", "test")


class Synth(Source):
    """`num_train`, `num_valid` and `num_test` different pieces; the same seed gives the same tracks everywhere.

    composer          writes the pieces
    studio            renders them
    levels_db         {melody, accompaniment, bass, drums: level}: of a part's instrument while it plays
    level_spread_db   standard deviation of the levels of one track around them
    """

    def __init__(
        self,
        *,
        composer: Composer,
        studio: Studio,
        num_train: int,
        num_valid: int,
        num_test: int,
        seed: int,
        levels_db: Mapping[str, float],
        level_spread_db: float,
    ) -> None:
        check_whole(0, num_train=num_train, num_valid=num_valid, num_test=num_test, seed=seed)
        check_between(0, float("inf"), level_spread_db=level_spread_db)
        self.composer = composer
        self.studio = studio
        self.num_tracks = dict(zip(_SPLITS, (num_train, num_valid, num_test), strict=True))
        self.seed = seed
        self.levels_db = levels_db
        self.level_spread_db = level_spread_db
        self._tracks: dict[str, list[Track]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in _SPLITS if self.num_tracks[split] > 0)

    def tracks(self, split: str) -> list[Track]:
        if self.num_tracks.get(split, 0) < 1:
            there_are = ", ".join(f"{name} ({size})" for name, size in self.num_tracks.items())
            raise InputError(f"The composed pieces have no split {split!r}; they have: {there_are}.")
        if split not in self._tracks:
            self._tracks[split] = [self._track(split, index) for index in range(self.num_tracks[split])]
        return list(self._tracks[split])

    def _track(self, split: str, index: int) -> Track:
        seed = (self.seed, _SPLITS.index(split), index)
        piece = self.composer.compose(seed)
        notes = piece.annotations["notes"]
        assert isinstance(notes, Notes)
        # Not the composer's own stream: another composition is to keep the room.
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed).spawn(1)[0]))
        levels_db: dict[int, float] = {}
        for part, level_db in self.levels_db.items():
            level_db += float(random.normal(0.0, self.level_spread_db))
            if part in piece.programs:
                levels_db.setdefault(piece.programs[part], level_db)
        name = f"synth_{split}_{index:04d}"
        return self.studio.track(
            random,
            id=name,
            split=split,
            group=name,
            work=name,
            notes=notes,
            annotations=piece.annotations,
            duration_s=self.composer.duration_s,
            levels_db=levels_db,
        )
