"""Random windows of tracks with their targets, for training."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.batches.windows import AudioWindows, Windows
from ricercar.data.track import Track
from ricercar.errors import InputError

Annotations = dict[str, Annotation | None]
_LOUDEST = 32767.0
Encode = Callable[[Annotations, float, int, float], dict[str, NDArray[Any]]]


class Crops:
    """Item i -> {"input": what `windows` reads, "targets": {name: (T, K)}, "labelled": {task: ()}, "valid": (T,)}.

    An endless stream: item i depends on (seed, i) and on nothing else, so that training resumes exactly.
    Tracks are drawn in proportion to their length (parts of several data sets in proportion to theirs to the power
    `balance`), a window's start to the sample, or to the frame where windows are spectrograms. `valid` (bool) marks the
    frames inside the track; `labelled` (bool) says for which tasks the track has a training annotation. Pitch is
    shifted by playing the audio faster or slower, in whole semitones that the labels follow, plus a detuning within
    `detune_cents`: labels with pitches or frequencies follow both.

    Up to `mix_examples` such windows, of tracks drawn each by itself, are summed to one item, and their labels united
    (MT3, Gardner et al. 2022): each number is equally likely, and all but the first window have a level drawn from
    `mix_db`. A sum that is too loud is made quieter.
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
        mix_examples: int,
        mix_db: tuple[float, float],
        balance: float,
    ) -> None:
        assert tracks
        if windows.on_frames and (pitch_shift_semitones or detune_cents or mix_examples > 1):
            raise InputError(
                f"pitch_shift_semitones={pitch_shift_semitones}, detune_cents={detune_cents} and mix_examples="
                f"{mix_examples} need each window's own sound: set them to 0, 0 and 1, or take spectrogram=fresh."
            )
        self.tracks = tracks
        self.annotations = [training_annotations(track.annotations) for track in tracks]
        if mix_examples > 1:
            _check_united(self.annotations, mix_examples)
        self.encode = encode
        self.windows = windows
        self.num_frames = num_frames
        self.seed = seed
        self.pitch_shift_semitones = pitch_shift_semitones
        self.detune_cents = detune_cents
        self.mix_examples = mix_examples
        self.mix_db = mix_db
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
        found = [[self.annotations[number] for _, number in self._drawn(index)] for index in indices]
        return {
            name: torch.tensor([all(each[name] is not None for each in several) for several in found])
            for name in self.annotations[0]
        }

    def _drawn(self, index: int) -> list[tuple[np.random.Generator, int]]:
        """Of each window of an item its random numbers, and its track's number, which was the first of them."""
        streams = [np.random.default_rng((self.seed, index))]
        if self.mix_examples > 1:
            more = int(np.random.default_rng((self.seed, index, 0)).integers(self.mix_examples))
            streams += [np.random.default_rng((self.seed, index, k + 1)) for k in range(more)]
        most = len(self.tracks) - 1
        return [(random, min(int(self._up_to.searchsorted(random.random())), most)) for random in streams]

    def _item(self, index: int) -> dict[tuple[str, str], NDArray[Any]]:
        """{(part of the batch, name within it): array}"""
        first, *more = [self._window(random, number) for random, number in self._drawn(index)]
        input, annotations, start_s, valid = self._mixed(index, first, more) if more else first
        targets = self.encode(annotations, start_s, self.num_frames, self.windows.sample_rate / self.windows.hop_length)
        return {
            ("input", ""): input,
            ("valid", ""): valid,
            **{("targets", name): target for name, target in targets.items()},
            **{("labelled", name): np.array(each is not None) for name, each in annotations.items()},
        }

    def _window(self, random: np.random.Generator, number: int) -> "_Window":
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

        valid = np.arange(self.num_frames) <= (length - start) / faster / hop_length
        return _Window(window, annotations, start / windows.sample_rate / faster, valid)

    def _mixed(self, index: int, first: "_Window", more: Sequence["_Window"]) -> "_Window":
        """The sum. Labels are those of the window that begins last in its track; all others are moved to it."""
        levels_db = np.random.default_rng((self.seed, index, self.mix_examples)).uniform(*self.mix_db, len(more))
        audio = first.input.astype(np.float32)
        for each, level_db in zip(more, levels_db.tolist(), strict=True):
            audio += each.input * np.float32(10.0 ** (level_db / 20.0))
        loudest = float(np.abs(audio).max(initial=0.0))
        if loudest > _LOUDEST:
            audio *= _LOUDEST / loudest
        last, *others = sorted([first, *more], key=lambda each: -each.start_s)
        united = dict(last.annotations)
        for each in others:
            for name, own in each.annotations.items():
                both = united[name]
                united[name] = None if both is None or own is None else both.mixed(own, last.start_s - each.start_s)
        valid = np.logical_or.reduce([first.valid, *(each.valid for each in more)])
        return _Window(np.rint(audio).astype(np.int16), united, last.start_s, valid)


class _Window(NamedTuple):
    """input: (N,) or (C, F, T). start_s: where it begins in the track, as annotations have its time."""

    input: NDArray[Any]
    annotations: Annotations
    start_s: float
    valid: NDArray[np.bool_]


def _check_united(annotations: Sequence[Annotations], mix_examples: int) -> None:
    """InputError where a task learns from labels that two sounds do not have together."""
    for name, each in ((name, each) for found in annotations for name, each in found.items() if each is not None):
        if type(each).mixed is Annotation.mixed:
            raise InputError(
                f"augmentation.mix_examples={mix_examples}: task={name} learns from {each.name}, and two sounds at "
                "once do not have what both have of it. Set it to 1; notes, onsets and drums can be mixed."
            )


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
        self._blocks: dict[tuple[tuple[int, ...], np.dtype[Any]], list[tuple[NDArray[Any], ref[_Lent]]]] = {}
        self._one_at_a_time = Lock()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """As numpy.empty. What is made from the array, such as a tensor or a view of either, holds its memory."""
        with self._one_at_a_time:
            blocks = self._blocks.setdefault((shape, np.dtype(dtype)), [])
            free = next((number for number, (_, lent) in enumerate(blocks) if lent() is None), None)
            block = np.empty(shape, dtype) if free is None else blocks.pop(free)[0]
            lent = _Lent(block)
            blocks.append((block, ref(lent)))
            return np.asarray(lent)

    def __reduce__(self) -> tuple[type["Recycled"], tuple[()]]:
        """Another process begins with memory of its own."""
        return Recycled, ()


class _Lent:
    """A block of memory, which is free again when nobody holds this any more.

    An array made from it holds it, and is itself held by every view: NumPy lets views of views hold the first array,
    not what that one was made from. It has no __del__: Python drops what is raised there, and with it Ctrl-C.
    """

    def __init__(self, block: NDArray[Any]) -> None:
        self._block = block
        self.__array_interface__ = block.__array_interface__
