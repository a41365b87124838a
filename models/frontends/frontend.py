"""What every frontend is: audio -> time-frequency magnitudes."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ricercar.models.picture import Picture


class Frontend(nn.Module, ABC):
    """(B, N) audio in [-1, 1] -> (B, C, F, T) magnitudes >= 0, with T = 1 + N // hop_length.

    Frame t is centred on sample t * hop_length; the signal is zero beyond its ends.
    Magnitudes are linear and scaled so that a full-scale sinusoid at the centre of a bin gives about 1:
    compression and normalisation are stages of their own, after this one.
    Fixed filters are non-persistent buffers (never in a checkpoint); trained ones are parameters.
    Runs in float32, outside autocast.
    """

    num_channels: int
    num_bins: int
    bins_per_semitone: int | None = None
    lowest_pitch: int | None = None

    @abstractmethod
    def forward(self, audio: Tensor) -> Tensor: ...

    def picture(self, num_frames: int) -> Picture:
        """The axes of the picture of a window of `num_frames` frames."""
        return Picture(self.num_channels, self.num_bins, num_frames, self.bins_per_semitone, self.lowest_pitch)
