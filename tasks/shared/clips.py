"""Recordings in clips: MARBLE scores frames of short clips (Yuan et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ricercar.checks import check_between
from ricercar.tasks.protocol import LATER


@dataclass(frozen=True)
class Clips:
    """Clips from the beginning on, one after the other.

    length_s   of each
    least_s    of what is left at the end, to be a clip, too
    fps        frames per second
    """

    length_s: float
    least_s: float
    fps: float

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Self | None:
        """What protocol.clip_s, clip_least_s and clip_fps say. None where there are no clips."""
        length_s, least_s, fps = (protocol.get(name, LATER[name]) for name in ("clip_s", "clip_least_s", "clip_fps"))
        check_between(0, length_s, **{"task.protocol.clip_least_s": least_s})
        return cls(float(length_s), float(least_s), float(fps)) if length_s else None

    def number_of(self, duration_s: float) -> int:
        """How many a recording has."""
        whole = int(duration_s // self.length_s)
        left_s = duration_s - whole * self.length_s
        return whole + (left_s > 0 and left_s >= self.least_s)
