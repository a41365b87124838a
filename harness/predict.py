"""Whole tracks through a network that takes windows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricercar.data.batches.crops import to_float
from ricercar.data.batches.windows import Windows
from ricercar.data.track import Track
from ricercar.models.net import Net

Logits = dict[str, NDArray[Any]]


class Predict:
    """Tracks -> for each {output: (T, K)} logits of the whole track, or {output: (K,)} for a clip-level output.

    Windows have the length that the network was trained on. They overlap, and `border_frames` at both ends of each
    are dropped, unless all outputs are clip-level: then they follow one another. Clip-level logits are averaged in
    proportion to the frames inside the track. Tokens are (W, S), those of each window. Batches are filled with the
    windows of several tracks.
    """

    def __init__(
        self, *, windows: Windows, num_frames: int, border_frames: int, batch_size: int, device: torch.device
    ) -> None:
        assert 0 <= 2 * border_frames < num_frames
        self.windows = windows
        self.num_frames = num_frames
        self.border_frames = border_frames
        self.batch_size = batch_size
        self.device = device

    def __call__(self, net: Net, tracks: Sequence[Track]) -> Iterator[tuple[Track, Logits]]:
        """In the order of `tracks`; each as soon as its last window is through the network."""
        net.eval()
        border = 0 if set(net.clip_level) == set(net.heads) else self.border_frames
        step = self.num_frames - 2 * border
        total_frames = [1 + self.windows.num_samples(track) // self.windows.hop_length for track in tracks]
        first_frames = [list(range(-border, total - border, step)) for total in total_frames]
        every = ((number, first) for number, own in enumerate(first_frames) for first in own)
        number = 0
        waiting: list[dict[str, Tensor]] = []  # the windows of tracks that are not complete, one by one
        while chunk := list(islice(every, self.batch_size)):
            waiting += self._through(net, [(tracks[k], first, total_frames[k]) for k, first in chunk])
            while number < len(tracks) and len(waiting) >= len(first_frames[number]):
                own, waiting = waiting[: len(first_frames[number])], waiting[len(first_frames[number]) :]
                yield tracks[number], self._joined(net, own, slice(border, border + step), total_frames[number])
                number += 1

    @torch.no_grad()
    def _through(self, net: Net, windows: Sequence[tuple[Track, int, int]]) -> list[dict[str, Tensor]]:
        """Windows (track, first frame, frames of the track) -> for each {output: (T, K) or (K,), "": frames inside}."""
        hop_length = self.windows.hop_length
        read = [self.windows.read(track, first * hop_length, self.num_frames) for track, first, _ in windows]
        frames = torch.tensor([first for _, first, _ in windows])[:, None] + torch.arange(self.num_frames)
        valid = (frames >= 0) & (frames < torch.tensor([total for *_, total in windows])[:, None])
        logits = net(to_float(torch.from_numpy(np.stack(read)).to(self.device)), valid.to(self.device))
        each = {name: values.cpu().unbind() for name, values in {**logits, "": valid.sum(dim=1)}.items()}
        return [dict(zip(each, own, strict=True)) for own in zip(*each.values(), strict=True)]

    def _joined(self, net: Net, windows: Sequence[dict[str, Tensor]], inside: slice, total_frames: int) -> Logits:
        weight = torch.stack([window.pop("") for window in windows])[:, None].float()
        weight = weight / weight.sum()
        whole = {}
        for name in windows[0]:
            values = torch.stack([window[name] for window in windows])
            if name in net.clip_level:
                whole[name] = (values * weight).sum(dim=0).numpy()
            elif name in net.sequences:
                whole[name] = values.numpy()
            else:
                whole[name] = values[:, inside].flatten(0, 1)[:total_frames].numpy()
        return whole
