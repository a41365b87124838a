"""Positions of beats in the bar that were written in another way than 1 2 3 4."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats.rows import RowError

_ENDS = 0.8  # of the rows: so many ends at the next start are no chance
_FEW = 3  # so many zeros before a 1 are positions, fewer may be unknown ones


def are_flags(position: NDArray[np.int64]) -> bool:
    """Whether 0 and 1 are the only positions, and a 0 comes after a 1: 1 is a downbeat, 0 another beat."""
    ones = np.flatnonzero(position == 1)
    return bool(len(ones) and position.max() == 1 and (position[ones[0] :] == 0).any())


def counted_from_downbeats(downbeat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) with one downbeat at least -> positions in the bar.

    Beats before the first downbeat count towards it, in a bar as long as the first; none of them is a 1.
    """
    places = np.flatnonzero(downbeat)
    index = np.arange(len(downbeat))
    last = np.maximum.accumulate(np.where(downbeat, index, -1))
    length = int(places[1] - places[0]) if len(places) > 1 else len(downbeat)
    before = np.maximum(length + 1 - (places[0] - index), 2)
    return np.where(last >= 0, index - last + 1, before)


def check_counted_from_1(position: NDArray[np.float64]) -> None:
    """RowError for positions 0 1 2 3 0 1 2 3: after the first 1, a 0 comes before every 1, and before nothing else."""
    ones = np.flatnonzero(position == 1)
    if not len(ones) or position.max() == 1:
        return
    zeros = np.flatnonzero(position == 0)
    zeros = zeros[(zeros > ones[0]) & (zeros < len(position) - 1)]
    if len(zeros) >= _FEW and np.array_equal(zeros + 1, ones[1:]):
        raise RowError(int(zeros[0]), "position 0 comes before each 1: positions count from 1, which is the downbeat.")


def check_no_ends(time_s: NDArray[np.float64], position: NDArray[np.float64], bar: NDArray[np.float64]) -> None:
    """RowError for rows `start end label` (RWC, in hundredths of a second): each position is the time of the next row.

    Beats on the first seconds of a piece, 0 1, 1 2, 2 3, are those of one bar.
    """
    if len(time_s) >= _FEW and np.ptp(bar) > 0 and np.mean(position[:-1] == time_s[1:]) >= _ENDS:
        raise RowError(
            0,
            f"position {position[0]:g} is the time of the next row: rows of start, end and label, as of RWC's beats. "
            "Write rows of: time position [bar], with times in seconds.",
        )
