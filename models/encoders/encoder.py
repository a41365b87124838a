"""What every encoder is: a pretrained network whose hidden layers stand in place of a spectrogram."""

import hashlib
import math
import weakref
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ricercar.checks import check_between, check_choice, check_flag, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.frontend import Frontend, in_float32

OWN_CODE = "models/encoders/encoder.py"
PLACES = ("model", "about")  # options that say where weights are, and where they come from
PRECISIONS = ("32-true", "bf16-mixed")
RANDOM_SEED = 0  # of random weights, which are the same in every run: a seed of the run is one of the probe
_HASHED = (".json", ".safetensors", ".bin", ".py", ".onnx")
_ABOUT = {"licence": str, "trained_on": list, "url": str}


class Encoder(Frontend):
    """(B, N) audio in [-1, 1] -> (B, L, D, T) hidden layers of a pretrained network, with T = 1 + N // hop_length.

    The layers are channels, their D features bins, and their values signed. Frame t is that of sample t * hop_length:
    the network's own frames are interpolated linearly in time.

    Unless it is to be trained the network is no part of this module: nothing of it is in a checkpoint or an average of
    weights, all nets of a process share it, and it is loaded when it is first needed. It stays in evaluation mode
    also where it is trained: no dropout, statistics of batch normalisation stay.

    stride       samples between the network's own frames
    offset       sample that its first frame is centred on
    at_once      samples that the network takes at a time, `overlap` of them shared with the next; longer audio is
                 taken in parts, of which each gives the frames nearest to its middle. None: each frame is by itself
    name         what the weights are called; revision: their commit, None where there is none
    weights      hash of the files that the weights come from, or of what else determines them
    about        licence, trained_on, url: for the result
    """

    signed = True
    kept_as = "<f2"
    sources: tuple[str, ...] = (OWN_CODE,)
    stride: float
    offset: float
    name: str
    revision: str | None = None
    weights: str

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        network_rate: int,
        layers: Sequence[int],
        num_features: int,
        window_s: float | None,
        overlap_s: float,
        precision: str,
        trainable: bool,
        about: Mapping[str, Any],
    ) -> None:
        """network_rate: Hz, what the network was trained on. layers: the numbers of those that are given."""
        super().__init__()
        check_whole(sample_rate=sample_rate, hop_length=hop_length)
        check_choice(PRECISIONS, precision=precision)
        check_flag(trainable=trainable)
        if sample_rate != network_rate:
            raise InputError(f"sample_rate={sample_rate}: this network takes audio at {network_rate} Hz: "
                             f"sample_rate={network_rate}, and the hop_length that goes with it.")  # fmt: skip
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self.layers = list(layers)
        self.num_channels, self.num_bins = len(self.layers), num_features
        self.precision = precision
        self.trainable = trainable
        self.about = _checked(about)
        self.at_once: int | None = None
        self.reach = 0
        if window_s is not None:
            check_positive(window_s=window_s)
            check_between(0, window_s / 2, overlap_s=overlap_s)
            self.at_once = round(window_s * sample_rate)
            self.reach = round(overlap_s * sample_rate / 2)
            if self.at_once < 2 * self.reach + 2 * hop_length:
                raise InputError(
                    f"window_s={window_s}: must hold two frames of hop_length={hop_length} samples at least"
                )
        self._held: _Held | None = None
        self.fixed: set[str] = set()
        self.network: nn.Module | None = None

    @abstractmethod
    def load(self) -> nn.Module:
        """The network, with its weights, on the CPU. InputError where they cannot be had."""

    @abstractmethod
    def hidden(self, network: nn.Module, audio: Tensor) -> list[Tensor]:
        """(B, N) audio -> the layers that were asked for, each (B, D, T'), frame i at sample offset + i * stride."""

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        """(B, N) audio -> (B, L, D, T). InputError names a layer that is not finite, where nothing is trained."""
        network = self._network(audio.device)
        if self.at_once is None:
            return self._encoded(network, audio)
        margin = math.ceil(self.reach / self.hop_length)
        size = self.at_once // self.hop_length - 2 * margin
        longest = (size + 2 * margin) * self.hop_length
        if audio.shape[1] <= longest:
            return self._encoded(network, audio)
        parts = []
        num_frames = 1 + audio.shape[1] // self.hop_length
        for first in range(0, num_frames, size):
            start = max(0, min((first - margin) * self.hop_length, audio.shape[1] - longest)) // self.hop_length
            part = self._encoded(network, audio[:, start * self.hop_length :][:, :longest])
            parts.append(part[..., first - start :][..., : min(size, num_frames - first)])
        return torch.cat(parts, dim=-1)

    def _encoded(self, network: nn.Module, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
            hidden = self.hidden(network, audio)
        layers = torch.stack([layer.float() for layer in hidden], dim=1)
        if not torch.is_grad_enabled() or not self.trainable:
            finite = layers.isfinite().flatten(2).all(dim=2).all(dim=0)
            if not finite.all():
                bad = [number for number, good in zip(self.layers, finite.tolist(), strict=True) if not good]
                raise InputError(
                    f"hidden layer {', '.join(map(str, bad))} of the encoder is not finite: choose others by "
                    "frontend.layers, or take sound weights."
                )
        return self._aligned(layers, 1 + audio.shape[1] // self.hop_length)

    def _aligned(self, layers: Tensor, num_frames: int) -> Tensor:
        """(B, L, D, T') -> (B, L, D, num_frames); beyond the network's first and last frame these go on."""
        place = torch.arange(num_frames, device=layers.device, dtype=torch.float64) * self.hop_length
        place = ((place - self.offset) / self.stride).clamp(0, layers.shape[-1] - 1)
        below = place.floor().long()
        weight = (place - below).to(layers.dtype)
        found = layers[..., below]
        if not bool((weight == 0).all()):
            above = (below + 1).clamp(max=layers.shape[-1] - 1)
            found = torch.lerp(found, layers[..., above], weight)
        return found

    def _network(self, device: torch.device) -> nn.Module:
        if self.network is not None:
            return self.network
        if self._held is None:
            held = _HELD.get(self.key)
            if held is None:
                with torch.random.fork_rng(devices=[]):  # whenever it is, what follows draws the same numbers
                    held = _HELD[self.key] = _Held(self._sure().requires_grad_(False).eval())
            self._held = held
        return self._held.network.to(device)

    def determining(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is in the files of the weights, not where they are."""
        return {name: value for name, value in options.items() if name not in PLACES} | {"weights": self.weights}

    @property
    def key(self) -> tuple[Any, ...]:
        """What determines the network that is loaded."""
        return type(self), self.weights, tuple(self.layers)

    def to_train(self) -> None:
        """Makes the network a part of this module, where it is to be trained; at the end of a constructor."""
        if self.trainable:
            self.network = self._sure().eval()
            self.fixed = {*self.network.state_dict()} - {
                name for name, each in self.network.named_parameters() if each.requires_grad
            }
            if any(not each.requires_grad for each in self.network.parameters()):
                self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
                self.register_load_state_dict_post_hook(_not_missing)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> "Encoder":
        super().train(mode)
        if self.network is not None:
            self.network.eval()
        return self

    @torch.no_grad()
    def _sure(self) -> nn.Module:
        """The network, loaded twice: what a library leaves to chance would give other features each time."""
        num_samples = min(self.sample_rate, self.at_once or self.sample_rate)
        sound = 0.1 * torch.randn(1, num_samples, generator=torch.Generator().manual_seed(0))
        found = []
        for _ in range(2):
            network = self.load().eval()
            found.append(self.hidden(network, sound))
            self._check_shapes(found[-1], num_samples)
        for number, first, second in zip(self.layers, *found, strict=True):
            if not torch.allclose(first, second, rtol=1e-5, atol=1e-6, equal_nan=True):
                raise InputError(
                    f"the encoder, loaded twice, gives other features each time (hidden layer {number}): a part of its "
                    "weights is missing in the files, or is not initialised by the library that reads them."
                )
        return network

    def _check_shapes(self, hidden: Sequence[Tensor], num_samples: int) -> None:
        """That audio gives what the network's configuration promises."""
        num_frames = (num_samples - 2 * self.offset) / self.stride + 1
        for number, layer in zip(self.layers, hidden, strict=True):
            if layer.shape[1] != self.num_bins or abs(layer.shape[2] - num_frames) > 1:
                raise InputError(
                    f"hidden layer {number} of the encoder has {layer.shape[1]} features in {layer.shape[2]} frames of "
                    f"{num_samples} samples, not {self.num_bins} in {num_frames:.0f}: choose layers of one size by "
                    "frontend.layers."
                )


def _leave_out(encoder: Encoder, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """What never learns beside adapters is no part of a checkpoint: it comes from the files of the weights."""
    for name in encoder.fixed:
        state.pop(f"{prefix}network.{name}", None)


def _not_missing(encoder: Encoder, keys: Any) -> None:
    keys.missing_keys[:] = [name for name in keys.missing_keys if name.partition("network.")[2] not in encoder.fixed]


class _Held:
    """Holds a network for several modules, and is not copied with them."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __deepcopy__(self, memo: Any) -> "_Held":
        return self


_HELD: "weakref.WeakValueDictionary[tuple[Any, ...], _Held]" = weakref.WeakValueDictionary()


def chosen(layers: Any, there: Sequence[int]) -> list[int]:
    """The numbers of the layers that an option asks for: a list of them, None: all. InputError lists what there is."""
    if layers is None:
        return list(there)
    if not isinstance(layers, list) or not layers or not all(type(each) is int and each in there for each in layers):
        raise InputError(f"layers={layers!r}: give a list of numbers from {there[0]} to {there[-1]}, or null for all")
    return layers


def content_hash(path: Path) -> str:
    """Hash of a file, or of the files of a folder that say what a network is, wherever they lie."""
    best = path / "checkpoints" / "best.pt"  # of a run
    if path.is_file() or best.is_file():
        return _hash_of([path if path.is_file() else best])
    return _hash_of(sorted(each for each in path.iterdir() if each.suffix in _HASHED and each.is_file()))


def _hash_of(files: Collection[Path]) -> str:
    content = hashlib.sha256()
    for file in files:
        stat = file.stat()
        content.update(f"{file.suffix}\0{_file_hash(file, stat.st_size, stat.st_mtime_ns)}\0".encode())
    return content.hexdigest()[:16]


@cache
def _file_hash(file: Path, size: int, mtime_ns: int) -> str:
    """Read once in a process, unless it has changed."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _checked(about: Mapping[str, Any]) -> dict[str, Any]:
    """licence, trained_on and url, where they are of the right kind."""
    for name, value in about.items():
        if name not in _ABOUT:
            raise InputError(f"about has {name!r}: it takes {', '.join(_ABOUT)}")
        if value is not None and not isinstance(value, _ABOUT[name]):
            what = "a list of names of data sets" if name == "trained_on" else "text"
            raise InputError(f"about.{name}={value!r}: give {what}")
    return {name: about.get(name) for name in _ABOUT}
