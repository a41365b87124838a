"""Sound as it comes -> events as soon as they are certain: the same that the whole recording gives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.audio.file import quantised
from ricercar.data.audio.sound import stretch
from ricercar.errors import InputError
from ricercar.harness.predict import Logits
from ricercar.use.model import Model

Event = dict[str, Any]
_MARGIN_S = 0.3  # before the last frame: what a peak has to be compared with, and how far decoding shifts it
_CONTEXT_S = 2.0  # decoded again before what is still open
_SAME_S = 1e-4


class Stream:
    """Blocks of samples in, events out. One stream is for one recording.

    Windows are those of a whole recording, so an event waits until the window that it lies in is heard to its end: for
    `latency_s` at most. A note is told of when it begins, and again when its end is certain: when the same pitch begins
    anew, or no later end is possible.

    InputError where events depend on the whole recording: of tasks other than notes and onsets, and of spectrograms
    that are made before they are cut into windows.
    """

    def __init__(self, model: Model) -> None:
        cfg = model.trained.cfg
        for name, task in model.tasks.items():
            outputs = task.outputs.values()
            if task.annotation not in (Notes, Onsets) or any(each.clip_level or each.sequence for each in outputs):
                raise InputError(
                    f"--stream: {name} cannot be told as it comes, for its {task.annotation.name} depend on the whole "
                    "recording. Tasks of notes and onsets can, with head=frames."
                )
        if "Cached" in cfg.spectrogram._target_:
            raise InputError("--stream: this run takes spectrograms of whole recordings (spectrogram=cached).")
        self.model = model
        self.hop_length: int = cfg.hop_length
        self.num_frames: int = cfg.window_frames
        self.border: int = cfg.border_frames
        self.step: int = self.num_frames - 2 * self.border
        self._samples = np.zeros(0, dtype=np.int16)
        self._dropped = 0  # samples before those that are held
        self._next = 0  # number of the window that is due
        self._tasks = {
            name: _Open(name, task.decode, model.fps, _longest_s(task)) for name, task in model.tasks.items()
        }

    @property
    def latency_s(self) -> float:
        """From when something sounds to when it is told, at most, without the time of computing."""
        seconds: float = (self.num_frames - self.border) / self.model.fps + _MARGIN_S
        return seconds

    def push(self, samples: NDArray[np.int16]) -> Iterator[Event]:
        """(N,) the next samples, at the model's rate -> what is certain now."""
        self._samples = np.concatenate([self._samples, samples])
        end = self._dropped + len(self._samples)
        while (self._first_frame + self.num_frames - 1) * self.hop_length <= end:
            yield from self._window(self.step, last=False)

    def close(self) -> Iterator[Event]:
        """What is certain now that there is no more."""
        total = 1 + (self._dropped + len(self._samples)) // self.hop_length
        while self._next * self.step < total:
            inside = min(self.step, total - self._next * self.step)
            yield from self._window(inside, last=(self._next + 1) * self.step >= total)

    @property
    def _first_frame(self) -> int:
        first: int = self._next * self.step - self.border
        return first

    def _window(self, inside: int, last: bool) -> Iterator[Event]:
        start = self._first_frame * self.hop_length - self._dropped
        logits = self.model.window(stretch(self._samples, start, (self.num_frames - 1) * self.hop_length))
        told = {name: values[self.border : self.border + inside] for name, values in logits.items()}
        self._next += 1
        gone = max(0, self._first_frame * self.hop_length - self._dropped)
        self._samples, self._dropped = self._samples[gone:], self._dropped + gone
        for name, each in self._tasks.items():
            yield from each.add(self.model.tasks.of(name, told), last)


def _longest_s(task: Any) -> float:
    """How long after its beginning an event may still change."""
    return float(task.decoding.get("max_duration_s", 0.0)) if task.annotation is Notes else 0.0


@dataclass
class _Sounding:
    number: int
    onset_s: float
    pitch: float
    program: int


