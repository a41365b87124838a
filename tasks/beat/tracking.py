"""The most probable beats and bars under a frame-level activation: a bar pointer model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Tracker:
    """Evidence for beats and downbeats -> the best sequence of beats.

    The model of Krebs, Boeck and Widmer 2015 (An efficient state-space model for joint tempo and meter tracking):
    between two beats a pointer moves on by one position per frame; tempo and metre change only at beats. So it is
    enough to look at beats. A sequence of them scores the sum of

        evidence[t]                           at each beat's frame t
        -tempo_inertia |ln(next / interval)|  where one interval (frames, whole numbers) follows another
        -metre_change_cost                    where a bar has another number of beats than the bar before it
        -pause_cost                           where, after a beat's interval, there are no beats for any time; after it
                                              the tempo is free. Before the first and after the last beat it is free.

    intervals       (I,) the intervals there are, in frames: consecutive whole numbers from 2 on
    beats_per_bar   numbers of beats in a bar

    Time and memory grow with frames x intervals x the sum of beats_per_bar, 4 bytes each: an hour at 50 frames per
    second, 30 to 300 bpm and bars of 2, 3 and 4 take 0.6 GB.
    """

    def __init__(
        self,
        *,
        shortest: int,
        longest: int,
        beats_per_bar: Sequence[int],
        tempo_inertia: float,
        metre_change_cost: float,
        pause_cost: float,
    ) -> None:
        assert 2 <= shortest <= longest, (shortest, longest)
        self.intervals = np.arange(shortest, longest + 1)
        self.log_interval = np.float32(tempo_inertia) * np.log(self.intervals).astype(np.float32)
        self.metre_change_cost = np.float32(metre_change_cost)
        self.pause_cost = np.float32(pause_cost)
        # State s of the bar: beat position[s] of a bar of bar[s] beats.
        self.bar = np.concatenate([np.full(beats, beats) for beats in beats_per_bar])
        self.position = np.concatenate([np.arange(1, beats + 1) for beats in beats_per_bar])
        self.downbeats = np.flatnonzero(self.position == 1)
        self.last_beats = np.flatnonzero(self.position == self.bar)
        self.before = np.arange(len(self.bar)) - 1
        self.before[self.downbeats] = self.last_beats
        self.num_states = len(self.bar)

    def __call__(self, evidence: Floats) -> tuple[Ints, Ints]:
        """(T, 2) log odds of a beat within and at the start of a bar -> frames (n,), positions in the bar (n,)."""
        evidence = np.ascontiguousarray(evidence, dtype=np.float32)
        num_frames, num_states, num_intervals = len(evidence), self.num_states, len(self.intervals)
        block = int(self.intervals[0])  # frames that do not depend on each other
        length = num_frames + int(self.intervals[-1]) + block
        # due[i, t, s]: best score of beats the last of which is in state s, with interval i, and ends before frame t
        due = np.full((num_intervals, length, num_states), -np.inf, dtype=np.float32)
        # the same, by the frame in which that beat begins
        begun = np.lib.stride_tricks.as_strided(
            due[:, block:],
            shape=(num_intervals, num_frames, num_states),
            strides=(due.strides[0] + due.strides[1], *due.strides[1:]),
        )
        entering = np.empty((num_frames, num_states), dtype=np.float32)  # best score where a pause begins
        resting = np.empty_like(entering)  # best score in a pause; 0 before the first beat
        log_interval = self.log_interval[:, None, None]
        of_state = evidence[:, (self.position == 1).astype(np.int64)]
        best, end = np.float32(0.0), None
        for start in range(0, num_frames, block):
            stop = min(start + block, num_frames)
            arriving = due[:, start:stop]
            before = np.maximum(
                _running_max(arriving + log_interval) - log_interval,
                _running_max((arriving - log_interval)[::-1])[::-1] + log_interval,
            )
            np.subtract(arriving.max(axis=0), self.pause_cost, out=entering[start:stop])
            rest = resting[start - 1] if start else np.zeros(num_states, dtype=np.float32)
            np.maximum(rest, np.maximum.accumulate(entering[start:stop], axis=0), out=resting[start:stop])
            np.maximum(before, resting[start:stop], out=before)
            following = before[..., self.before]
            if len(self.downbeats) > 1:
                changed = before[..., self.last_beats].max(axis=-1, keepdims=True) - self.metre_change_cost
                following[..., self.downbeats] = np.maximum(following[..., self.downbeats], changed)
            following += of_state[start:stop]
            begun[:, start:stop] = following
            highest = following.max()
            if highest > best:
                best = highest
                interval, frame, state = np.unravel_index(int(following.argmax()), following.shape)
                end = int(interval), start + int(frame), int(state)
        frames, positions = [], []
        while end is not None:
            frames.append(end[1])
            positions.append(self.position[end[2]])
            end = self._beat_before(*end, due, entering, resting)
        return np.array(frames[::-1], dtype=np.int64), np.array(positions[::-1], dtype=np.int64)

    def _beat_before(
        self, interval: int, frame: int, state: int, due: Floats, entering: Floats, resting: Floats
    ) -> tuple[int, int, int] | None:
        """The (interval, frame, state) before another; None before the first beat."""
        own = self.before[state]
        states = self.last_beats if self.position[state] == 1 else np.array([own])
        cost = np.where(states == own, np.float32(0.0), self.metre_change_cost)
        inertia = np.abs(self.log_interval - self.log_interval[interval])[:, None]
        scores = due[:, frame, states] - inertia - cost
        rested = resting[frame, states] - cost
        if rested.max() < scores.max():
            number, choice = np.unravel_index(int(scores.argmax()), scores.shape)
            before = int(states[choice])
        else:
            before = int(states[rested.argmax()])
            frame = int(entering[: frame + 1, before].argmax())
            if entering[frame, before] <= 0.0:
                return None
            number = due[:, frame, before].argmax()
        return int(number), frame - int(self.intervals[number]), before


def _running_max(values: Floats) -> Floats:
    """The running maximum over the first axis, in place: np.maximum.accumulate takes twice the time."""
    step = 1
    while step < len(values):
        np.maximum(values[step:], values[:-step], out=values[step:])
        step *= 2
    return values
