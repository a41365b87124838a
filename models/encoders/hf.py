"""Audio models of the package transformers, from a folder in the layout of its hub, or from the hub itself."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ricercar.checks import check_flag, check_whole
from ricercar.errors import InputError
from ricercar.models.encoders.encoder import OWN_CODE, RANDOM_SEED, Encoder, chosen, content_hash
from ricercar.models.torchvision import mend_torchvision

_log = logging.getLogger(__name__)
CONFIG, INPUT = "config.json", "preprocessor_config.json"
WEIGHTS = ("*.safetensors", "*.bin")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_EXPECTED = f"a folder with {CONFIG}, {INPUT} and model.safetensors, as save_pretrained writes them"


@dataclass(frozen=True)
class _Family:
    """How audio goes into a network, and where its frames are.

    rate, stride, offset   Hz; samples between frames; sample that frame 0 is centred on
    shortest, longest      samples that it takes; None: any number
    prepared               (B, N) audio -> what the network is called with
    frames                 (B, tokens, D) hidden layer, N -> (B, D, T')
    part                   of the model that AutoModel makes: the encoder
    """

    rate: int
    stride: int
    offset: float
    shortest: int
    longest: int | None
    prepared: Callable[[Tensor], Tensor]
    frames: Callable[[Tensor, int], Tensor]
    part: Callable[[Any], nn.Module] = lambda model: model


class HF(Encoder):
    """(B, N) audio -> (B, L, D, T) hidden layers of a model of transformers; 0 is what its first block is given.

    Families: those that take samples through strided convolutions (wav2vec2, HuBERT, WavLM, data2vec-audio, UniSpeech,
    MERT ...), Whisper's encoder, and AST, whose patches are averaged over frequency. What the model's feature extractor
    does to audio is done here.

    model              a folder, or the name of a repository on the hub, of which `revision` names the commit
    trust_remote_code  whether code that comes with the model may be run
    random             the same network with random weights
    lora_rank          None: all weights learn where the network is trained; a number: low-rank changes of the linear
                       maps whose names end in one of `lora_targets` (Hu et al. 2022), and of the weights nothing else
    gradient_checkpointing   activations are computed anew for the gradients: less memory, a third more time
    InputError says what is missing of a folder, and what to download where.
    """

    sources = (OWN_CODE, "models/encoders/hf.py")

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        model: str,
        revision: str | None,
        trust_remote_code: bool,
        layers: Any,
        window_s: float,
        overlap_s: float,
        random: bool,
        precision: str,
        trainable: bool,
        lora_rank: int | None,
        lora_targets: list[str],
        gradient_checkpointing: bool,
        about: dict[str, Any],
    ) -> None:
        check_flag(trust_remote_code=trust_remote_code, random=random, gradient_checkpointing=gradient_checkpointing)
        if lora_rank is not None:
            check_whole(lora_rank=lora_rank)
            if not trainable:
                raise InputError(f"lora_rank={lora_rank}: adapters are to be trained: trainable=true")
        self._folder = _folder_of(model, revision)
        self._trusted = trust_remote_code
        self._config = _config_of(self._folder, model, trust_remote_code)
        self._family = family = _family_of(self._config, self._folder, model)
        if family.longest is not None and window_s * family.rate > family.longest:
            raise InputError(f"window_s={window_s}: this network takes {family.longest / family.rate:g} s at most")
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            network_rate=family.rate,
            layers=chosen(layers, range(self._config.num_hidden_layers + 1)),
            num_features=self._config.hidden_size,
            window_s=window_s,
            overlap_s=overlap_s,
            precision=precision,
            trainable=trainable,
            about=about,
        )
        self.stride, self.offset = family.stride, family.offset
        self.random = random
        local = Path(model).expanduser().is_dir()
        self.name, self.revision = (self._folder.resolve().name, None) if local else (model, revision)
        self.lora_rank, self.lora_targets = lora_rank, lora_targets
        self.gradient_checkpointing = gradient_checkpointing
        if not random and not any(True for pattern in WEIGHTS for _ in self._folder.glob(pattern)):
            raise InputError(f"model={model}: there are no weights (model.safetensors) in it: give {_EXPECTED}.")
        hashed = content_hash(self._folder / CONFIG) if random else content_hash(self._folder)
        self.weights = f"random {hashed}" if random else hashed
        self.to_train()

    def load(self) -> nn.Module:
        transformers = _transformers()
        try:
            if self.random:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(RANDOM_SEED)
                    model = transformers.AutoModel.from_config(self._config, trust_remote_code=self._trusted)
                missing = []
            else:
                model, told = transformers.AutoModel.from_pretrained(
                    self._folder,
                    config=self._config,
                    trust_remote_code=self._trusted,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
                missing = sorted(told["missing_keys"])
        except Exception as error:  # of torch, safetensors, transformers, or the model's own code
            raise InputError(f"the model in {self._folder} cannot be loaded: {_first_line(error)}") from error
        if missing:
            _log.warning("%s lacks weights, which are random: %s", self._folder, ", ".join(missing[:5]))
        network = self._family.part(model)
        if self.lora_rank is not None:
            self._add_adapters(network, self.lora_rank)
        if self.gradient_checkpointing:
            network.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
        return network

    def train(self, mode: bool = True) -> "HF":
        """Layers whose activations are computed anew do so in training mode only; what is in them stays as it is."""
        super().train(mode)
        if self.network is not None and self.gradient_checkpointing:
            from transformers.modeling_layers import GradientCheckpointingLayer

            for module in self.network.modules():
                if isinstance(module, GradientCheckpointingLayer):
                    module.training = mode
        return self

    def hidden(self, network: nn.Module, audio: Tensor) -> list[Tensor]:
        missing = self._family.shortest - audio.shape[1]
        sound = nn.functional.pad(audio, (0, missing)) if missing > 0 else audio
        found = network(self._family.prepared(sound), output_hidden_states=True).hidden_states
        if len(found) <= max(self.layers):
            raise InputError(f"layers={self.layers}: the network gives {len(found)} hidden layers, from 0 on")
        return [self._family.frames(found[number], sound.shape[1]) for number in self.layers]

    def _add_adapters(self, network: nn.Module, rank: int) -> None:
        """In place of some linear maps; all else does not learn."""
        try:
            import peft
        except ModuleNotFoundError as error:
            raise InputError('lora_rank needs the package peft: pip install "ricercar[encoders]"') from error
        ends = {name.rpartition(".")[2] for name, module in network.named_modules() if isinstance(module, nn.Linear)}
        if not self.lora_targets or not set(self.lora_targets) <= ends:
            raise InputError(f"lora_targets={self.lora_targets}: the linear maps end in {', '.join(sorted(ends))}")
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=self.lora_targets, lora_dropout=0.0)
        peft.inject_adapter_in_model(config, network)


def _transformers() -> Any:
    mend_torchvision()
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise InputError('frontend=hf needs the package transformers: pip install "ricercar[encoders]"') from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _folder_of(model: str, revision: str | None) -> Path:
    """Where the files are: as given, or where the hub's client keeps what it downloads."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise InputError(f"model={model}: there is no such folder. Give {_EXPECTED}, or a name of the hub: OWNER/NAME.")
    if not isinstance(revision, str) or not _COMMIT.fullmatch(revision):
        raise InputError(
            f"revision={revision}: give the commit of {model} (40 hexadecimal digits, on its page under Files and "
            "versions, History): a model that may change gives results that nobody can make again."
        )
    _transformers()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    def downloaded(*patterns: str) -> Path:
        return Path(snapshot_download(model, revision=revision, allow_patterns=[*patterns]))

    try:
        found = downloaded("*.json", "*.py", WEIGHTS[0])
        return found if any(found.glob(WEIGHTS[0])) else downloaded("*.json", "*.py", WEIGHTS[1])
    except GatedRepoError as error:
        raise InputError(f"model={model}: its owner asks for an agreement on its page, and `hf auth login`.") from error
    except RevisionNotFoundError as error:
        raise InputError(f"revision={revision}: {model} has no such commit.") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"model={model}: there is no such folder, and no such model on the hub.") from error
    except Exception as error:  # of several libraries: no network, a proxy, a full disk
        raise InputError(
            f"model={model} cannot be downloaded ({_first_line(error)}). Where there is a network: "
            f"hf download {model} --revision {revision} --local-dir FOLDER, and then frontend.model=FOLDER."
        ) from error


