"""What every codec is: notes of a segment -> tokens, tokens of a track's segments -> notes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_choice, check_positive, check_whole
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.models.tokens.grammar import Grammar
from ricercar.models.tokens.vocabulary import EOS, Vocabulary
from ricercar.tasks.protocol import ends_s
from ricercar.tasks.shared.tokens.decoding import Decoded, Rules, decoded
from ricercar.tasks.shared.tokens.programs import Programs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NONE = -1  # in a table of tokens: nothing is said here


@dataclass(frozen=True)
class Sounds:
    """What a segment may be told of, sorted by onset. All arrays are (n,); no two of one group and pitch overlap.

    group   of Programs; drums have the number after the last
    """

    onset_s: Floats
    offset_s: Floats
    pitch: Ints
    velocity: Ints
    group: Ints
    drum: Flags


class Codec(ABC):
    """decode(encode(x)) = x, to the grid of time steps, over the borders of segments, for notes that tokens can tell.

    Equal pitches of one group of instruments do not overlap in tokens: a note ends where its pitch begins again, and
    one that would be empty then is left out (trim_overlapping_notes in MT3, Gardner et al. 2022). Pitches are those of
    the nearest semitone.

    vocabulary   what tokens mean
    grammar      which tokens may follow; whatever encode() gives fits, and what fits is decoded without invalid events
    programs     the groups of instruments
    segment_s    the length of segments()
    max_tokens   the longest sequence. A longer one is cut before the first event that does not fit whole; it has no EOS
    """

    vocabulary: Vocabulary
    grammar: Grammar
    programs: Programs
    rules: Rules
    open_end: bool  # whether the last segment of a track tells all that is left

    def __init__(
        self,
        *,
        steps_per_s: float,
        segment_s: float,
        programs: str | Mapping[str, Sequence[int]],
        pedal: str,
        max_tokens: int,
    ) -> None:
        check_positive(steps_per_s=steps_per_s, segment_s=segment_s)
        check_choice(("extend", "ignore"), pedal=pedal)
        check_whole(2, max_tokens=max_tokens)
        self.steps_per_s = float(steps_per_s)
        self.segment_s = float(segment_s)
        self.programs = Programs(programs)
        self.pedal = pedal
        self.max_tokens = max_tokens

    @abstractmethod
    def encode(self, notes: Notes, start_s: float, end_s: float) -> Ints:
        """The notes of a track -> (S,) tokens of the segment from start_s to before end_s, with EOS.

        What begins or ends in [start_s, end_s) is told, and with ties what sounds at start_s. InputError where a
        segment is too long.
        """

    @abstractmethod
    def last_step(self, start_s: float, end_s: float) -> int:
        """The latest time, in steps, that encode() tells of a segment: `last_step` of Grammar.start."""

    def segments(self, duration_s: float) -> list[tuple[float, float]]:
        """(start_s, end_s) of segments that cover a track; there is at least one, and all are segment_s long."""
        number = max(math.ceil(round(duration_s / self.segment_s, 6)), 1)
        edges = [round(place * self.segment_s, 9) for place in range(number + 1)]
        return list(pairwise(edges))

    def encode_track(self, notes: Notes, duration_s: float) -> list[tuple[Ints, float]]:
        """(tokens, start_s) of each of segments(), as decode() takes them."""
        segments = self.segments(duration_s)
        if self.open_end:
            segments[-1] = (segments[-1][0], math.inf)
        return [(self.encode(notes, start_s, end_s), start_s) for start_s, end_s in segments]

    def decode(self, sequences: Sequence[tuple[Ints, float]], duration_s: float) -> Decoded:
        """(tokens (S,), start_s) of a track's segments -> notes, and a count of what was no use. Never raises.

        A note that no end is told of goes on until the start of a segment that does not tie it, until its pitch begins
        again, or until the end.
        """
        return decoded(self.rules, sequences, duration_s)

    def is_cut(self, tokens: Ints) -> bool:
        """Whether something is missing in what encode() gave, since max_tokens is reached."""
        return EOS not in tokens[-1:]

    def _sounds(
        self,
        notes: Notes,
        start_s: float,
        end_s: float,
        lowest_pitch: int,
        num_pitches: int,
        drums: Ints,
        least_s: float,
    ) -> Sounds:
        """What may be told of [start_s, end_s), and notes near it.

        drums     (128,) by General MIDI number, -1 for those left out
        least_s   shorter notes are lengthened to it, and those that their pitch's next onset makes shorter left out
        """
        margin_s = least_s + 2.0 / self.steps_per_s  # a time and the segment's start are rounded
        near = notes.between(start_s - margin_s, end_s + margin_s)
        if len(near) == 0:
            taken = slice(0, 0)
        else:  # all from the first one that sounds: a note that is over now may have cut another short
            taken = slice(*np.searchsorted(notes.onset_s, [near.onset_s[0], end_s + margin_s]).tolist())
        onset_s, offset_s = notes.onset_s[taken], ends_s(notes, self.pedal)[taken]
        program, pitch, velocity = notes.program[taken], notes.semitone[taken], notes.velocity[taken]
        drum = program == DRUMS
        group = np.where(drum, len(self.programs), self.programs.group(program))
        kept = np.where(
            drum, drums[pitch] >= 0, (group >= 0) & (pitch >= lowest_pitch) & (pitch < lowest_pitch + num_pitches)
        )
        offset_s = np.maximum(offset_s, onset_s + least_s)
        # A note's successor in its pitch: the next one with an equal key.
        key = np.where(kept, group * 128 + pitch, NONE)
        order = np.argsort(key, kind="stable")
        again = order[1:][key[order[1:]] == key[order[:-1]]]
        before = order[:-1][key[order[1:]] == key[order[:-1]]]
        offset_s[before] = np.minimum(offset_s[before], onset_s[again])
        kept = np.flatnonzero(kept & (offset_s - onset_s > max(least_s - 1e-6, 0.0)))
        pitch = np.where(drum, drums[pitch], pitch)
        return Sounds(onset_s[kept], offset_s[kept], pitch[kept], velocity[kept], group[kept], drum[kept])

    def _sequence(self, table: Ints) -> Ints:
        """(rows, columns) tokens, NONE between them; an event a row -> (S,) with EOS, cut where it is too long."""
        said = table != NONE
        tokens: Ints = table[said]
        if len(tokens) < self.max_tokens:
            return np.append(tokens, EOS)
        num_tokens = np.cumsum(said.sum(axis=1))
        return tokens[: num_tokens[num_tokens <= self.max_tokens].max(initial=0)]


def changes(values: Ints) -> Flags:
    """(n,) -> (n,) whether each differs from the one before; the first does."""
    changed = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def to_bin(velocity: Ints, num_bins: int) -> Ints:
    """Velocities 1 to 127 -> 1 to num_bins, as MT3 does."""
    bins: Ints = -(-num_bins * velocity // 127)
    return bins


def of_bins(num_bins: int) -> tuple[int, ...]:
    """The velocity of each bin from 0 on, as MT3 does."""
    return tuple(127 * each // num_bins for each in range(num_bins + 1)) if num_bins else (0,)
