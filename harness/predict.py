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
        first_frames = [range(-border, total - border, step) for total in total_frames]
        every = ((number, first) for number, own in enumerate(first_frames) for first in own)
        number = 0
        whole = None
        while chunk := list(islice(every, self.batch_size)):
            for window in self._through(net, [(tracks[k], first, total_frames[k]) for k, first in chunk]):
                if whole is None:
                    whole = _Whole(net, len(first_frames[number]), total_frames[number], slice(border, border + step))
                whole.add(window)
                if whole.complete:
                    yield tracks[number], whole.logits()
                    number, whole = number + 1, None

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


class _Whole:
    """The logits of a track, which its windows are put into one by one. inside: the frames of each that count."""

    def __init__(self, net: Net, num_windows: int, total_frames: int, inside: slice) -> None:
        self.net, self.num_windows, self.total_frames, self.inside = net, num_windows, total_frames, inside
        self.added = 0
        self.frames: dict[str, NDArray[np.float32]] = {}  # of all windows, by which no output is held twice
        self.parts: list[dict[str, Tensor]] = []  # of each window what is not by frames

    @property
    def complete(self) -> bool:
        return self.added == self.num_windows

    def add(self, window: dict[str, Tensor]) -> None:
        step = self.inside.stop - self.inside.start
        first = self.added * step
        part = {}
        for name, values in window.items():
            if name == "" or name in self.net.clip_level or name in self.net.sequences:
                part[name] = values.clone()  # not a view of the whole batch
                continue
            if name not in self.frames:
                self.frames[name] = np.empty((self.total_frames, *values.shape[1:]), np.float32)
            self.frames[name][first : first + step] = values[self.inside][: self.total_frames - first].numpy()
        self.parts.append(part)
        self.added += 1

    def logits(self) -> Logits:
        weight = torch.stack([part[""] for part in self.parts])[:, None].float()
        weight = weight / weight.sum()
        whole: Logits = {}
        for name in self.net.heads:
            if name in self.frames:
                whole[name] = self.frames[name]
                continue
            values = torch.stack([part[name] for part in self.parts])
            whole[name] = (values * weight).sum(dim=0).numpy() if name in self.net.clip_level else values.numpy()
        return whole