def _config_of(folder: Path, model: str, trusted: bool) -> Any:
    for name in (CONFIG, INPUT):
        if not (folder / name).is_file():
            raise InputError(f"model={model}: there is no {name} in it: give {_EXPECTED}.")
    try:
        return _transformers().AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    except Exception as error:  # the model's own code may be part of it
        if not trusted and "auto_map" in (folder / CONFIG).read_text("utf-8", errors="replace"):
            raise InputError(
                f"model={model}: brings code of its own ({', '.join(sorted(each.name for each in folder.glob('*.py')))}"
                "): read it, and allow it by frontend.trust_remote_code=true."
            ) from error
        raise InputError(f"model={model}: {CONFIG} cannot be read: {_first_line(error)}") from error


def _family_of(config: Any, folder: Path, model: str) -> _Family:
    """InputError for a model that takes something else than audio, or in a way that is not known here."""
    kind = config.model_type
    if getattr(config, "conv_stride", None) and getattr(config, "conv_kernel", None):
        return _of_samples(config, folder)
    makers = {"whisper": _of_whisper, "audio-spectrogram-transformer": _of_patches}
    if kind in makers:
        return makers[kind](config, _transformers().AutoFeatureExtractor.from_pretrained(folder))
    raise InputError(
        f"model={model} is of the kind {kind!r}: known are those that take samples through strided convolutions "
        f"(wav2vec2, hubert, wavlm, data2vec-audio ...), {' and '.join(makers)}."
    )


