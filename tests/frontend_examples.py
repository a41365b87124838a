"""Frontends and sounds for tests."""

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from configs import composed, frontends
from ricercar.models.frontends.frontend import Frontend

FRONTENDS = frontends()
TRAINABLE = [name for name in FRONTENDS if "trainable" in composed(f"frontend={name}").frontend]
Array = npt.NDArray[np.float64]


@cache
def configured(name: str) -> DictConfig:
    cfg = composed(f"frontend={name}").frontend
    assert isinstance(cfg, DictConfig)
    return cfg


def make(name: str, **options: Any) -> Frontend:
    frontend = instantiate(configured(name), _convert_="all", **options)
    assert isinstance(frontend, Frontend)
    return frontend


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return (0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def sinusoid(freq_hz: float, sample_rate: int = 16000, num_samples: int = 48000) -> Tensor:
    return torch.sin(2 * math.pi * freq_hz / sample_rate * torch.arange(num_samples, dtype=torch.float64)).float()[None]


def relative_error(estimate: Tensor | Array, reference: Tensor | Array) -> float:
    estimate, reference = (np.asarray(torch.as_tensor(values).detach(), np.float64) for values in (estimate, reference))
    return float(np.linalg.norm(estimate - reference) / np.linalg.norm(reference))
