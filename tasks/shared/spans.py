"""Stretches of rows of a table, such as the frames in which a pitch sounds."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def span_cells(first: Ints, end: Ints, column: Ints, num_columns: int) -> Ints:
    """-> the places of the cells (first <= row < end, column) of all stretches, in a table written row by row.

    first, end, column: (n,), first <= end. A cell that several stretches share is there several times.
    """
    length = end - first
    before = length.cumsum() - length
    of_first_row = (first - before) * num_columns + column
    cells: Ints = of_first_row.repeat(length) + np.arange(length.sum()) * num_columns
    return cells
