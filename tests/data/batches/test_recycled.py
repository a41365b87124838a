"""Memory is used again when nobody holds it, and never before."""

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ricercar.data.batches.crops import Recycled

SHAPE = (8, 1000)
HOLDERS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "array": lambda array: array,
    "slice": lambda array: array[3:],
    "view of a slice": lambda array: array[1:][:, ::2].T,
    "tensor": torch.from_numpy,
    "slice of a tensor": lambda array: torch.from_numpy(array)[2:, 5],
    "tensor of a slice": lambda array: torch.from_numpy(array[2:, 5:]),
    "buffer": memoryview,
}


def address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_not_lent_twice(holder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever holds it, and whatever Python's counts of references say, which differ between its versions."""
    monkeypatch.setattr(sys, "getrefcount", lambda value: 3)
    memory = Recycled()
    array = memory.empty(SHAPE, np.float32)
    where = address(array)
    held = HOLDERS[holder](array)
    del array
    others = [memory.empty(SHAPE, np.float32) for _ in range(3)]
    assert where not in map(address, others)
    del held
    assert address(memory.empty(SHAPE, np.float32)) == where


def test_as_many_blocks_as_were_ever_held_at_once() -> None:
    memory = Recycled()
    places = {address(array) for _ in range(5) for array in [memory.empty(SHAPE, np.int16) for _ in range(2)]}
    assert len(places) <= 4  # the two of one round are held while those of the next are made


@pytest.mark.parametrize(("shape", "dtype"), [((2,), bool), ((0, 3), np.float32), ((), np.float64), ((3, 2), "i2")])
def test_arrays_are_as_asked_for(shape: tuple[int, ...], dtype: Any) -> None:
    memory = Recycled()
    for _ in range(2):
        array = memory.empty(shape, dtype)
        assert (array.shape, array.dtype, array.flags.writeable) == (shape, np.dtype(dtype), True)


def test_another_process_has_its_own() -> None:
    memory = Recycled()
    memory.empty(SHAPE, np.float32)
    assert len(pickle.dumps(memory)) < 100
