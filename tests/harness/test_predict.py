"""Prediction by windows gives what the network would give on the whole track."""

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
        self.sequences: dict[str, int] = {}

    def forward(self, audio: torch.Tensor, valid: torch.Tensor) -> dict[str, torch.Tensor]:
        value = torch.nn.functional.pad(audio, (0, 1))[:, ::HOP][..., None] * 32768
        if self.clip_level:
            weight = valid[..., None].float()
            return {"x": (value * weight).sum(1) / weight.sum(1).clamp(min=1)}
        return {"x": value}


class _Counting:
    """Windows of tracks that are known by their length: every sample holds its frame's number."""

    sample_rate = hop_length = HOP
    on_frames = False

    def num_samples(self, track: int) -> int:
        return track

    def read(self, track: int, start: int, num_frames: int) -> np.ndarray:
        place = np.arange(start, start + (num_frames - 1) * HOP)
        return np.where((place >= 0) & (place < track), place // HOP, 0).astype(np.int16)


def predict_all(lengths: list[int], num_frames: int, border: int, clip_level: bool, batch_size: int = 3) -> list[Any]:
    predict = Predict(
        windows=_Counting(),  # type: ignore[arg-type]
        num_frames=num_frames,
        border_frames=border,
        batch_size=batch_size,
        device=torch.device("cpu"),
    )
    found = list(predict(_Echo(clip_level), lengths))  # type: ignore[arg-type]
    assert [track for track, _ in found] == lengths
    return [logits["x"] for _, logits in found]


@pytest.mark.parametrize("num_samples", [1, 99, 100, 2499, 2500, 2501, 9999])
@pytest.mark.parametrize("border", [0, 4])
def test_frames_are_those_of_the_whole_track(num_samples: int, border: int) -> None:
    found = predict_all([num_samples], 25, border, clip_level=False)[0][:, 0]
    expected = np.arange(1 + num_samples // HOP, dtype=np.float32)
    if border == 0:  # the last frame of a window lies on the first sample after it: its value here is a zero
        expected[24::25] = 0
    if num_samples % HOP == 0:  # the last frame lies on the end of the track
        expected[-1] = 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_samples", [50, 2499, 9950])
def test_clip_level_averages_over_the_track(num_samples: int) -> None:
    found = predict_all([num_samples], 26, 0, clip_level=True)[0]
    frames = np.arange(1 + num_samples // HOP, dtype=np.float64)
    frames[25::26] = 0
    np.testing.assert_allclose(found, [frames.mean()], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
@pytest.mark.parametrize("clip_level", [False, True])
def test_batches_of_several_tracks(batch_size: int, clip_level: bool) -> None:
    lengths = [2600, 50, 9999, 100, 101, 5000]
    together = predict_all(lengths, 25, 4, clip_level, batch_size)
    for length, found in zip(lengths, together, strict=True):
        np.testing.assert_array_equal(found, predict_all([length], 25, 4, clip_level)[0])
