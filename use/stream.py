"""Sound as it comes -> events as soon as they are certain: the same that the whole recording gives."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ricercar.data.audio.sound import stretch
from ricercar.errors import InputError
from ricercar.use.events import MARGIN_S, Event, Events, can_be_told
from ricercar.use.model import Model


class Stream:
    """Blocks of samples in, events out. One stream is for one recording.

    Windows are those of a whole recording, so an event waits until the window that it lies in is heard to its end: for
    `latency_s` at most.

    InputError where events depend on the whole recording: of tasks other than notes and onsets, and of spectrograms
    that are made before they are cut into windows.
    """

    def __init__(self, model: Model) -> None:
        cfg = model.trained.cfg
        for name, task in model.tasks.items():
            if not can_be_told(task):
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
        self._events = Events(model.tasks, model.fps)

    @property
    def latency_s(self) -> float:
        """From when something sounds to when it is told, at most, without the time of computing."""
        seconds: float = (self.num_frames - self.border) / self.model.fps + MARGIN_S
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
        yield from self._events.add(told, last)
