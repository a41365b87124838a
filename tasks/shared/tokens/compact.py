"""A vocabulary of a few hundred tokens, for small models."""

from collections.abc import Mapping, Sequence

import numpy as np

from ricercar.checks import check_choice, check_flag, check_whole
from ricercar.data.annotations.notes import UNKNOWN_VELOCITY, Notes
from ricercar.errors import InputError
from ricercar.models.tokens.grammar import CompactGrammar
from ricercar.models.tokens.vocabulary import (
    DRUM,
    DURATION,
    OFF,
    ON,
    PROGRAM,
    TIE,
    TIME,
    VELOCITY,
    Range,
    Vocabulary,
)
from ricercar.tasks.shared.tokens.codec import NONE, Codec, Floats, Ints, Sounds, changes, of_bins, to_bin
from ricercar.tasks.shared.tokens.decoding import Rules

_OPEN = 0  # the duration of a note that is longer than its segment
_OFFS, _ONS, _DRUMS = 0, 1, 2  # the order of events of one time


class Compact(Codec):
    """[on of each note that sounds], tie; then each time, and its events: off, on, drum.

    A time is rounded to steps from the segment's own start. It is told once, 0 too, before its events: ends, onsets,
    drums, each by group and pitch. So there is one sequence for what is to be told.

    ends            off: a note's end is an event.   duration: its length in steps is told after its onset, and 0 where
                    it sounds on after the segment; there are no offs
    ties            notes that sound at the segment's start are listed, unless they end within half a step; with
                    durations each has what is left of its own. Without ties a duration reaches beyond the segment,
                    up to a segment's length
    velocity_bins   0 (decoded as 64), 32 or 127: told before an onset, where it is not as before
    programs        see Programs; told before an event, where it is not as before
    drums           General MIDI numbers of drum sounds, a token each. Others are left out, as are pitches without one

    Notes last a step at least. Where equal pitches begin within a step, the last one counts. A note without an end
    lasts as long as the track.
    """

    open_end = False

    def __init__(
        self,
        *,
        steps_per_s: float,
        segment_s: float,
        lowest_pitch: int,
        num_pitches: int,
        ends: str | bool,
        ties: bool,
        velocity_bins: int,
        programs: str | Mapping[str, Sequence[int]],
        drums: Sequence[int],
        pedal: str,
        max_tokens: int,
    ) -> None:
        super().__init__(
            steps_per_s=steps_per_s, segment_s=segment_s, programs=programs, pedal=pedal, max_tokens=max_tokens
        )
        ends = "off" if ends is False else ends  # what YAML makes of a bare off
        check_choice(("off", "duration"), ends=ends)
        check_flag(ties=ties)
        check_choice((0, 32, 127), velocity_bins=velocity_bins)
        check_whole(0, lowest_pitch=lowest_pitch)
        check_whole(num_pitches=num_pitches)
        if lowest_pitch + num_pitches > 128:
            raise InputError(f"num_pitches={num_pitches} from lowest_pitch={lowest_pitch} on leave 0 to 127")
        self.lowest_pitch = lowest_pitch
        self.num_pitches = num_pitches
        self.durations = ends == "duration"
        self.ties = ties
        self.velocity_bins = velocity_bins
        self.num_steps = self._nearest(np.array([self.segment_s * self.steps_per_s]))[0]
        self._drums = _numbered(drums)
        if self.num_steps < 1:
            raise InputError(f"segment_s={segment_s}: must be a step of 1 / steps_per_s at least")
        self.vocabulary = Vocabulary(
            [
                Range(TIME, self.num_steps + 1),
                Range(ON, num_pitches, lowest_pitch),
                Range(OFF, num_pitches * (not self.durations), lowest_pitch),
                Range(DURATION, (self.num_steps + ties) * self.durations, 1 - ties),
                Range(TIE, int(ties)),
                Range(VELOCITY, velocity_bins, 1),
                Range(PROGRAM, len(self.programs) * self.programs.told_apart),
                Range(DRUM, len(drums)),
            ]
        )
        self.rules = Rules(
            vocabulary=self.vocabulary,
            programs=self.programs,
            program_values=tuple(range(len(self.programs))),
            velocities=of_bins(velocity_bins),
            drums=tuple(drums),
            steps_per_s=self.steps_per_s,
            on_grid=False,
            ties=ties,
            onsets_only=False,
            shortest_s=1.0 / self.steps_per_s,
            unknown_velocity=UNKNOWN_VELOCITY,
            until_track_ends=True,
        )
        self.grammar = CompactGrammar(self.vocabulary, num_groups=len(self.programs), ties=ties)

    def encode(self, notes: Notes, start_s: float, end_s: float) -> Ints:
        if (end_s - start_s) * self.steps_per_s > self.num_steps + 0.5 - 1e-6:
            raise InputError(f"a segment from {start_s:g} to {end_s:g} s is longer than segment_s={self.segment_s:g}")
        per_s = self.steps_per_s
        until_s = end_s + self.segment_s * (self.durations and not self.ties)  # as far as a duration reaches
        sounds = self._sounds(notes, start_s, until_s, self.lowest_pitch, self.num_pitches, self._drums, 1.0 / per_s)
        begin, end = (np.round((time_s - start_s) * per_s, 6) for time_s in (sounds.onset_s, sounds.offset_s))
        last = round((end_s - start_s) * per_s, 6)
        onset, offset = self._nearest(begin), self._nearest(end)
        if not self.ties:
            duration = np.minimum(offset - onset, self.num_steps)
        else:
            duration = np.where(end < last, offset - np.maximum(onset, 0), _OPEN)
        pitched = ~sounds.drum
        tied = np.flatnonzero(pitched & (begin < 0) & (offset > 0) & self.ties)
        tied = tied[np.lexsort((sounds.pitch[tied], sounds.group[tied]))]
        begun = (begin >= 0) & (begin < last)
        ended = pitched & (end >= 0) & (end < last) & (offset >= self.ties) & (not self.durations)
        note = np.concatenate([np.flatnonzero(each) for each in (ended, begun & pitched, begun & sounds.drum)])
        phase = np.repeat((_OFFS, _ONS, _DRUMS), [each.sum() for each in (ended, begun & pitched, begun & sounds.drum)])
        step = np.where(phase == _OFFS, offset[note], onset[note])
        order = np.lexsort((sounds.pitch[note], sounds.group[note], phase, step))
        return self._sequence(self._table(sounds, duration, tied, note[order], phase[order], step[order]))

    def _table(self, sounds: Sounds, duration: Ints, tied: Ints, note: Ints, phase: Ints, step: Ints) -> Ints:
        """duration (n,), tied (ties,), note, phase, step (events,) -> a row each, and one for the tie between them."""
        vocabulary, num_ties = self.vocabulary, len(tied)
        first = num_ties + self.ties  # row of the first event
        table = np.full((first + len(note), 5), NONE)
        table[first:, 0] = np.where(changes(step), vocabulary.ids(TIME, step), NONE)
        named, kind = np.concatenate([tied, note]), np.concatenate([np.full(num_ties, _ONS), phase])
        rows = np.concatenate([np.arange(num_ties), np.arange(first, first + len(note))])
        for each, name in ((_OFFS, OFF), (_ONS, ON), (_DRUMS, DRUM)):
            if name in vocabulary:
                own = kind == each
                table[rows[own], 3] = vocabulary.ids(name, sounds.pitch[named[own]])
        if self.durations:
            lasts = kind == _ONS
            table[rows[lasts], 4] = vocabulary.ids(DURATION, duration[named[lasts]])
        if self.ties:
            table[num_ties, 3] = vocabulary.id(TIE)
        if self.programs.told_apart:
            pitched = kind != _DRUMS
            group = sounds.group[named[pitched]]
            table[rows[pitched], 1] = np.where(changes(group), vocabulary.ids(PROGRAM, group), NONE)
        if self.velocity_bins:
            struck = phase != _OFFS
            value = to_bin(sounds.velocity[note[struck]], self.velocity_bins)
            table[first:][struck, 2] = np.where(changes(value), vocabulary.ids(VELOCITY, value), NONE)
        return table

    def last_step(self, start_s: float, end_s: float) -> int:
        return int(self._nearest(np.array([(end_s - start_s) * self.steps_per_s]))[0])

    @staticmethod
    def _nearest(steps: Floats) -> Ints:
        """Halves are rounded up, so that a note of a step's length has two times."""
        return np.floor(np.round(steps, 6) + 0.5).astype(np.int64)


def _numbered(drums: Sequence[int]) -> Ints:
    """-> (128,) the place of each General MIDI number in the list; -1 for others."""
    numbered = np.full(128, NONE)
    for place, pitch in enumerate(drums):
        check_whole(0, drums=pitch)
        if pitch > 127 or numbered[pitch] != NONE:
            raise InputError(f"drums={list(drums)}: {pitch} {'is above 127' if pitch > 127 else 'is there twice'}")
        numbered[pitch] = place
    return numbered
