"""A finished run as an encoder: what its backbone makes of audio, for another task."""

from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from ricercar.checks import check_flag
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.checkpoints import read_safely
from ricercar.models.encoders.encoder import RANDOM_SEED, Encoder, content_hash

_STAGES = ("frontend", "compression", "normalisation", "backbone")


class RunEncoder(Encoder):
    """(B, N) audio -> (B, 1, D, T) features of a run's backbone; (B, D, P, T) where it keeps P pitches apart.

    model    the folder of the run; its sample_rate and hop_length are needed here, and it is given windows as it was
    random   the same network with random weights; normalisation=whitening has then measured nothing, and is refused
    """

    sources = ("models", "harness/encoder.py")

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        model: str,
        random: bool,
        precision: str,
        trainable: bool,
        about: dict[str, Any],
    ) -> None:
        check_flag(random=random)
        self._run, self._random = Path(model).expanduser(), random
        path = self._run / ".hydra" / "config.yaml"
        self._best = self._run / "checkpoints" / "best.pt"
        for needed in (path, self._best):
            if not needed.is_file():
                raise InputError(f"model={model}: there is no {needed}: give the folder of a finished run.")
        try:
            cfg = OmegaConf.load(path)
        except (yaml.YAMLError, OSError, ValueError) as error:
            raise InputError(f"model={model}: {path} cannot be read: {error}") from error
        assert isinstance(cfg, DictConfig)
        self._cfg = cfg
        if hop_length != cfg.hop_length:
            raise InputError(f"hop_length={hop_length}: the run has hop_length={cfg.hop_length}.")
        with torch.random.fork_rng(devices=[]):
            backbone: Any = self._stages()["backbone"]
        apart = backbone.num_pitches > 1
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            network_rate=cfg.sample_rate,
            layers=range(backbone.dim if apart else 1),
            num_features=backbone.num_pitches if apart else backbone.dim,
            window_s=(cfg.window_frames - 1) * hop_length / sample_rate,
            overlap_s=2 * cfg.border_frames * hop_length / sample_rate,
            precision=precision,
            trainable=trainable,
            about=about,
        )
        if apart:
            self.bins_per_semitone, self.lowest_pitch = 1, backbone.lowest_pitch
        self.stride, self.offset = hop_length, 0.0
        self.name = self._run.resolve().name
        hashed = content_hash(self._run)
        self.weights = f"random {hashed}" if random else hashed
        self.to_train()

    def load(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(RANDOM_SEED)
            stages = self._stages()
        if not self._random:
            weights = read_safely(self._best)["net"]
            own = {name: value for name, value in weights.items() if name.split(".")[0] in _STAGES}
            try:
                stages.load_state_dict(own)
            except RuntimeError as error:
                raise InputError(f"model={self._run}: the weights do not fit its configuration: {error}") from error
        return stages

    def hidden(self, network: nn.Module, audio: Tensor) -> list[Tensor]:
        assert isinstance(network, nn.ModuleDict)
        num_frames, window = 1 + audio.shape[1] // self.hop_length, (self._cfg.window_frames - 1) * self.hop_length
        values = nn.functional.pad(audio, (0, max(0, window - audio.shape[1])))
        for stage in _STAGES:
            values = network[stage](values)
        features = values[:, :num_frames]  # (B, T, P, D)
        if features.shape[2] == 1:
            return [features[:, :, 0].transpose(1, 2)]
        return list(features.permute(3, 0, 2, 1))

    def _stages(self) -> nn.ModuleDict:
        frontend = assemble.make(self._cfg.frontend)
        size = {"num_bins": frontend.num_bins}
        return nn.ModuleDict(
            {
                "frontend": frontend,
                "compression": assemble.make(self._cfg.compression, **size),
                "normalisation": assemble.make(self._cfg.normalisation, num_channels=frontend.num_channels, **size),
                "backbone": assemble.make(
                    self._cfg.backbone, spectrogram=frontend.spectrogram(self._cfg.window_frames)
                ),
            }
        )
