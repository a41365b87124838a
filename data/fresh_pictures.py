"""pictures=fresh"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ricercar.data.audio_store import AudioStore
from ricercar.data.augmentation import Augmentation
from ricercar.data.windows import AudioWindows


class FreshPictures:
    """Pictures are made from each window's own sound, whenever it is needed: the network is fed audio."""

    cached = False

    def check(self, augmentation: Augmentation, trained: bool) -> None:
        """Everything goes."""

    def windows(
        self,
        *,
        folder: Path,
        store: AudioStore,
        key: str,
        analyse: Callable[[Tensor], Tensor],
        reach: int,
        hop_length: int,
    ) -> AudioWindows:
        return AudioWindows(store, hop_length)
