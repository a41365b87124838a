"""What every frontend is: audio -> time-frequency magnitudes."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ricercar.models.spectrogram import Spectrogram


class Frontend(nn.Module, ABC):
    """(B, N) audio in [-1, 1] -> (B, C, F, T) magnitudes >= 0, with T = 1 + N // hop_length.

    Frame t is centred on sample t * hop_length; the signal is zero beyond its ends.
    Magnitudes are linear and scaled so that a full-scale sinusoid at the centre of a bin gives about 1:
    compression and normalisation are stages of their own, after this one.
    Fixed filters are non-persistent buffers (never in a checkpoint); trained ones are parameters.
    Runs in float32, outside autocast.

    reach   samples to either side of a frame's centre that its values depend on
    """

    num_channels: int
    num_bins: int
    reach: int
    bins_per_semitone: int | None = None
    lowest_pitch: int | None = None

    def forward(self, audio: Tensor) -> Tensor:
        return self.arrange(self.analyse(audio))

    @abstractmethod
    def analyse(self, audio: Tensor) -> Tensor:
        """(B, N) audio -> (B, C', F', T): all that costs time, and what is worth keeping. To be marked @in_float32."""

    def arrange(self, analysis: Tensor) -> Tensor:
        """(B, C', F', T) -> (B, C, F, T): cheap, and each frame by itself, so that it may follow a cut in time."""
        return analysis

    @property
    def trained(self) -> bool:
        """Whether there is anything to train."""
        return any(True for _ in self.parameters())

    def spectrogram(self, num_frames: int) -> Spectrogram:
        """The axes of the spectrogram of a window of `num_frames` frames."""
        return Spectrogram(self.num_channels, self.num_bins, num_frames, self.bins_per_semitone, self.lowest_pitch)
