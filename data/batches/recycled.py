"""Memory that is used again."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Recycled:
    """Arrays of megabytes, again and again: the memory of one that nobody holds any more serves for the next.

    Fresh memory comes from the system page by page, which takes longer than to fill it.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[tuple[int, ...], np.dtype[Any]], list[NDArray[Any]]] = {}

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """As numpy.empty. What is made from the array, such as a tensor or a view of either, holds its memory."""
        free = self._free.setdefault((shape, np.dtype(dtype)), [])
        return np.asarray(_Lent(free.pop() if free else np.empty(shape, dtype), free))

    def __reduce__(self) -> tuple[type["Recycled"], tuple[()]]:
        """Another process begins with memory of its own."""
        return Recycled, ()


class _Lent:
    """A block of memory, which goes back to those that are free when nobody holds this any more.

    An array made from it holds it, and is itself held by every view: NumPy lets views of views hold the first array,
    not what that one was made from.
    """

    def __init__(self, block: NDArray[Any], free: list[NDArray[Any]]) -> None:
        self._block, self._free = block, free
        self.__array_interface__ = block.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._block)
