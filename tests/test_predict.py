"""Prediction by windows gives what the network would give on the whole track."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ricercar.harness.predict import Predict

HOP = 100


class _Echo(torch.nn.Module):
    """Per frame: the audio's value at the frame's sample. Clip-level: the mean of the valid ones."""

    def __init__(self, clip_level: bool) -> None:
        super().__init__()
        self.heads = ["x"]
        self.clip_level = ["x"] if clip_level else []

    def forward(self, audio: torch.Tensor, valid: torch.Tensor) -> dict[str, torch.Tensor]:
        value = torch.nn.functional.pad(audio, (0, 1))[:, ::HOP][..., None] * 32768
        if self.clip_level:
            weight = valid[..., None].float()
            return {"x": (value * weight).sum(1) / weight.sum(1).clamp(min=1)}
        return {"x": value}


def predict_all(num_samples: int, num_frames: int, border: int, clip_level: bool) -> Any:
    samples = (np.arange(num_samples) // HOP).astype(np.int16)

    def read(track: object, start: int, count: int) -> np.ndarray:
        padded = np.concatenate([np.zeros(10_000, np.int16), samples, np.zeros(20_000, np.int16)])
        return padded[10_000 + start : 10_000 + start + count]

    store = SimpleNamespace(num_samples=lambda track: num_samples, read=read)
    predict = Predict(
        store=store,  # type: ignore[arg-type]
        hop_length=HOP,
        num_frames=num_frames,
        border_frames=border,
        batch_size=3,
        device=torch.device("cpu"),
    )
    return predict(_Echo(clip_level), None)["x"]  # type: ignore[arg-type]


@pytest.mark.parametrize("num_samples", [1, 99, 100, 2499, 2500, 2501, 9999])
@pytest.mark.parametrize("border", [0, 4])
def test_frames_are_those_of_the_whole_track(num_samples: int, border: int) -> None:
    found = predict_all(num_samples, 25, border, clip_level=False)[:, 0]
    expected = np.arange(1 + num_samples // HOP, dtype=np.float32)
    if border == 0:  # the last frame of a window lies on the first sample after it: its value here is a zero
        expected[24::25] = 0
    if num_samples % HOP == 0:  # the last frame lies on the end of the track
        expected[-1] = 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_samples", [50, 2499, 9950])
def test_clip_level_averages_over_the_track(num_samples: int) -> None:
    found = predict_all(num_samples, 26, 0, clip_level=True)
    frames = np.arange(1 + num_samples // HOP, dtype=np.float64)
    frames[25::26] = 0
    np.testing.assert_allclose(found, [frames.mean()], rtol=1e-5)
