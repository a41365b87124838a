"""The vocabularies of MT3 (Gardner et al. 2022) and of its predecessor for the piano (Hawthorne et al. 2021)."""

import math
import sys

import numpy as np

from ricercar.checks import check_choice, check_flag, check_positive
from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError
from ricercar.models.tokens.grammar import MT3Grammar
from ricercar.models.tokens.vocabulary import (
    DRUM,
    PITCH,
    PROGRAM,
    SHIFT,
    TIE,
    VELOCITY,
    Range,
    Vocabulary,
)
from ricercar.tasks.shared.tokens.codec import NONE, Codec, Flags, Ints, Sounds, changes, of_bins, to_bin
from ricercar.tasks.shared.tokens.decoding import Rules
from ricercar.tasks.shared.tokens.programs import GROUPINGS

_VELOCITY = 100  # of a note that none is told of
_SHORTEST_S = 0.01  # of a note; of every drum


class MT3(Codec):
    """[program, pitch of each note that sounds], tie; then each event: [shift], [program], [velocity], pitch or drum.

    Ids, rules and state machine are those of the published code (github.com/magenta/mt3: vocabularies.py,
    note_sequences.py, run_length_encoding.py):
    - A time is rounded to the grid of the whole track, and a segment begins at the step at or before its start.
      A shift counts from there. One above the largest is told as several, which are added up.
    - Events are sorted by their times before rounding; ends before onsets, then by program and pitch, drums last.
    - Velocity 0 ends a note. A velocity or program that is as before is not told again. Drums have neither a program
      nor an end. Without ties, a note's end is told in whichever segment it falls into.
    - Decoded notes last 10 ms at least, drums exactly. A note without an end lasts until the last event. What a segment
      tells beyond the start of the next one is dropped.

    velocity_bins   127; 1: on and off; 0: onsets only, without ends (flat, without ties and drums)
    programs        flat, families or full, see Programs. A group is told by its first program. Programs are mapped
                    before all else, so that notes of one group and pitch do not overlap; the published code maps tokens
    drums           false leaves them out

    A segment after the last event has no ties, where the published code lists those before that event. Decoding under
    flat takes no notice of program tokens.
    """

    open_end = True

    def __init__(
        self,
        *,
        steps_per_s: float,
        max_shift_s: float,
        segment_s: float,
        velocity_bins: int,
        ties: bool,
        programs: str,
        drums: bool,
        pedal: str,
        max_tokens: int,
    ) -> None:
        check_choice(GROUPINGS, programs=programs)
        super().__init__(
            steps_per_s=steps_per_s, segment_s=segment_s, programs=programs, pedal=pedal, max_tokens=max_tokens
        )
        check_positive(max_shift_s=max_shift_s)
        check_choice((0, 1, 127), velocity_bins=velocity_bins)
        check_flag(ties=ties, drums=drums)
        if not velocity_bins and (ties or drums or self.programs.told_apart):
            raise InputError(
                f"velocity_bins=0 tells onsets only: it needs ties=false (it is {ties}), drums=false (it is {drums}) "
                f"and programs=flat (it is {programs})"
            )
        self.velocity_bins = velocity_bins
        self.ties = ties
        self.drums = drums
        self._drums = np.arange(128) if drums else np.full(128, NONE)
        self.max_shift = round(self.steps_per_s * max_shift_s)
        if self.max_shift < 1:
            raise InputError(f"max_shift_s={max_shift_s}: must be a step of 1 / steps_per_s at least")
        self.vocabulary = published(self.max_shift, velocity_bins)
        self.rules = Rules(
            vocabulary=self.vocabulary,
            programs=self.programs,
            program_values=tuple(self.programs.group(np.arange(128)).tolist()),
            velocities=of_bins(velocity_bins),
            drums=tuple(range(128)),
            steps_per_s=self.steps_per_s,
            on_grid=True,
            ties=ties,
            onsets_only=velocity_bins == 0,
            shortest_s=_SHORTEST_S,
            unknown_velocity=_VELOCITY,
            until_track_ends=False,
        )
        self.grammar = MT3Grammar(
            self.vocabulary,
            groups=self.programs.first if self.programs.told_apart else None,
            ties=ties,
            drums=drums,
            onsets_only=velocity_bins == 0,
        )

    def encode(self, notes: Notes, start_s: float, end_s: float) -> Ints:
        start, end = self._step(start_s), self._step(end_s)
        sounds = self._sounds(notes, start_s, end_s, 0, 128, self._drums, 0.0)
        onset, offset = (
            np.rint(time_s * self.steps_per_s).astype(np.int64) for time_s in (sounds.onset_s, sounds.offset_s)
        )
        pitched = ~sounds.drum
        tied = np.flatnonzero(pitched & (onset < start) & (offset >= start) & self.ties)
        tied = tied[np.lexsort((sounds.pitch[tied], sounds.group[tied]))]
        # Every end, then every beginning: to be sorted by time.
        ended = np.flatnonzero(pitched & (self.velocity_bins > 0))
        note = np.concatenate([ended, np.arange(len(onset))])
        begins = np.arange(len(note)) >= len(ended)
        time_s = np.concatenate([sounds.offset_s[ended], sounds.onset_s])
        step = np.concatenate([offset[ended], onset])
        order = np.lexsort((sounds.pitch[note], sounds.group[note], begins, time_s))
        order = order[(step[order] >= start) & (step[order] < end)]
        note, begins, step = note[order], begins[order], step[order] - start
        return self._sequence(self._table(sounds, tied, note, begins, step))

    def _table(self, sounds: Sounds, tied: Ints, note: Ints, begins: Flags, step: Ints) -> Ints:
        """tied (ties,), note, begins, step (events,) -> a row each, and one for the tie between them."""
        vocabulary, num_ties = self.vocabulary, len(tied)
        first = num_ties + self.ties  # row of the first event
        num_chained = int((step.max(initial=1) - 1) // self.max_shift)  # shifts of the largest size before the last one
        table = np.full((first + len(note), num_chained + 4), NONE)
        later = (step > 0) & changes(step)
        for place in range(num_chained):
            chained = later & (step > (place + 1) * self.max_shift)
            table[first:, place][chained] = vocabulary.id(SHIFT, self.max_shift)
        table[first:, num_chained][later] = vocabulary.ids(SHIFT, (step[later] - 1) % self.max_shift + 1)
        named = np.concatenate([tied, note])
        pitched = ~sounds.drum[named]
        rows = np.concatenate([np.arange(num_ties), np.arange(first, first + len(note))])
        tokens = vocabulary.ids(PITCH, sounds.pitch[named])
        if self.drums:
            tokens = np.where(pitched, tokens, vocabulary.ids(DRUM, sounds.pitch[named]))
        table[rows, -1] = tokens
        if self.ties:
            table[num_ties, -1] = vocabulary.id(TIE)
        if self.programs.told_apart:
            group = sounds.group[named[pitched]]
            table[rows[pitched], -3] = np.where(
                changes(group), vocabulary.ids(PROGRAM, self.programs.first[group]), NONE
            )
        if self.velocity_bins:
            value = np.where(begins, to_bin(sounds.velocity[note], self.velocity_bins), 0)
            table[first:, -2] = np.where(changes(value), vocabulary.ids(VELOCITY, value), NONE)
        return table

    def last_step(self, start_s: float, end_s: float) -> int:
        return self._step(end_s) - self._step(start_s) - 1

    def _step(self, time_s: float) -> int:
        """The step at or before a time."""
        return math.floor(time_s * self.steps_per_s + 1e-6) if time_s < math.inf else sys.maxsize


def published(max_shift: int, velocity_bins: int) -> Vocabulary:
    """1388 events with one velocity bin, 1514 with 127 (shifts up to 1000), and T5's 100 ids that mean nothing."""
    ranges = [Range(SHIFT, max_shift + 1), Range(PITCH, 128), Range(VELOCITY, velocity_bins + 1), Range(TIE, 1)]
    return Vocabulary([*ranges, Range(PROGRAM, 128), Range(DRUM, 128)], num_extra=100, multiple_of=128)
