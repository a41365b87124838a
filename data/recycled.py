"""Memory that is used again."""

import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Recycled:
    """Arrays of megabytes, again and again: the memory of one that nobody holds any more serves for the next.

    Fresh memory comes from the system page by page, which takes longer than to fill it.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[tuple[int, ...], np.dtype[Any]], list[NDArray[Any]]] = {}

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """As numpy.empty. What is made from the array, such as a tensor or a view, holds it."""
        blocks = self._blocks.setdefault((shape, np.dtype(dtype)), [])
        for block in blocks:
            if sys.getrefcount(block) == _ALONE:
                return block.view()
        blocks.append(np.empty(shape, dtype))
        return blocks[-1].view()


_ALONE = 3  # references to a block: from the list, from the variable, and from the question
