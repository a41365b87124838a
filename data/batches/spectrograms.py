"""spectrogram=fresh and spectrogram=cached: whether a network is fed audio, or what its frontend made of it before."""

from ricercar.checks import check_positive
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.spectrogram_store import Analysis, PassingSpectrograms, SpectrogramStore
from ricercar.data.batches.windows import AudioWindows, Samples
from ricercar.errors import InputError


class Fresh:
    """Spectrograms are made from each window's own sound, whenever it is needed: the network is fed audio."""

    cached = False

    def check(self, augmentation: Augmentation, trained: bool) -> None:
        """Everything goes."""

    def windows(self, store: AudioStore, hop_length: int, analysis: Analysis) -> AudioWindows:
        return AudioWindows(store, hop_length)

    def passing(self, store: Samples, hop_length: int, analysis: Analysis) -> AudioWindows:
        """Windows of tracks that are in no data set: nothing is kept."""
        return AudioWindows(store, hop_length)


class Cached:
    """Spectrograms are made once for whole tracks, and kept for all runs: the network is fed windows of them.

    limit_gb   how many gigabytes (1e9 bytes) are kept, over all frontends; None: no limit
    """

    cached = True

    def __init__(self, *, limit_gb: float | None) -> None:
        if limit_gb is not None:
            check_positive(limit_gb=limit_gb)
        self.limit_gb = limit_gb

    def check(self, augmentation: Augmentation, trained: bool) -> None:
        """That nothing would have to be done before the frontend, or within it. trained: what Frontend.trained says."""
        if augmentation.changes_audio:
            raise InputError(
                "spectrogram=cached are those of the sound as it is: take an augmentation that leaves it so, such as "
                "augmentation=none, or spectrogram=fresh."
            )
        if trained:
            raise InputError("spectrogram=cached need a frontend with nothing to train: frontend.trainable=false.")

    def windows(self, store: AudioStore, hop_length: int, analysis: Analysis) -> SpectrogramStore:
        limit_bytes = None if self.limit_gb is None else int(self.limit_gb * 1e9)
        return SpectrogramStore(store, hop_length, analysis, limit_bytes=limit_bytes)

    def passing(self, store: Samples, hop_length: int, analysis: Analysis) -> PassingSpectrograms:
        """Windows of tracks that are in no data set: nothing is kept."""
        return PassingSpectrograms(store, hop_length, analysis)
