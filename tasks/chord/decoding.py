"""From a network's posteriors to chords."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from ricercar.data.annotations.chords import Chords
from ricercar.tasks.chord.vocabulary import ChordVocabulary
from ricercar.tasks.shared.viterbi import viterbi

Floats = NDArray[np.float64]

_SHORTEST = 0.01  # frames


def likeliest(log_probs: Floats, self_transition: float) -> NDArray[np.int64]:
    """(T, K) -> (T,) the most probable path, where a state stays with `self_transition` (from 1 / K to below 1).

    It changes to each of the others with the same probability.
    """
    others = max(log_probs.shape[1] - 1, 1)
    return viterbi(log_probs, np.log(self_transition), np.log1p(-self_transition) - np.log(others))


def runs(log_probs: Floats, path: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """-> first frame of each run of one state (n,); when it begins (n,), in frames, between that frame and the last.

    Frame t reaches from t - 0.5 to t + 0.5. What the frame before a change and the one after it give to the state
    that ends, against the one that begins, places the change between their middles.
    """
    first = np.flatnonzero(np.diff(path)) + 1
    before, after = path[first - 1], path[first]
    begin = first - 1.5
    for frame in (first - 1, first):
        begin = begin + expit(log_probs[frame, before] - log_probs[frame, after])
    begin = np.clip(begin, first - 1 + _SHORTEST, first - _SHORTEST)
    return np.append(0, first), np.append(0.0, begin)


def decode_chords(
    vocabulary: ChordVocabulary, logits: Mapping[str, NDArray[np.float32]], self_transition: float, fps: float
) -> Chords:
    """{output: (T, ...)} -> chords from 0 s to the end of the last frame.

    One path through the chords, and then one through the bass notes of each.
    """
    log_probs = {
        name: log_softmax(np.concatenate([logits[part] for part in parts], axis=1).astype(np.float64), axis=1)
        for name, parts in vocabulary.softmaxes.items()
    }
    states = vocabulary.state_log_probs(log_probs)
    path = likeliest(states, self_transition)
    first, begin = runs(states, path)
    begins: list[float] = []
    labels: list[str] = []
    for number, frame in enumerate(first):
        end = first[number + 1] if number + 1 < len(first) else len(path)
        state = int(path[frame])
        over = vocabulary.bass_notes(state)
        if not over:
            begins.append(begin[number])
            labels.append(vocabulary.label(state))
            continue
        bass = log_probs["bass"][frame:end, list(over.values())]
        bass_path = likeliest(bass, self_transition)
        bass_first, bass_begin = runs(bass, bass_path)
        begins += [begin[number], *(frame + bass_begin[1:])]
        labels += [list(over)[each] for each in bass_path[bass_first]]
    start_s = np.round(np.array(begins) / fps, 6)
    return Chords(start_s=start_s, end_s=np.append(start_s[1:], np.round(len(path) / fps, 6)), label=tuple(labels))
