"""A small convolutional network that shares its weights along pitch."""

from torch import Tensor, nn

from ricercar.checks import check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm
from ricercar.models.backbones.blocks import ConvBlock, Ensemble, Intervals, Residual
from ricercar.models.spectrogram import Spectrogram


class HarmonicCNN(Backbone):
    """(B, C, F, T) log-frequency spectrogram -> (B, T, P, D), one feature vector per semitone.

    Pitch-equivariant: the spectrogram one semitone higher gives the features one position higher, except near the
    spectrogram's ends. Meant for a spectrogram whose channels are copies shifted by the harmonics, so that a pitch's
    fundamental and overtones meet in one place.

    Two convolutions take bins to semitones; residual ones look at neighbouring pitches; one looks at the pitches an
    overtone away; `ensemble` tells each pitch what all do together; dilated ones along time see how a note goes on.

    P = num_bins // bins_per_semitone, D = width; position p is MIDI pitch lowest_pitch + p.
    Raises InputError for a spectrogram that is not equally spaced in log frequency.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        width: int,
        intervals: list[int],
        ensemble: bool,
        time_dilations: list[int],
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(width=width, **{f"time_dilations[{i}]": each for i, each in enumerate(time_dilations)})
        bins = spectrogram.bins_per_semitone
        if bins is None or spectrogram.lowest_pitch is None:
            raise InputError(
                "harmonic_cnn needs a log-frequency spectrogram (frontend=cqt, hcqt or vqt); "
                f"this one has {spectrogram.num_bins} bins that are not equally spaced in log frequency"
            )
        self.num_pitches = spectrogram.num_bins // bins
        self.lowest_pitch = spectrogram.lowest_pitch
        self.dim = width
        # Statistics of each bin's own would tell the pitches apart.
        self.input_norm = InputNorm(spectrogram, input_norm, choices=("channels", "none"))
        # From bins to semitones: an odd kernel, centred on the pitch's own bin, that overlaps its neighbours.
        semitone = bins + 2 if bins % 2 else bins + 1
        self.stem = nn.Sequential(
            ConvBlock(spectrogram.num_channels, width // 2, (3, 3)),
            ConvBlock(width // 2, width, (semitone, 3), stride=bins),
        )
        blocks: list[nn.Module] = [Residual(width, (5, 3)), Residual(width, (3, 3))]
        if intervals:
            blocks.append(Intervals(width, intervals, width // 2))
        if ensemble:
            blocks.append(Ensemble(width, width // 2, [1, 2, 4]))
        blocks += [Residual(width, (1, 3), dilation) for dilation in time_dilations]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, spectrogram: Tensor) -> Tensor:
        pitches = self.stem(self.input_norm(spectrogram))[:, :, : self.num_pitches]
        features: Tensor = self.blocks(pitches)
        return features.permute(0, 3, 2, 1)
