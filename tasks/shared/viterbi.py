"""The likeliest path through states that all change alike."""

import numpy as np
from numpy.typing import NDArray


def viterbi(log_probs: NDArray[np.float64], stay: float, change: float) -> NDArray[np.int64]:
    """(T, K) -> (T,) the path with the greatest sum of log_probs, and of `stay` or `change` from frame to frame.

    A change costs the same from any state to any other, so that a step is O(K): the best to come from is either the
    state itself or the best of all. Every first state is as probable as the others.
    """
    num_frames, num_states = log_probs.shape
    stayed = np.empty((num_frames, num_states), dtype=bool)
    best = [0] * num_frames  # the state one frame before, for who does not stay
    score = log_probs[0].copy()
    for frame in range(1, num_frames):
        best[frame] = int(score.argmax())
        changed = score[best[frame]] + change
        score += stay
        np.greater_equal(score, changed, out=stayed[frame])
        np.maximum(score, changed, out=score)
        score += log_probs[frame]
    path = np.empty(num_frames, dtype=np.int64)
    state = int(score.argmax())
    for frame in range(num_frames - 1, 0, -1):
        path[frame] = state
        if not stayed[frame, state]:
            state = best[frame]
    path[0] = state
    return path
