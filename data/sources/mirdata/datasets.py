"""The data sets of mirdata that are known here: a new one is a new entry."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import Onsets, drum_label
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.sources.mirdata import files, guitarset
from ricercar.data.sources.mirdata.adapter import Adapter, FromFile
from ricercar.data.sources.splitting import EXCLUDED

# Pads of Groove MIDI's drum kit that are not as in General MIDI: edges of the hi-hat, and a tom.
_PADS = {22: "HH", 26: "HH", 58: "TT"}

_IRMAS = {
    "cel": "cello", "cla": "clarinet", "flu": "flute", "gac": "acoustic guitar", "gel": "electric guitar",
    "org": "organ", "pia": "piano", "sax": "saxophone", "tru": "trumpet", "vio": "violin", "voi": "voice",
}  # fmt: skip

# Tags that the official splits of MTG-Jamendo (mood and theme) discard, so that all splits have the same 56.
_DISCARDED = {"ambiental", "horror", "mellow"}

_YOUR_OWN = "Recordings are not part of the data set: put your own where the index says, under the same names."
_ON_REQUEST = "It is given on request only."

_OFFICIAL = {"train": "train", "validation": "valid", "test": "test"}


def _tags(*tags: object) -> Tags | None:
    names = tuple(sorted({str(tag) for tag in tags if tag}))
    return Tags(names) if names else None


def _slakh_notes(multitrack: Any) -> Notes:
    """The notes of all stems that sound in the mix, with the programs that the metadata gives.

    Stems that were not rendered have no recording. The metadata's own word for it, audio_rendered, is false of stems
    in the small version that sound nevertheless.
    """
    stems = multitrack._multitrack_metadata["stems"]
    parts = []
    for track_id, stem in multitrack.tracks.items():
        if stem.audio_path is not None and stem.midi_path is not None:
            said = stems[track_id.rpartition("-")[2]]
            parts.append((Notes.read(Path(stem.midi_path)), DRUMS if said["is_drum"] else int(said["program_num"])))
    return Notes(
        onset_s=np.concatenate([np.zeros(0), *(notes.onset_s for notes, _ in parts)]),
        offset_s=np.concatenate([np.zeros(0), *(notes.offset_s for notes, _ in parts)]),
        pitch=np.concatenate([np.zeros(0), *(notes.pitch for notes, _ in parts)]),
        velocity=np.concatenate([np.zeros(0, np.int64), *(notes.velocity for notes, _ in parts)]),
        program=np.concatenate([np.zeros(0, np.int64), *(np.full(len(notes), number) for notes, number in parts)]),
        pedalled_offset_s=np.concatenate([np.zeros(0), *(notes.pedalled_offset_s for notes, _ in parts)]),
        unended=np.concatenate([np.zeros(0, bool), *(notes.unended for notes, _ in parts)]),
    )


def _groove_notes(path: Path) -> Notes:
    notes = Notes.read(path)
    return replace(notes, program=np.full(len(notes), DRUMS), pedalled_offset_s=notes.offset_s)


def _groove_onsets(path: Path) -> Onsets:
    notes = Notes.read(path)
    return Onsets(
        time_s=notes.onset_s, label=tuple(_PADS.get(pitch, drum_label(pitch)) for pitch in notes.semitone.tolist())
    )


def _groove_beats(track: Any) -> Beats | None:
    """The metronome that the drummer heard. Positions are known where its beats are quarters."""
    beats = track.beats
    quarters = str(track.time_signature).endswith("-4")
    return Beats.make(beats.times, beats.positions if quarters else 0)


def _irmas_group(track: Any) -> str:
    """The recording that an excerpt is from: `0123__2` is excerpt 2 of 0123, `name-5.wav` excerpt 5 of name."""
    if track.split == "train":
        return str(track.track_id).split("__")[0]
    return re.sub(r"-\d+$", "", Path(track.audio_path).stem)


def _medleydb_work(id_: str, artist: str) -> str:
    """The artist; the piece of those names that stand for many: `MusicDelta_Reggae`, also of its stems."""
    return "_".join(id_.split("_")[:2]) if artist in ("MusicDelta", "Mozart") else artist


def _openmic_tags(track: Any) -> Tags:
    """What listeners were asked about, with the share that heard it; of other instruments nothing is known."""
    instruments = track.instruments
    return Tags(tuple(instruments), tuple(float(share) for share in instruments.values()), partial=True)


def _as(pattern: str, id_: Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    """Names of tracks in the lists of folds of Beat This (Foscarin et al. 2024) -> ids."""

    def listed_as(name: str) -> str:
        found = re.fullmatch(pattern, name)
        return id_(found) if found else name

    return listed_as


def _rwc_popular(found: re.Match[str]) -> str:
    """Its first five discs have sixteen songs, the last two ten."""
    disc, song = int(found[1]), int(found[2])
    return f"RM-P{16 * min(disc - 1, 5) + 10 * max(disc - 6, 0) + song:03}"


ADAPTERS = {
    "maestro": Adapter(
        groups="works",
        group=lambda track: f"{track.canonical_composer}: {track.canonical_title}",
        split=lambda track: track.split,
        splits=_OFFICIAL,
        annotations={"notes": FromFile("midi", Notes.read)},
    ),
    "slakh": Adapter(
        groups="pieces",
        group=lambda track: track.mtrack_id,
        split=lambda track: track.split,
        splits={**_OFFICIAL, "omitted": EXCLUDED},
        audio="mix",
        multitracks=True,
        annotations={"notes": _slakh_notes},
    ),
    "guitarset": Adapter(
        groups="players",
        work=lambda id_, player: id_.split("_")[1],  # the piece: all players play the same
        fold=lambda id_: int(id_[:2]),  # leave one player out
        listed_as=_as("(.*)_mix", lambda found: found[1]),
        audio="audio_mic",
        remotes=("annotations", "audio_mic"),
        skipped=("audio_hex", "audio_hex_cln", "audio_mix"),
        annotations={
            "notes": FromFile("jams", guitarset.notes),
            "beats": FromFile("jams", guitarset.beats),
            "chords": FromFile("jams", guitarset.chords),
            "key": FromFile("jams", guitarset.key),
            "multipitch": FromFile("jams", guitarset.multipitch),
            "tempo": lambda track: Tempo(track.tempo),
            "tags": lambda track: _tags(track.style),
        },
    ),
    "groove_midi": Adapter(
        groups="drummers",
        group=lambda track: track.drummer,
        work=lambda id_, drummer: id_,  # each performance
        listed_as=_as(r"(drummer\d+_(?:eval_session|session\d+)_\d+)_.+", lambda found: found[1]),
        split=lambda track: track.split,
        splits={"train": "train", "validation": "valid", "valid": "valid", "test": "test"},
        annotations={
            "notes": FromFile("midi", _groove_notes),
            "onsets": FromFile("midi", _groove_onsets),
            "beats": _groove_beats,
            "tempo": lambda track: Tempo(track.tempo),
            "tags": lambda track: _tags(str(track.style).split("/")[0]),
        },
    ),
    "gtzan_genre": Adapter(
        groups="artists",
        annotations={
            "tags": lambda track: _tags(track.genre),
            "beats": FromFile("beats", Beats.read),
            "tempo": FromFile("tempo", Tempo.read),
        },
    ),
    "giantsteps_key": Adapter(
        groups="artists",
        annotations={
            "key": FromFile("key", files.key),
            "tags": lambda track: _tags(*track.genres["genres"]) if track.get_path("meta") else None,
        },
    ),
    "giantsteps_tempo": Adapter(
        groups="tracks",
        brought=_YOUR_OWN,
        annotations={
            "tempo": FromFile("annotation_v2", files.tempo_jams),
            "tags": lambda track: _tags(track.genre),
        },
    ),
    "ballroom": Adapter(
        groups="albums",
        listed_as=_as("ballroom_(.*)", lambda found: found[1]),
        annotations={
            "beats": FromFile("beats", Beats.read),
            "tempo": FromFile("tempo", Tempo.read),
            "tags": lambda track: _tags(track.genre),
        },
    ),
    "beatles": Adapter(
        groups="albums",
        listed_as=_as(r"beatles_(\d\d)_(?:CD(\d)_)?\D+_(\d\d)_.+", lambda found: "".join(filter(None, found.groups()))),
        brought=_YOUR_OWN,
        annotations={
            "beats": FromFile("beat", Beats.read),
            "chords": FromFile("chords", Chords.read),
            "key": FromFile("keys", files.beatles_key),
            "segments": FromFile("sections", files.beatles_segments),
        },
    ),
    "billboard": Adapter(
        groups="artists",
        remotes=("metadata", "annotation_salami", "annotation_lab"),
        skipped=("bothchroma", "tuning"),
        brought=_YOUR_OWN,
        annotations={
            "chords": FromFile("lab_full", Chords.read),
            "segments": FromFile("salami", files.salami_segments),
        },
    ),
    "salami": Adapter(
        groups="artists",
        group=lambda track: track.artist or f"song {track.track_id}",
        brought=_YOUR_OWN,
        annotations={
            "hierarchy": FromFile("annotator_1_uppercase", files.salami_hierarchy),
            "segments": FromFile("annotator_1_uppercase", files.salami_functions),
        },
        second={
            "hierarchy": FromFile("annotator_2_uppercase", files.salami_hierarchy),
            "segments": FromFile("annotator_2_uppercase", files.salami_functions),
        },
    ),
    "rwc_popular": Adapter(
        groups="singers",
        listed_as=_as(r"rwc_popular_CD(\d)_(\d\d)", _rwc_popular),
        group=lambda track: track.artist,
        skipped=("voca_inst",),
        brought=_YOUR_OWN,
        annotations={
            "beats": FromFile("beats", files.rwc_beats),
            "chords": FromFile("chords", Chords.read),
            "segments": FromFile("sections", files.rwc_segments),
        },
    ),
    "rwc_classical": Adapter(
        groups="composers",
        group=lambda track: track.composer,
        brought=_YOUR_OWN,
        annotations={
            "beats": FromFile("beats", files.rwc_beats),
            "segments": FromFile("sections", files.rwc_segments),
        },
    ),
    "rwc_jazz": Adapter(
        groups="pieces",
        group=lambda track: re.sub(r"\s*\([^()]*\)$", "", track.title),  # "Crescent Serenade (Piano Solo)"
        brought=_YOUR_OWN,
        annotations={
            "beats": FromFile("beats", files.rwc_beats),
            "segments": FromFile("sections", files.rwc_segments),
        },
    ),
    "queen": Adapter(
        groups="albums",
        group=lambda track: Path(track.audio_path).parent.name,
        brought=_YOUR_OWN,
        annotations={
            "chords": FromFile("chords", Chords.read),
            "key": FromFile("keys", files.beatles_key),
            "segments": FromFile("sections", files.beatles_segments),
        },
    ),
    "ikala": Adapter(
        groups="singers",
        group=lambda track: track.singer_id,
        work=lambda id_, singer: id_.split("_")[0],  # the song
        remotes=("metadata",),
        skipped=("lyrics", "notes_pyin"),
        brought="It is not distributed any more.",
        annotations={"melody": FromFile("pitch", files.ikala_melody)},
    ),
    "vocadito": Adapter(
        groups="singers",
        group=lambda track: track.singer_id,
        skipped=("lyrics",),
        annotations={
            "melody": FromFile("f0", files.melody),
            "notes": FromFile("notesA1", files.vocadito_notes),
        },
        second={"notes": FromFile("notesA2", files.vocadito_notes)},
    ),
    "medleydb_melody": Adapter(
        groups="artists",
        work=_medleydb_work,
        brought=_ON_REQUEST,
        annotations={
            "melody": FromFile("melody2", files.melody),
            "tags": lambda track: _tags(track.genre),
        },
    ),
    "medleydb_pitch": Adapter(
        groups="artists",
        work=_medleydb_work,
        remotes=(),
        skipped=("notes_pyin",),
        brought=_ON_REQUEST,
        annotations={
            "melody": FromFile("pitch", files.melody),
            "tags": lambda track: _tags(track.instrument),
        },
    ),
    "orchset": Adapter(
        groups="works",
        audio="audio_mono",
        annotations={
            "melody": FromFile("melody", files.melody),
            "tags": lambda track: _tags(*track.predominant_melodic_instruments),
        },
    ),
    "tinysol": Adapter(
        groups="instruments",
        group=lambda track: track.instrument_full,
        work=lambda id_, instrument: id_,  # each recorded tone
        split=lambda track: track.split,
        splits={0: "train", 1: "train", 2: "train", 3: "valid", 4: "test"},
        annotations={"tags": lambda track: _tags(track.instrument_full)},
    ),
    "irmas": Adapter(
        groups="recordings",
        group=_irmas_group,
        split=lambda track: track.split,
        splits={"train": "train", "test": "test"},
        valid_share=0.1,
        annotations={"tags": lambda track: _tags(*(_IRMAS[code] for code in track.instrument))},
    ),
    "medley_solos_db": Adapter(
        groups="songs",
        group=lambda track: track.song_id,
        split=lambda track: track.subset,
        splits={"training": "train", "validation": "valid", "test": "test"},
        annotations={"tags": lambda track: _tags(track.instrument)},
    ),
    "openmic2018": Adapter(
        groups="artists",
        group=lambda track: track.artist if isinstance(track.artist, str) else track.track_id,
        split=lambda track: track.split,
        splits={"split01_train": "train", "split01_test": "test"},
        valid_share=0.1,
        annotations={"tags": _openmic_tags},
    ),
    "mtg_jamendo_autotagging_moodtheme": Adapter(
        groups="artists",
        group=lambda track: track.artist_id,
        split_lists=lambda dataset: dataset.get_track_splits(split_number=0),
        splits=_OFFICIAL,
        brought="The recordings are downloaded by a program of its authors.",
        annotations={"tags": lambda track: _tags(*(set(track.tags) - _DISCARDED))},
    ),
}

ALIASES = {"mtg_jamendo_autotagging": "mtg_jamendo_autotagging_moodtheme"}
