"""Random windows of tracks with their targets, for training."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio_store import AudioStore
from ricercar.data.track import Track

Taught = dict[str, Annotation | None]
Encode = Callable[[Taught, float, int, float], dict[str, NDArray[np.float32]]]


class Crops(Dataset[dict[str, Any]]):
    """Item i -> {"audio": (N,) int16, "targets": {name: (T, K)}, "labelled": {task: () bool}, "valid": (T,) bool}.

    N = (T - 1) * hop_length. `labelled` says for which tasks the track has something to teach; `taught` finds it.

    An endless stream: item i depends on (seed, i) and on nothing else, so that training resumes exactly.
    Tracks are drawn in proportion to their length, a window's start to the sample. `valid` marks the frames
    inside the track. Pitch is shifted by playing the audio faster or slower (soxr), in whole semitones that the
    labels follow, plus a detuning within `detune_cents` that only labels in Hz follow.
    """

    def __init__(
        self,
        *,
        tracks: Sequence[Track],
        taught: Callable[[Mapping[str, Annotation]], Taught],
        encode: Encode,
        store: AudioStore,
        hop_length: int,
        num_frames: int,
        seed: int,
        pitch_shift_semitones: int,
        detune_cents: float,
    ) -> None:
        assert tracks
        self.tracks = tracks
        self.taught = [taught(track.annotations) for track in tracks]
        self.encode = encode
        self.store = store
        self.hop_length = hop_length
        self.num_frames = num_frames
        self.seed = seed
        self.pitch_shift_semitones = pitch_shift_semitones
        self.detune_cents = detune_cents
        self.num_samples = (num_frames - 1) * hop_length
        lengths = np.array([store.num_samples(track) for track in tracks], dtype=np.float64)
        self.total_s = float(lengths.sum()) / store.sample_rate
        self._up_to = np.cumsum(lengths) / lengths.sum()

    def __getitem__(self, index: int) -> dict[str, Any]:
        random = np.random.default_rng((self.seed, index))
        number = min(int(np.searchsorted(self._up_to, random.random())), len(self.tracks) - 1)
        track, taught = self.tracks[number], self.taught[number]
        semitones = int(random.integers(-self.pitch_shift_semitones, self.pitch_shift_semitones + 1))
        cents = float(random.uniform(-self.detune_cents, self.detune_cents))
        faster = 2.0 ** ((semitones + cents / 100.0) / 12.0)

        needed = int(np.ceil(self.num_samples * faster))
        length = self.store.num_samples(track)
        start = int(random.integers(0, max(length - needed, 0) + 1))
        audio = self.store.read(track, start, needed)
        if faster != 1.0:
            audio = _exactly(soxr.resample(audio, faster, 1.0, quality="MQ"), self.num_samples)
            taught = {
                name: None if each is None else each.transposed(semitones).detuned(cents).stretched(1.0 / faster)
                for name, each in taught.items()
            }

        sample_rate = self.store.sample_rate
        start_s = start / sample_rate / faster
        targets = self.encode(taught, start_s, self.num_frames, sample_rate / self.hop_length)
        frames_left = (length - start) / faster / self.hop_length
        return {
            "audio": torch.from_numpy(audio),
            "targets": {name: torch.from_numpy(target) for name, target in targets.items()},
            "labelled": {name: torch.tensor(each is not None) for name, each in taught.items()},
            "valid": torch.arange(self.num_frames) <= frames_left,
        }


def to_float(audio: Tensor) -> Tensor:
    """int16 -> float32 in [-1, 1): done on the device that computes."""
    return audio.float() / 32768.0


def _exactly(audio: NDArray[np.int16], num_samples: int) -> NDArray[np.int16]:
    return np.pad(audio, (0, max(num_samples - len(audio), 0)))[:num_samples]
