"""The scores of results as arrays, for statistics."""

from collections.abc import Sequence

import numpy as np

from ricercar.errors import InputError
from ricercar.harness.results import Result
from ricercar.significance.scores import Ints, Scores


def scores_of(systems: Sequence[Sequence[Result]], metric: str) -> Scores:
    """[system][seed] results -> scores on the tracks of the first result, in its order.

    InputError where a result lacks one of these tracks.
    """
    tracks = systems[0][0].tracks
    values = np.full((len(systems), max(map(len, systems)), len(tracks)), np.nan)
    for s, seeds in enumerate(systems):
        for k, result in enumerate(seeds):
            own = {track.id: track.metrics[metric] for track in result.tracks}
            missing = [track.id for track in tracks if track.id not in own]
            if missing:
                raise InputError(f"{result.run_id} lacks {len(missing)} tracks, the first is {missing[0]!r}.")
            values[s, k] = [own[track.id] for track in tracks]
    return Scores(values, groups_of(systems[0][0]), str(systems[0][0].protocol["averaging"]))


def groups_of(result: Result) -> Ints:
    """(T,) the number of each track's group."""
    _, number = np.unique([track.group for track in result.tracks], return_inverse=True)
    return number.astype(np.int64)
