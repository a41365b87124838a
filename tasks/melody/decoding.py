"""From a network's outputs to a melody."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ricercar.data.annotations.frequencies import midi_to_hz
from ricercar.data.annotations.melody import Melody
from ricercar.tasks.shared.frames import row_frames
from ricercar.tasks.shared.viterbi import viterbi

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST = 1e-4  # probabilities below this are no evidence: through silence the path stays where it is


def probabilities(scores: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """(T, P) logits -> (T, P) probability of each semitone, (T,) of silence: a softmax in which silence has logit 0."""
    exact = scores.astype(np.float64)
    highest = np.maximum(exact.max(axis=1, initial=0.0), 0.0)
    pitches, silence = np.exp(exact - highest[:, None]), np.exp(-highest)
    total = pitches.sum(axis=1) + silence
    return pitches / total[:, None], silence / total


class MelodyDecoder:
    """The melody of one track, for any threshold and cost. What does not depend on them is done once.

    Where the melody lies between two semitones, both share its probability: a semitone counts with half of its
    neighbours'. The path of semitones is the likeliest one (Viterbi), each change of which costs switch_cost, in nats.
    Its pitch is the semitone and its deviation. It sounds where its probability p, beside that of silence, q, is
    p / (p + q) >= voicing_threshold; elsewhere its frequency is negative.
    """

    def __init__(
        self, logits: Mapping[str, NDArray[np.float32]], *, fps: float, lowest_pitch: int, rows_per_frame: int
    ) -> None:
        self.fps = fps
        self.lowest_pitch = lowest_pitch
        self.rows_per_frame = rows_per_frame
        self.pitch, self.silence = probabilities(logits["pitch"])
        self.near = self.pitch.copy()
        self.near[:, 1:] += 0.5 * self.pitch[:, :-1]
        self.near[:, :-1] += 0.5 * self.pitch[:, 1:]
        self.deviation = logits["deviation"]
        self._paths: dict[float, Ints] = {}

    def __call__(self, decoding: Mapping[str, float]) -> Melody:
        path = self.path(decoding["switch_cost"])
        frames = np.arange(len(path))
        midi = self.lowest_pitch + path + 2 * expit(self.deviation[frames, path].astype(np.float64)) - 1
        at = row_frames(len(path), self.rows_per_frame)
        frequency_hz = midi_to_hz(self._between_frames(midi, path, at))
        # A row holds until the next one: whether it sounds is asked of the middle of that time.
        sounds = np.interp(at + 0.5 / self.rows_per_frame, frames, self.voicing(path)) >= decoding["voicing_threshold"]
        # As written to a file and read back: to the microsecond and the microhertz.
        frequency_hz[~sounds] *= -1
        return Melody(time_s=np.round(at / self.fps, 6), frequency_hz=np.round(frequency_hz, 6))

    def voicing(self, path: Ints) -> Floats:
        """(T,) probability that the pitch of the path sounds, beside that of silence."""
        sounding = self.near[np.arange(len(path)), path]
        return sounding / np.maximum(sounding + self.silence, 1e-300)

    def path(self, switch_cost: float) -> Ints:
        """(T,) semitones above the lowest."""
        if switch_cost not in self._paths:
            scores = np.log(np.maximum(self.near, _LEAST))
            self._paths[switch_cost] = viterbi(scores, 0.0, -switch_cost) if switch_cost > 0 else scores.argmax(1)
        return self._paths[switch_cost]

    def _between_frames(self, midi: Floats, path: Ints, at: Floats) -> Floats:
        """The pitch at `at` frames: a straight line in a glide; a new note begins where its probability is the higher.

        The targets are shares of frames, so that both cross where one note follows the other.
        """
        before = np.minimum(at.astype(np.int64), max(len(path) - 2, 0))
        after = np.minimum(before + 1, len(path) - 1)
        share = np.minimum(at - before, 1.0)
        glide = np.abs(midi[after] - midi[before]) < 1
        old, new = path[before], path[after]
        lead = self.pitch[before, old] - self.pitch[before, new]  # of the old note, in the frame before
        behind = self.pitch[after, new] - self.pitch[after, old]
        crossing = np.full(len(at), 0.5)
        np.divide(lead, lead + behind, out=crossing, where=(lead >= 0) & (behind >= 0) & (lead + behind > 1e-6))
        nearest = np.where(share < crossing, midi[before], midi[after])
        return np.where(glide, midi[before] + share * (midi[after] - midi[before]), nearest)
