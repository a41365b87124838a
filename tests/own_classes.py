"""Classes of a user's own, with mistakes in them."""

from typing import Any

import torch

from ricercar.errors import InputError


class Strict:
    """Refuses what it should."""

    def __init__(self, *, size: int) -> None:
        if size < 0:
            raise InputError(f"size={size}: give 0 or more.")


class Broken:
    """Raises `kind` somewhere inside."""

    def __init__(self, *, kind: str = "call", **rest: Any) -> None:
        self._deeper(kind)

    def _deeper(self, kind: str) -> None:
        if kind == "call":
            Strict(length=3)  # type: ignore[call-arg]
        if kind == "torch":
            torch.zeros(2) @ torch.zeros(3)
        raise {"type": TypeError, "value": ValueError, "runtime": RuntimeError, "key": KeyError}[kind]("a mistake")


class Outer:
    """Has a part."""

    def __init__(self, *, part: Any) -> None:
        self.part = part
