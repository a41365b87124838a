"""mir_eval's metrics of hierarchies: the same numbers in a hundredth of the time."""

from collections.abc import Sequence
from itertools import combinations

import mir_eval
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Level = tuple[Floats, list[str]]

_NONE = -1  # of a frame that no segment holds


def hierarchy_scores(
    reference: Sequence[Level], estimate: Sequence[Level], window_s: float, frame_size_s: float
) -> dict[str, float]:
    """[(intervals (n, 2), labels)] from coarse to fine, all from 0 s to the same end -> {metric: score}, what
    mir_eval.hierarchy.evaluate gives for window=window_s and frame_size=frame_size_s.

    How close a frame is to another is the finest level on which one segment (T-measures) or one label (L-measures)
    holds both. A measure asks of each frame how many pairs of others, one closer than the other on one side, are in
    another order on the other side; for that it is enough to count the others by their closeness on both sides.
    """
    num_frames = int(_whole(reference[0][0].max(), frame_size_s))
    held = [_frames(side, num_frames, frame_size_s, by_label=False) for side in (reference, estimate)]
    near = _counts_nearby(held[0], held[1], int(_whole(np.float64(window_s), frame_size_s)))
    once = np.ones(num_frames)
    scores: dict[str, float] = {}
    for name, transitive in (("reduced", False), ("full", True)):
        scores |= _three("T-Precision {}", "T-Recall {}", "T-Measure {}", name, near, once, transitive)
    alike = [_frames(side, num_frames, frame_size_s, by_label=True) for side in (reference, estimate)]
    everywhere, times = _counts_everywhere(alike[0], alike[1])
    return scores | _three("L-Precision", "L-Recall", "L-Measure", "", everywhere, times, True)


def _three(
    precision: str, recall: str, f_measure: str, name: str, counts: Ints, times: Floats, transitive: bool
) -> dict[str, float]:
    found = [_agreement(each, times, transitive) for each in (counts.swapaxes(1, 2), counts)]
    values = (*found, mir_eval.util.f_measure(*found))
    return {key.format(name): float(value) for key, value in zip((precision, recall, f_measure), values, strict=True)}


def _whole(time_s: Floats | np.float64, frame_size_s: float) -> Ints:
    """Frames up to a time, rounded as mir_eval does."""
    return np.asarray((time_s - np.mod(time_s, frame_size_s)) / frame_size_s).astype(np.int64)


def _frames(side: Sequence[Level], num_frames: int, frame_size_s: float, *, by_label: bool) -> Ints:
    """-> (levels, T) number of the segment, or of the label, that holds each frame."""
    held = np.full((len(side), num_frames), _NONE)
    for level, (intervals, labels) in enumerate(side):
        numbers = mir_eval.util.index_labels(labels)[0] if by_label else range(len(labels))
        for (start, end), number in zip(_whole(intervals, frame_size_s), numbers, strict=True):
            held[level, start:end] = number
    return held


def _closeness(one: Ints, other: Ints) -> Ints:
    """(levels, M, N) twice -> (M, N): the finest level, from 1 on, with one number on both sides; 0 for none."""
    levels = np.arange(1, len(one) + 1)[:, None, None]
    found: Ints = (levels * ((one == other) & (one != _NONE))).max(axis=0)
    return found


def _counts_nearby(reference: Ints, estimate: Ints, window: int) -> Ints:
    """(levels, T) twice -> (T, levels of the reference + 1, of the estimate + 1): other frames within the window (the
    last one on the right is outside, as in mir_eval).
    """
    num_frames = reference.shape[1]
    closeness = []
    for held in (reference, estimate):
        padded = np.pad(held, ((0, 0), (window, window)), constant_values=_NONE)
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * window, axis=1)[:, :num_frames]
        closeness.append(_closeness(held[..., None], around))
    position = np.arange(num_frames)[:, None] + np.arange(-window, window)
    counted = (position >= 0) & (position < num_frames)
    counted[:, window] = False
    return _tally(closeness[0], closeness[1], counted.astype(np.float64), (len(reference) + 1, len(estimate) + 1))


def _counts_everywhere(reference: Ints, estimate: Ints) -> tuple[Ints, Floats]:
    """-> (M, ...) counts as above of all other frames, and (M,) for how many frames they hold.

    Frames that are equal on all levels have the same counts: M is the number of different ones.
    """
    kinds, times = np.unique(np.concatenate([reference, estimate]), axis=1, return_counts=True)
    sides = kinds[: len(reference)], kinds[len(reference) :]
    closeness = [_closeness(side[:, :, None], side[:, None, :]) for side in sides]
    others = np.broadcast_to(times, closeness[0].shape) - np.eye(len(times))
    return _tally(closeness[0], closeness[1], others, (len(reference) + 1, len(estimate) + 1)), times.astype(np.float64)


def _tally(reference: Ints, estimate: Ints, weight: Floats, shape: tuple[int, int]) -> Ints:
    """(M, N) closeness on both sides and weights -> (M, *shape) sums of the weights of each pair."""
    row = np.arange(len(reference))[:, None]
    cell = (row * shape[0] + reference) * shape[1] + estimate
    sums = np.bincount(cell.ravel(), weight.ravel(), minlength=len(reference) * shape[0] * shape[1])
    return np.rint(sums).astype(np.int64).reshape(-1, *shape)


def _agreement(counts: Ints, times: Floats, transitive: bool) -> float:
    """(M, A, B) counts by closeness a and b, (M,) -> the mean share of pairs with a below a' that also have b below b'.

    transitive: a' is any level above a, otherwise the next one. A frame without such pairs does not count.
    """
    num_levels = counts.shape[1]
    pairs = combinations(range(num_levels), 2) if transitive else [(low, low + 1) for low in range(num_levels - 1)]
    of_level = counts.sum(axis=2)
    at_least = counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    wrong, total = np.zeros(len(counts)), np.zeros(len(counts))
    for low, high in pairs:
        wrong += (at_least[:, low] * counts[:, high]).sum(axis=1)
        total += of_level[:, low] * of_level[:, high]
    kept = total > 0
    if not kept.any():
        return 0.0
    return float(np.average(1.0 - wrong[kept] / total[kept], weights=times[kept]))
