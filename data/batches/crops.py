"""Random windows of tracks with their targets, for training."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.batches.windows import AudioWindows, Windows
from ricercar.data.track import Track
from ricercar.errors import InputError

Annotations = dict[str, Annotation | None]
Encode = Callable[[Annotations, float, int, float], dict[str, NDArray[Any]]]


class Crops:
    """Item i -> {"input": what `windows` reads, "targets": {name: (T, K)}, "labelled": {task: ()}, "valid": (T,)}.

    An endless stream: item i depends on (seed, i) and on nothing else, so that training resumes exactly.
    Tracks are drawn in proportion to their length (parts of several data sets in proportion to theirs to the power
    `balance`), a window's start to the sample, or to the frame where windows are spectrograms. `valid` (bool) marks the
    frames inside the track; `labelled` (bool) says for which tasks the track has a training annotation. Pitch is
    shifted by playing the audio faster or slower, in whole semitones that the labels follow, plus a detuning within
    `detune_cents`: labels with pitches or frequencies follow both.
    """

    def __init__(
        self,
        *,
        tracks: Sequence[Track],
        training_annotations: Callable[[Mapping[str, Annotation]], Annotations],
        encode: Encode,
        windows: Windows,
        num_frames: int,
        seed: int,
        pitch_shift_semitones: int,
        detune_cents: float,
        balance: float,
    ) -> None:
        assert tracks
        if windows.on_frames and (pitch_shift_semitones or detune_cents):
            raise InputError(
                f"pitch_shift_semitones={pitch_shift_semitones} and detune_cents={detune_cents} need each window's "
                "own sound: set both to 0, or take spectrogram=fresh."
            )
        self.tracks = tracks
        self.annotations = [training_annotations(track.annotations) for track in tracks]
        self.encode = encode
        self.windows = windows
        self.num_frames = num_frames
        self.seed = seed
        self.pitch_shift_semitones = pitch_shift_semitones
        self.detune_cents = detune_cents
        self.num_samples = (num_frames - 1) * windows.hop_length
        self.lengths = [windows.num_samples(track) for track in tracks]
        self.total_s = sum(self.lengths) / windows.sample_rate
        shares = np.cumsum(_balanced(self.lengths, [track.part for track in tracks], balance))
        self._up_to = shares / shares[-1]
        self._memory = Recycled()

    def batch(self, indices: Sequence[int]) -> dict[str, Any]:
        """The items `indices`, stacked: each tensor begins with an axis B."""
        arrays: dict[tuple[str, str], NDArray[Any]] = {}
        for place, index in enumerate(indices):
            for key, value in self._item(index).items():
                if place == 0:
                    arrays[key] = self._memory.empty((len(indices), *value.shape), value.dtype)
                arrays[key][place] = value
        batch: dict[str, Any] = {"targets": {}, "labelled": {}}
        for (part, name), array in arrays.items():
            if name:
                batch[part][name] = torch.from_numpy(array)
            else:
                batch[part] = torch.from_numpy(array)
        return batch

    def labelled(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Of the items `indices` this alone: {task: (B,) bool}."""
        found = [self.annotations[self._drawn(index)[1]] for index in indices]
        return {name: torch.tensor([each[name] is not None for each in found]) for name in self.annotations[0]}

    def _drawn(self, index: int) -> tuple[np.random.Generator, int]:
        """The random numbers of an item, and its track's number, which was the first of them."""
        random = np.random.default_rng((self.seed, index))
        return random, min(int(self._up_to.searchsorted(random.random())), len(self.tracks) - 1)

    def _item(self, index: int) -> dict[tuple[str, str], NDArray[Any]]:
        """{(part of the batch, name within it): array}"""
        random, number = self._drawn(index)
        track, annotations, length = self.tracks[number], self.annotations[number], self.lengths[number]
        semitones = int(random.integers(-self.pitch_shift_semitones, self.pitch_shift_semitones + 1))
        cents = float(random.uniform(-self.detune_cents, self.detune_cents))
        faster = 2.0 ** ((semitones + cents / 100.0) / 12.0)

        windows, hop_length = self.windows, self.windows.hop_length
        room = max(length - int(np.ceil(self.num_samples * faster)), 0)
        if windows.on_frames:
            start = hop_length * int(random.integers(0, room // hop_length + 1))
        else:
            start = int(random.integers(0, room + 1))
        if faster == 1.0:
            window = windows.read(track, start, self.num_frames)
        else:
            assert isinstance(windows, AudioWindows)
            window = windows.read_faster(track, start, self.num_frames, faster)
            annotations = {
                name: None if each is None else each.transposed(semitones).detuned(cents).stretched(1.0 / faster)
                for name, each in annotations.items()
            }

        start_s = start / windows.sample_rate / faster
        targets = self.encode(annotations, start_s, self.num_frames, windows.sample_rate / hop_length)
        valid = np.arange(self.num_frames) <= (length - start) / faster / hop_length
        return {
            ("input", ""): window,
            ("valid", ""): valid,
            **{("targets", name): target for name, target in targets.items()},
            **{("labelled", name): np.array(each is not None) for name, each in annotations.items()},
        }


def _balanced(lengths: Sequence[int], parts: Sequence[str], balance: float) -> NDArray[np.float64]:
    """-> in proportion to how often each track is drawn."""
    of_part = {part: sum(each for each, own in zip(lengths, parts, strict=True) if own == part) for part in set(parts)}
    return np.array([each * of_part[part] ** (balance - 1.0) for each, part in zip(lengths, parts, strict=True)])


def to_float(window: Tensor) -> Tensor:
    """int16 audio -> float32 in [-1, 1), on the device that computes; the values of a spectrogram as they are."""
    return window.float() if window.is_floating_point() else window.float() / 32768.0


class Recycled:
    """Arrays of megabytes, again and again: the memory of one that nobody holds any more serves for the next.

    Fresh memory comes from the system page by page, which takes longer than to fill it.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[tuple[int, ...], np.dtype[Any]], list[NDArray[Any]]] = {}

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """As numpy.empty. What is made from the array, such as a tensor or a view of either, holds its memory."""
        free = self._free.setdefault((shape, np.dtype(dtype)), [])
        return np.asarray(_Lent(free.pop() if free else np.empty(shape, dtype), free))

    def __reduce__(self) -> tuple[type["Recycled"], tuple[()]]:
        """Another process begins with memory of its own."""
        return Recycled, ()


class _Lent:
    """A block of memory, which goes back to those that are free when nobody holds this any more.

    An array made from it holds it, and is itself held by every view: NumPy lets views of views hold the first array,
    not what that one was made from.
    """

    def __init__(self, block: NDArray[Any], free: list[NDArray[Any]]) -> None:
        self._block, self._free = block, free
        self.__array_interface__ = block.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._block)
