"""The choice of spectrograms: what a network is fed, and what goes together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray

from configs import composed
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.spectrogram_store import Analysis, SpectrogramStore
from ricercar.data.batches.spectrograms import Cached, Fresh
from ricercar.data.batches.windows import AudioWindows
from ricercar.data.track import Track
from ricercar.errors import InputError


class Counting:
    """Samples 0, 1, 2 ... in int16's steps."""

    def key(self) -> str:
        return "counting"

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        return (np.arange(1000) / 32768).astype(np.float32)


TRACK = Track("a", "train", "a", Counting())
ANALYSIS = Analysis("k", 160, torch.abs)


def test_fresh_spectrograms_are_fed_audio(tmp_path: Path) -> None:
    store = AudioStore(tmp_path, 16000)
    windows = Fresh().windows(store, 160, ANALYSIS)
    assert isinstance(windows, AudioWindows)
    assert windows.num_samples(TRACK) == 1000
    assert windows.read(TRACK, 5, 3).tolist() == list(range(5, 325))
    assert windows.read(TRACK, -100, 2).tolist() == [0] * 100 + list(range(60))


@pytest.mark.parametrize("start", [0, 20])
def test_sound_is_played_faster(start: int, tmp_path: Path) -> None:
    """Twice as fast is every second sample, but for the ends, where the sound begins and ends at once."""
    windows = AudioWindows(AudioStore(tmp_path, 16000), 160)
    faster = windows.read_faster(TRACK, start, 3, 2.0)
    assert faster.shape == (320,)
    np.testing.assert_allclose(faster[40:280], start + 2 * np.arange(40, 280), atol=1)


@pytest.mark.parametrize(("limit_gb", "limit_bytes"), [(None, None), (1.5, 1_500_000_000)])
def test_cached_spectrograms_have_their_limit(limit_gb: float | None, limit_bytes: int | None, tmp_path: Path) -> None:
    store = AudioStore(tmp_path, 16000)
    windows = Cached(limit_gb=limit_gb).windows(store, 160, ANALYSIS)
    assert isinstance(windows, SpectrogramStore)
    assert windows.limit_bytes == limit_bytes


@pytest.mark.parametrize(
    ("augmentation", "trained", "message"),
    [("standard", False, "augmentation=none"), ("none", True, "trainable=false"), ("none", False, "")],
)
def test_cached_spectrograms_need_sound_as_it_is_and_a_fixed_frontend(
    augmentation: str, trained: bool, message: str
) -> None:
    made = instantiate(composed(f"augmentation={augmentation}").augmentation, _convert_="all")
    if message:
        with pytest.raises(InputError, match=f"spectrogram=cached.*{message}"):
            Cached(limit_gb=1).check(made, trained)
    else:
        Cached(limit_gb=1).check(made, trained)


@pytest.mark.parametrize("limit_gb", [0, -1.0, "much"])
def test_limit_is_a_number(limit_gb: Any) -> None:
    with pytest.raises(InputError, match="limit_gb"):
        Cached(limit_gb=limit_gb)
