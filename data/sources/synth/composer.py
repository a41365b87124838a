"""Short pieces of music with exact annotations, composed from a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ricercar.checks import check_between
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.notes import DRUMS
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.sources.synth import parts
from ricercar.data.sources.synth.harmony import chord, progression
from ricercar.data.sources.synth.parts import METRES, ChordSpan, Event, Metre
from ricercar.data.sources.synth.performance import beat_times, performed
from ricercar.data.sources.synth.truth import chords_of, family, melody_of, notes_of, onsets_of
from ricercar.errors import InputError

LOWEST, HIGHEST = 21, 108  # the piano's keys
MIN_DURATION_S = 6.0

_FORMS = {1: ("A",), 2: ("AB", "AB", "AA"), 3: ("AAB", "ABA", "ABB"), 4: ("AABA", "ABAB", "AABB", "ABAC"),
          5: ("AABAB", "ABACA", "AABBA"), 6: ("AABBAA", "ABABCB", "AABABA")}  # fmt: skip
_COMPOUND_TEMPO = 0.6  # beats of three eighths are slower than beats of two


@dataclass(frozen=True)
class Piece:
    """Everything known about a piece; its "notes" are what sounds. `programs` is {part: program, 128 for drums}."""

    annotations: dict[str, Annotation]
    programs: dict[str, int]


class Composer:
    """Composes tonal pieces: a form, harmony, a melody, accompaniment, often a bass, sometimes drums.

    duration_s              length of a piece, silence at both ends included; at least 6
    tempo_bpm               (lowest, highest); six-eight time counts its slower beats at 0.6 of it
    metres                  {4/4, 3/4 or 6/8: weight}
    plucked_programs        instruments with a clear attack, for the melody and the accompaniment
    sustained_programs      instruments that only play the melody, in sustained_share of the pieces with several
    melody_centre           (lowest, highest) MIDI number that a melody goes around; it strays by up to an octave or so
    bass_programs           instruments of the bass
    solo_share              share of pieces in which one plucked instrument plays everything
    drums_share             share of the other pieces that have drums
    seventh_share           share of chords with a seventh
    inversion_share         share of chords that are inverted
    pedal_share             share of pieces whose accompaniment rings until the chord changes
    timing_s                standard deviation of a note's onset from the beat; the annotations know the deviation
    """

    def __init__(
        self,
        *,
        duration_s: float,
        tempo_bpm: Sequence[float],
        metres: Mapping[str, float],
        plucked_programs: Sequence[int],
        sustained_programs: Sequence[int],
        melody_centre: Sequence[int],
        bass_programs: Sequence[int],
        solo_share: float,
        sustained_share: float,
        drums_share: float,
        seventh_share: float,
        inversion_share: float,
        pedal_share: float,
        timing_s: float,
    ) -> None:
        if duration_s < MIN_DURATION_S:
            raise InputError(f"duration_s {duration_s} is too short for a piece: it takes {MIN_DURATION_S} or more.")
        if unknown := set(metres) - set(METRES):
            raise InputError(f"metres {sorted(unknown)} are not known: choose from {', '.join(METRES)}.")
        check_between(0, 1, solo_share=solo_share, sustained_share=sustained_share, drums_share=drums_share)
        check_between(0, 1, seventh_share=seventh_share, inversion_share=inversion_share, pedal_share=pedal_share)
        check_between(0, 0.1, timing_s=timing_s)
        for name, weight in metres.items():
            check_between(0, 1000, **{f"metres.{name}": weight})
        if sum(metres.values()) <= 0:
            raise InputError(f"metres={dict(metres)}: at least one weight must be above 0.")
        for name, programs in (
            ("plucked", plucked_programs),
            ("sustained", sustained_programs),
            ("bass", bass_programs),
        ):
            if not programs or not all(0 <= program <= 127 for program in programs):
                raise InputError(
                    f"{name}_programs {list(programs)}: it takes one or more General MIDI programs, 0 to 127."
                )
        if len(tempo_bpm) != 2 or not 0 < tempo_bpm[0] <= tempo_bpm[1]:
            raise InputError(f"tempo_bpm {list(tempo_bpm)}: it takes two numbers above 0, [lowest, highest].")
        if len(melody_centre) != 2 or not 36 <= melody_centre[0] <= melody_centre[1] <= 90:
            raise InputError(
                f"melody_centre {list(melody_centre)}: it takes two MIDI numbers of 36 to 90, [low, high]."
            )
        self.duration_s = duration_s
        self.tempo_bpm = tempo_bpm
        self.metres = metres
        self.plucked_programs = plucked_programs
        self.sustained_programs = sustained_programs
        self.melody_centre = melody_centre
        self.bass_programs = bass_programs
        self.solo_share = solo_share
        self.sustained_share = sustained_share
        self.drums_share = drums_share
        self.seventh_share = seventh_share
        self.inversion_share = inversion_share
        self.pedal_share = pedal_share
        self.timing_s = timing_s

    def compose(self, seed: Sequence[int]) -> Piece:
        """The piece of a seed, at A4 = 440 Hz."""
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        metre = self._metre(random)
        section_bars, form, tempo_bpm, start_s = self._form(random, metre)
        tonic, mode = int(random.integers(12)), str(random.choice(["major", "minor"], p=[0.55, 0.45]))
        programs = self._programs(random)
        events, spans = self._score(random, metre, section_bars, form, tempo_bpm, tonic, mode, programs)

        num_beats = (len(form) * section_bars + 1) * metre.beats
        beat_s = start_s + beat_times(random, num_beats + 1, tempo_bpm)
        soundings = performed(random, events, beat_s, self.timing_s)
        voice = [note for note in soundings if note.part == parts.MELODY]

        first = np.arange(len(form)) * section_bars * metre.beats
        borders_s = np.concatenate([[0.0], beat_s[first[1:]], [self.duration_s]])
        annotations: dict[str, Annotation] = {
            "notes": notes_of(soundings, programs),
            "beats": Beats(time_s=beat_s[:-1], position=np.arange(num_beats) % metre.beats + 1),
            "onsets": onsets_of(soundings),
            "chords": chords_of(spans, beat_s, self.duration_s),
            "segments": Segments(start_s=borders_s[:-1], end_s=borders_s[1:], label=tuple(form)),
            "key": Key(tonic=tonic, mode=mode),
            "melody": melody_of(voice, self.duration_s),
            "tempo": Tempo(bpm=round(60.0 / float(np.median(np.diff(beat_s))), 3)),
            "tags": Tags(tuple({family(program) for program in programs.values()})),
        }
        return Piece(annotations, programs)

    def _metre(self, random: np.random.Generator) -> Metre:
        weights = np.array(list(self.metres.values()), dtype=np.float64)
        return METRES[str(random.choice(list(self.metres), p=weights / weights.sum()))]

    def _form(self, random: np.random.Generator, metre: Metre) -> tuple[int, str, float, float]:
        """-> (bars per section, the sections' letters, tempo, start): sections and a last bar fill the duration."""
        start_s = float(random.uniform(0.1, 0.6))
        filled_s = self.duration_s - start_s - float(random.uniform(0.4, 1.0))
        low, high = np.log(self.tempo_bpm) + (np.log(_COMPOUND_TEMPO) if metre.division == 3 else 0.0)
        bar_s = 60.0 * metre.beats / float(np.exp(random.uniform(low, high)))
        bars = filled_s / bar_s
        section_bars = 4 if bars >= 7.0 else 2 if bars >= 4.0 else 1
        num_sections = max(round((bars - 1.0) / section_bars), 1)
        form = str(random.choice(_FORMS[min(num_sections, max(_FORMS))]))
        form = (form * num_sections)[:num_sections]
        tempo_bpm = 60.0 * metre.beats * (num_sections * section_bars + 1) / filled_s
        return section_bars, form, tempo_bpm, start_s

    def _programs(self, random: np.random.Generator) -> dict[str, int]:
        chord_program = int(random.choice(self.plucked_programs))
        if random.random() < self.solo_share:
            return dict.fromkeys((parts.MELODY, parts.ACCOMPANIMENT, parts.BASS), chord_program)
        sustained = random.random() < self.sustained_share
        voice = int(random.choice(self.sustained_programs if sustained else self.plucked_programs))
        programs = {parts.MELODY: voice, parts.ACCOMPANIMENT: chord_program}
        if random.random() < 0.85:
            programs[parts.BASS] = int(random.choice(self.bass_programs))
        if random.random() < self.drums_share:
            programs[parts.DRUMS] = DRUMS
        return programs

    def _score(
        self, random: np.random.Generator, metre: Metre, section_bars: int, form: str, tempo_bpm: float, tonic: int,
        mode: str, programs: Mapping[str, int],
    ) -> tuple[list[Event], list[ChordSpan]]:  # fmt: skip
        """The whole piece in beats. Sections of the same letter are the same music."""
        centre = int(random.integers(self.melody_centre[0], self.melody_centre[1] + 1))
        bass_style = str(random.choice(["held", "fifth", "pulse", "walking"]))
        styles = ["block", "beats", "offbeat", "arpeggio", "broken"]
        rings = bool(random.random() < self.pedal_share)
        shares = {"seventh_share": self.seventh_share, "inversion_share": self.inversion_share}
        length = float(section_bars * metre.beats)
        sections: dict[str, tuple[list[Event], list[ChordSpan]]] = {}
        for letter in sorted(set(form)):
            halves = metre.beats == 4 and (section_bars < 4 or random.random() < 0.3)
            num_chords = section_bars * (2 if halves else 1)
            chords = progression(random, tonic=tonic, mode=mode, num_chords=num_chords, opening=letter == "A", **shares)
            step = length / num_chords
            spans = [ChordSpan(index * step, (index + 1) * step, each) for index, each in enumerate(chords)]
            events = parts.melody(
                random, spans=spans, metre=metre, num_bars=section_bars, tempo_bpm=tempo_bpm, tonic=tonic, mode=mode,
                centre=centre + (3 if letter == "B" else 0),
            )  # fmt: skip
            events += parts.accompaniment(
                random, spans=spans, metre=metre, style=str(random.choice(styles)), rings=rings
            )
            if parts.BASS in programs:
                events += parts.bass(random, spans=spans, metre=metre, style=bass_style)
            if parts.DRUMS in programs:
                events += parts.drums(random, metre=metre, num_bars=section_bars)
            sections[letter] = events, spans

        events, spans = [], []
        for index, letter in enumerate(form):
            at = index * length
            events += [
                event._replace(start=at + event.start, end=at + event.end, ring=at + event.ring)
                for event in sections[letter][0]
            ]
            spans += [ChordSpan(at + span.start, at + span.end, span.chord) for span in sections[letter][1]]
        last = chord(random, "I", tonic=tonic, mode=mode, seventh_share=0.0, inversion_share=0.0)
        end = len(form) * length
        events += parts.closing(
            start=end, metre=metre, chord=last, melody_centre=centre, with_bass=parts.BASS in programs,
            with_drums=parts.DRUMS in programs,
        )  # fmt: skip
        return events, [*spans, ChordSpan(end, end + metre.beats, last)]
