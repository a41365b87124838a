"""The axes of a time-frequency spectrogram, as a frontend gives it and a backbone takes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spectrogram:
    """Axes of a (B, C, F, T) spectrogram.

    num_channels        C
    num_bins            F
    num_frames          T of the training window; a backbone trains and predicts on exactly that many frames
    bins_per_semitone   spacing of the bins where they are equally spaced in log frequency, else None
    lowest_pitch        MIDI number of bin 0 where the bins are equally spaced in log frequency, else None
    """

    num_channels: int
    num_bins: int
    num_frames: int
    bins_per_semitone: int | None = None
    lowest_pitch: int | None = None
