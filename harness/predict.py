"""Whole tracks through a network that takes windows."""

import numpy as np
import torch
from numpy.typing import NDArray

from ricercar.data.audio_store import AudioStore
from ricercar.data.crops import to_float
from ricercar.data.track import Track
from ricercar.models.net import Net


class Predict:
    """Track -> {output: (T, K)} logits of the whole track, or {output: (K,)} for a clip-level output.

    Windows have the length that the network was trained on. They overlap, and `border_frames` at both ends of each
    are dropped, unless all outputs are clip-level: then they follow one another. Clip-level logits are averaged in
    proportion to the frames inside the track.
    """

    def __init__(
        self,
        *,
        store: AudioStore,
        hop_length: int,
        num_frames: int,
        border_frames: int,
        batch_size: int,
        device: torch.device,
    ) -> None:
        assert 0 <= 2 * border_frames < num_frames
        self.store = store
        self.hop_length = hop_length
        self.num_frames = num_frames
        self.border_frames = border_frames
        self.batch_size = batch_size
        self.device = device

    @torch.no_grad()
    def __call__(self, net: Net, track: Track) -> dict[str, NDArray[np.float32]]:
        net.eval()
        total_frames = 1 + self.store.num_samples(track) // self.hop_length
        border = 0 if set(net.clip_level) == set(net.heads) else self.border_frames
        step = self.num_frames - 2 * border
        first_frames = list(range(-border, total_frames - border, step))
        parts: dict[str, list[torch.Tensor]] = {}
        num_valid: list[torch.Tensor] = []
        for i in range(0, len(first_frames), self.batch_size):
            firsts = first_frames[i : i + self.batch_size]
            audio = np.stack([self._window(track, first) for first in firsts])
            frames = torch.tensor(firsts)[:, None] + torch.arange(self.num_frames)
            valid = (frames >= 0) & (frames < total_frames)
            num_valid.append(valid.sum(dim=1))
            logits = net(to_float(torch.from_numpy(audio).to(self.device)), valid.to(self.device))
            for name, values in logits.items():
                parts.setdefault(name, []).append(values.cpu())
        weight = torch.cat(num_valid)[:, None]
        weight = weight / weight.sum()
        inside = slice(border, border + step)
        whole = {}
        for name, windows in parts.items():
            values = torch.cat(windows)
            if name in net.clip_level:
                whole[name] = (values * weight).sum(dim=0).numpy()
            else:
                whole[name] = values[:, inside].flatten(0, 1)[:total_frames].numpy()
        return whole

    def _window(self, track: Track, first_frame: int) -> NDArray[np.int16]:
        return self.store.read(track, first_frame * self.hop_length, (self.num_frames - 1) * self.hop_length)
