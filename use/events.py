"""Logits as they come -> events as soon as they are certain: the same that all logits at once give."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.harness.predict import Logits
from ricercar.tasks.multitask import Multitask

Event = dict[str, Any]
MARGIN_S = 0.3  # before the last frame: what a peak has to be compared with, and how far decoding shifts it
_CONTEXT_S = 2.0  # decoded again before what is still open
_SAME_S = 1e-4


class Events:
    """What is certain of one recording so far, of the tasks that can be told before its end.

    An onset is one event. A note is told of when it begins, and again when its end is certain: when the same pitch
    begins anew, or no later end is possible.
    """

    def __init__(self, tasks: Multitask, fps: float) -> None:
        self.tasks = tasks
        self._open = {
            name: _Open(name, task.decode, fps, _longest_s(task)) for name, task in tasks.items() if can_be_told(task)
        }

    def add(self, logits: Logits, last: bool) -> Iterator[Event]:
        """{task/output: (T, K)} the next frames of the recording -> what is certain now."""
        for name, each in self._open.items():
            yield from each.add(self.tasks.of(name, logits), last)


def can_be_told(task: Any) -> bool:
    """Whether events are certain before the recording ends: notes and onsets that are decoded of frames.

    What other tasks say depends on all of it: beats, chords and melodies are the best path through the recording.
    """
    outputs = task.outputs.values()
    return task.annotation in (Notes, Onsets) and not any(each.clip_level or each.sequence for each in outputs)


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
        sure_s = np.inf if last else end_s - MARGIN_S
        found = self.decode(self.logits, self.fps)
        yield from self._told(found, begin_s, end_s, sure_s)
        self.sure_s = sure_s
        kept = min([max(0.0, end_s - MARGIN_S), *(each.onset_s for each in self.sounding)]) - _CONTEXT_S
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
            if not (again.any() or note.onset_s + self.longest_s + MARGIN_S < end_s or np.isinf(sure_s)):
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
