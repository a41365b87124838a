"""Whole tracks through a network that takes windows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricercar.data import scratch
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
        every = [self.pieces(net, track) for track in tracks]
        windows = ((pieces, number) for pieces in every for number in pieces.left)
        given = 0
        while chunk := list(islice(windows, self.batch_size)):
            self.through(net, chunk)
            while given < len(tracks) and every[given].complete:
                yield tracks[given], every[given].logits()
                every[given].forget()
                given += 1

    def pieces(self, net: Net, track: Track) -> "Pieces":
        border = 0 if set(net.clip_level) == set(net.heads) else self.border_frames
        total_frames = 1 + self.windows.num_samples(track) // self.windows.hop_length
        return Pieces(net, self.windows, track, total_frames, self.num_frames, border)

    @torch.no_grad()
    def through(self, net: Net, chunk: Sequence[tuple["Pieces", int]]) -> None:
        """Takes windows, those of each track in their order, through the network, and what it says into the pieces.

        The pieces may be those of other Predicts of the same network, which read other windows.
        """
        read = [pieces.read(number) for pieces, number in chunk]
        frames = torch.tensor([pieces.first_frame(number) for pieces, number in chunk])[:, None]
        frames = frames + torch.arange(self.num_frames)
        valid = (frames >= 0) & (frames < torch.tensor([pieces.total_frames for pieces, _ in chunk])[:, None])
        logits = net(to_float(torch.from_numpy(np.stack(read)).to(self.device)), valid.to(self.device))
        each = {name: values.cpu().unbind() for name, values in {**logits, "": valid.sum(dim=1)}.items()}
        for (pieces, number), own in zip(chunk, zip(*each.values(), strict=True), strict=True):
            pieces.add(number, dict(zip(each, own, strict=True)))


class Pieces:
    """The windows of a track, and the logits of the whole track, which those of its windows are put into one by one."""

    def __init__(
        self, net: Net, windows: Windows, track: Track, total_frames: int, num_frames: int, border: int
    ) -> None:
        self.total_frames = total_frames
        self._net, self._windows, self._track = net, windows, track
        self._num_frames, self._border, self._step = num_frames, border, num_frames - 2 * border
        self._num_windows = len(range(-border, total_frames - border, self._step))
        self._added = 0
        # Of all windows at once: small pieces that stay among large ones that go would keep the memory of both.
        self._frames: dict[str, NDArray[np.float32]] = {}
        self._windows_say: dict[str, NDArray[Any]] = {}  # what is not by frames, (W, ...)

    @property
    def left(self) -> range:
        """The numbers of the windows that are still to come."""
        return range(self._added, self._num_windows)

    @property
    def complete(self) -> bool:
        return self._added == self._num_windows

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self._added / self._num_windows

    @property
    def num_frames(self) -> int:
        """Of the track, from its beginning, what outputs by frames say is there."""
        return min(self._added * self._step, self.total_frames)

    def stretch(self, first: int, after: int) -> Logits:
        """{output: (T, K)} of the outputs by frames, of these frames, which are there."""
        return {name: values[first:after] for name, values in self._frames.items()}

    def first_frame(self, number: int) -> int:
        return number * self._step - self._border

    def read(self, number: int) -> NDArray[Any]:
        return self._windows.read(self._track, self.first_frame(number) * self._windows.hop_length, self._num_frames)

    def add(self, number: int, window: dict[str, Tensor]) -> None:
        """window: {output: (T, K) or (K,) or (S,)} and, under "", how many of its frames are inside of the track."""
        assert number == self._added
        first, inside = number * self._step, slice(self._border, self._border + self._step)
        for name, values in window.items():
            if name == "" or name in self._net.clip_level or name in self._net.sequences:
                if name not in self._windows_say:
                    each = values.numpy()
                    self._windows_say[name] = scratch.empty((self._num_windows, *each.shape), each.dtype)
                self._windows_say[name][number] = values.numpy()
                continue
            if name not in self._frames:
                self._frames[name] = scratch.empty((self.total_frames, *values.shape[1:]), np.float32)
            self._frames[name][first : first + self._step] = values[inside][: self.total_frames - first].numpy()
        self._added += 1

    def logits(self) -> Logits:
        """Of the whole track, once it is complete."""
        assert self.complete
        weight = torch.from_numpy(self._windows_say[""])[:, None].float()
        weight = weight / weight.sum()
        whole: Logits = {}
        for name in self._net.heads:
            if name in self._frames:
                whole[name] = self._frames[name]
                continue
            values = self._windows_say[name]
            clip_level = name in self._net.clip_level
            whole[name] = (torch.from_numpy(values) * weight).sum(dim=0).numpy() if clip_level else values
        return whole

    def forget(self) -> None:
        """What it holds: whoever asked has it."""
        self._frames, self._windows_say = {}, {}