class _Open:
    """The end of one task's logits, and the notes in it whose end is not certain."""

    def __init__(self, name: str, decode: Callable[[Logits, float], Annotation], fps: float, longest_s: float) -> None:
        self.name, self.decode, self.fps, self.longest_s = name, decode, fps, longest_s
        self.logits: Logits = {}
        self.first = 0  # frame of the recording that `logits` begins with
        self.sure_s = -1.0  # before which all beginnings are told
        self.num_told = 0
        self.sounding: list[_Sounding] = []

    def add(self, logits: Logits, last: bool) -> Iterator[Event]:
        for name, values in logits.items():
            self.logits[name] = np.concatenate([self.logits[name], values]) if name in self.logits else values
        num_frames = len(next(iter(self.logits.values())))
        begin_s, end_s = self.first / self.fps, (self.first + num_frames) / self.fps
        sure_s = np.inf if last else end_s - _MARGIN_S
        found = self.decode(self.logits, self.fps)
        yield from self._told(found, begin_s, end_s, sure_s)
        self.sure_s = sure_s
        kept = min([max(0.0, end_s - _MARGIN_S), *(each.onset_s for each in self.sounding)]) - _CONTEXT_S
        drop = max(0, int(kept * self.fps) - self.first)
        self.logits = {name: values[drop:] for name, values in self.logits.items()}
        self.first += drop

    def _told(self, found: Annotation, begin_s: float, end_s: float, sure_s: float) -> Iterator[Event]:
        if isinstance(found, Onsets):
            for time_s, label in zip((found.time_s + begin_s).tolist(), found.label, strict=True):
                if self.sure_s <= time_s < sure_s:
                    labelled = {"label": label} if label else {}
                    yield {"task": self.name, "event": "onset", "time_s": round(time_s, 6), **labelled}
            return
        assert isinstance(found, Notes)
        onset_s, offset_s = found.onset_s + begin_s, found.offset_s + begin_s
        for row in np.flatnonzero((onset_s >= self.sure_s) & (onset_s < sure_s)).tolist():
            note = _Sounding(self.num_told, float(onset_s[row]), float(found.pitch[row]), int(found.program[row]))
            self.num_told += 1
            self.sounding.append(note)
            program = {"program": note.program} if note.program >= 0 else {}
            yield {
                "task": self.name, "event": "on", "number": note.number, "time_s": round(note.onset_s, 6),
                "pitch": note.pitch, "velocity": int(found.velocity[row]), **program,
            }  # fmt: skip
        still = []
        for note in self.sounding:
            same = (found.pitch == note.pitch) & (found.program == note.program)
            again = same & (onset_s > note.onset_s + _SAME_S) & (onset_s < sure_s)
            if not (again.any() or note.onset_s + self.longest_s + _MARGIN_S < end_s or np.isinf(sure_s)):
                still.append(note)
                continue
            [own] = np.flatnonzero(same & (np.abs(onset_s - note.onset_s) < _SAME_S))[:1].tolist() or [None]
            if own is not None:
                yield {
                    "task": self.name,
                    "event": "off",
                    "number": note.number,
                    "time_s": round(float(offset_s[own]), 6),
                }
        self.sounding = still


class Pcm:
    """Raw little-endian PCM in any pieces -> (N,) mono samples in 16 bits at another rate, as they come."""

    def __init__(self, sample_rate: int, num_channels: int, to_rate: int) -> None:
        self.num_channels = num_channels
        self._rest = b""
        same = sample_rate == to_rate
        self._resample = None if same else soxr.ResampleStream(sample_rate, to_rate, 1, dtype="float32", quality="HQ")

    def take(self, content: bytes, last: bool = False) -> NDArray[np.int16]:
        content = self._rest + content
        whole = len(content) // (2 * self.num_channels) * 2 * self.num_channels
        self._rest = content[whole:]
        block = np.frombuffer(content[:whole], "<i2").reshape(-1, self.num_channels)
        mono = (block.astype(np.float32) / 32768.0).mean(axis=1, dtype=np.float32)
        if self._resample is not None:
            mono = self._resample.resample_chunk(mono, last=last)
        return quantised(mono)