def _of_samples(config: Any, folder: Path) -> _Family:
    """Frame i sees `field` samples from i * stride on."""
    given = json.loads((folder / INPUT).read_text("utf-8"))
    stride, field = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        field += (kernel - 1) * stride
        stride *= step

    def prepared(audio: Tensor) -> Tensor:
        if not given.get("do_normalize", True):
            return audio
        variance, mean = torch.var_mean(audio, dim=1, correction=0, keepdim=True)
        return (audio - mean) / torch.sqrt(variance + 1e-7)

    def frames(hidden: Tensor, num_samples: int) -> Tensor:
        return hidden.transpose(1, 2)

    return _Family(given.get("sampling_rate", 16000), stride, (field - 1) / 2, field, None, prepared, frames)


def _of_whisper(config: Any, extractor: Any) -> _Family:
    """Log-mel frames centred on multiples of the hop, two of which make a frame, always of as many seconds."""
    stride = 2 * extractor.hop_length

    def frames(hidden: Tensor, num_samples: int) -> Tensor:
        return hidden.transpose(1, 2)[..., : 1 + num_samples // stride]

    return _Family(
        extractor.sampling_rate,
        stride,
        0.0,
        extractor.n_fft,
        extractor.n_samples,
        _by(extractor, "input_features"),
        frames,
        lambda model: model.encoder,
    )


def _of_patches(config: Any, extractor: Any) -> _Family:
    """Patches of AST: frames of 25 ms every 10 ms, `patch_size` of them in a patch."""
    rate = extractor.sampling_rate
    length, hop = 25 * rate // 1000, 10 * rate // 1000
    rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    shortest = length + (config.patch_size - 1) * hop

    def frames(hidden: Tensor, num_samples: int) -> Tensor:
        num_frames = 1 + (num_samples - shortest) // (hop * config.time_stride)
        patches = hidden[:, 2:]  # without the tokens of class and teacher
        patches = patches.reshape(len(hidden), rows, -1, hidden.shape[2]).mean(dim=1)
        return patches.transpose(1, 2)[..., :num_frames]

    return _Family(
        rate,
        hop * config.time_stride,
        (shortest - 1) / 2,
        shortest,
        length + (config.max_length - 1) * hop,
        _by(extractor, "input_values"),
        frames,
    )


def _by(extractor: Any, name: str) -> Callable[[Tensor], Tensor]:
    """By a feature extractor of transformers, on the CPU."""

    def prepared(audio: Tensor) -> Tensor:
        sounds = list(audio.detach().cpu().numpy())
        found = extractor(sounds, sampling_rate=extractor.sampling_rate, return_tensors="pt")[name]
        return torch.as_tensor(found).to(audio.device)

    return prepared


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
