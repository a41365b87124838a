"""Composed pieces are music whose annotations are true of the sound."""

import inspect
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
from hydra.utils import get_class, instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import ROOT, option
from conftest import Command
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.notes import DRUMS
from ricercar.data.sources.synth import Synth
from ricercar.data.track import Track
from ricercar.errors import InputError

SAMPLE_RATE = 16000
PIECES = range(6)


def synth(**changed: Any) -> Synth:
    settings = OmegaConf.merge(option("data", "synth"), changed)
    source = instantiate(settings, _convert_="all")
    assert isinstance(source, Synth)
    return source


@cache
def train() -> list[Track]:
    return synth(num_train=60).tracks("train")


@cache
def audio_of(index: int) -> NDArray[np.float32]:
    return train()[index].audio.decode(SAMPLE_RATE)


def pitched(track: Track) -> list[Any]:
    """(onset_s, pedalled_offset_s, pitch, program) of all notes but the drums'."""
    notes: Any = track.annotations["notes"]
    rows = zip(notes.onset_s, notes.pedalled_offset_s, notes.semitone, notes.program, strict=True)
    return [row for row in rows if row[3] != DRUMS]


def chromas(track: Track) -> NDArray[np.float64]:
    """(12,) how long each pitch class sounds."""
    chroma = np.zeros(12)
    for onset_s, offset_s, pitch, _ in pitched(track):
        chroma[pitch % 12] += min(offset_s - onset_s, 1.0)
    return chroma


@pytest.mark.parametrize("index", PIECES)
def test_one_note_of_a_pitch_at_a_time(index: int) -> None:
    end_s: dict[int, float] = {}
    for onset_s, offset_s, pitch, _ in pitched(train()[index]):
        assert 21 <= pitch <= 108
        assert onset_s > end_s.get(pitch, 0.0)
        assert offset_s - onset_s >= 0.05
        end_s[pitch] = offset_s
    assert max(end_s.values()) < 20.0


@pytest.mark.parametrize("index", PIECES)
def test_moderate_polyphony(index: int) -> None:
    start_s, end_s, _, _ = np.array(pitched(train()[index])).T
    time_s = np.arange(1.0, 18.0, 0.1)[:, None]
    sounding = ((start_s <= time_s) & (time_s < end_s)).sum(axis=1)
    assert 1.0 <= sounding.mean() <= 6.0
    assert sounding.max() <= 9


@pytest.mark.parametrize("index", PIECES)
def test_beats_tempo_and_onsets_agree(index: int) -> None:
    annotations: Any = train()[index].annotations
    beats = annotations["beats"]
    assert annotations["tempo"].bpm == pytest.approx(60 / np.median(np.diff(beats.time_s)), rel=0.02)
    np.testing.assert_array_equal(beats.position, np.arange(len(beats.time_s)) % beats.position.max() + 1)
    onset_s = annotations["onsets"].time_s
    nearest = np.abs(beats.time_s[:, None] - onset_s).min(axis=1)
    assert np.mean(nearest < 0.03) > 0.7  # most beats have an onset
    assert set(np.round(onset_s, 6)) <= set(np.round(annotations["notes"].onset_s, 6))


@pytest.mark.parametrize("index", PIECES)
def test_melody_is_one_of_the_notes(index: int) -> None:
    track = train()[index]
    audio: Any = track.audio
    melody: Any = track.annotations["melody"]
    voiced = melody.frequency_hz > 0
    assert 0.4 < voiced.mean() < 0.98
    pitch = 69 + 12 * np.log2(melody.frequency_hz[voiced] / 440) - audio.tuning_cents / 100
    start_s, end_s, pitches, _ = np.array(pitched(track)).T
    time_s = melody.time_s[voiced][:, None]
    heard = (start_s <= time_s + 1e-6) & (time_s < end_s + 1e-6) & (np.abs(pitches - pitch[:, None]) < 1e-6)
    assert heard.any(axis=1).all()


@pytest.mark.parametrize("index", PIECES)
def test_chords_are_what_is_played(index: int) -> None:
    """Most of what sounds between two chord changes belongs to the chord, and its bass is the lowest note there."""
    track = train()[index]
    chords: Any = track.annotations["chords"]
    inside = total = 0.0
    for start_s, end_s, label in zip(chords.start_s, chords.end_s, chords.label, strict=True):
        root, bitmap, _ = mir_eval.chord.encode(label)
        classes = {(root + interval) % 12 for interval in np.flatnonzero(bitmap)} if label != "N" else set()
        for onset_s, offset_s, pitch, _ in pitched(track):
            overlap_s = max(min(offset_s, end_s) - max(onset_s, start_s), 0.0)
            total += overlap_s
            inside += overlap_s * (pitch % 12 in classes)
    assert inside / total > 0.8
    assert chords.start_s[0] == 0.0
    assert chords.end_s[-1] == 20.0
    np.testing.assert_array_equal(chords.start_s[1:], chords.end_s[:-1])


@pytest.mark.parametrize("index", range(10))
def test_sections_of_one_letter_have_the_same_chords(index: int) -> None:
    segments: Any = train()[index].annotations["segments"]
    chords: Any = train()[index].annotations["chords"]
    played: dict[str, list[str]] = {}
    # The first section has silence before it, the last one the closing bar after it.
    for start_s, end_s, letter in list(zip(segments.start_s, segments.end_s, segments.label, strict=True))[1:-1]:
        middle_s = start_s + (np.arange(16) + 0.5) / 16 * (end_s - start_s)
        labels = [chords.label[place - 1] for place in np.searchsorted(chords.start_s, middle_s, side="right")]
        assert played.setdefault(letter, labels) == labels


def test_keys_can_be_heard() -> None:
    """The profiles of Krumhansl and Kessler (1982) on the notes alone."""
    major = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
    minor = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
    scores = []
    for track in train():
        fits = {
            str(Key(tonic=tonic, mode=mode)): np.corrcoef(chromas(track), np.roll(profile, tonic))[0, 1]
            for mode, profile in (("major", major), ("minor", minor))
            for tonic in range(12)
        }
        scores.append(mir_eval.key.weighted_score(str(track.annotations["key"]), max(fits, key=lambda key: fits[key])))
    assert np.mean(scores) > 0.7


def test_pieces_differ() -> None:
    source = synth(num_train=40)
    texts = [
        track.annotations["notes"].text() for split in ("train", "valid", "test") for track in source.tracks(split)
    ]
    assert len(set(texts)) == len(texts)
    keys = {str(track.annotations["key"]) for track in train()}
    tags = {tag for track in train() for tag in track.annotations["tags"].tags}  # type: ignore[attr-defined]
    assert len(keys) > 15
    assert {"piano", "guitar", "bass", "drums", "chromatic percussion"} <= tags


@pytest.mark.parametrize("index", [0, 1, 2])
def test_sound_rises_at_onsets(index: int) -> None:
    """Spectral flux within 20 ms of annotated onsets, against the rest of the piece."""
    hop, size = 80, 512
    audio = np.pad(audio_of(index), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(audio, size)[::hop] * np.hanning(size)
    flux = np.maximum(np.diff(np.log(np.abs(np.fft.rfft(frames)) + 1e-2), axis=0), 0).sum(axis=1)
    onsets: Any = train()[index].annotations["onsets"]
    time_s = np.arange(1, len(flux) + 1) * hop / SAMPLE_RATE
    away_s = np.abs(time_s[:, None] - onsets.time_s).min(axis=1)
    at_onsets = [flux[np.abs(time_s - onset_s) < 0.02].max() for onset_s in onsets.time_s]
    assert np.median(at_onsets) > 3 * np.median(flux[away_s > 0.05])
    assert np.mean(at_onsets > np.percentile(flux[away_s > 0.05], 75)) > 0.85


@pytest.mark.parametrize("index", [0, 1, 2])
def test_sound_has_the_pitch(index: int) -> None:
    track = train()[index]
    rendering: Any = track.audio
    cents = []
    for onset_s, offset_s, pitch, _ in pitched(track):
        if offset_s - onset_s > 0.35 and pitch >= 48:
            window = audio_of(index)[round((onset_s + 0.06) * SAMPLE_RATE) : round((onset_s + 0.34) * SAMPLE_RATE)]
            spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 2**17))
            freq_hz = np.fft.rfftfreq(2**17, 1 / SAMPLE_RATE)
            expected_hz = 440.0 * 2.0 ** ((pitch - 69 + rendering.tuning_cents / 100) / 12)
            near = np.abs(np.log2(np.maximum(freq_hz, 1) / expected_hz)) < 1 / 24
            cents.append(1200 * np.log2(freq_hz[near][np.argmax(spectrum[near])] / expected_hz))
    assert len(cents) >= 10
    assert np.median(np.abs(cents)) < 5.0


def valid_as_text() -> str:
    tracks = synth().tracks("valid")
    texts = [each.text().encode().hex() for track in tracks for each in track.annotations.values()]
    return " ".join([*(track.audio.key() for track in tracks), *texts])


def test_tracks_are_the_same_in_another_process(run_command: Command) -> None:
    folders = [str(ROOT / "tests"), str(Path(__file__).parent)]
    script = f"import sys; sys.path[:0] = {folders}; from test_synth import valid_as_text; print(valid_as_text())"
    run = run_command("-c", script)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == valid_as_text()


def test_a_track_travels_to_another_process() -> None:
    track = pickle.loads(pickle.dumps(train()[0]))
    assert track.audio.key() == train()[0].audio.key()


def test_another_seed_gives_other_pieces() -> None:
    other = synth(seed=1, num_valid=3).tracks("valid")
    same = synth(num_valid=3).tracks("valid")
    assert all(a.audio.key() != b.audio.key() for a, b in zip(other, same, strict=True))
    assert [track.id for track in other] == ["synth_valid_0000", "synth_valid_0001", "synth_valid_0002"]


@pytest.mark.parametrize("duration_s", [6.0, 9.0, 90.0])
@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8"])
def test_other_durations(duration_s: float, metre: str) -> None:
    tracks = synth(composer={"duration_s": duration_s, "metres": {metre: 1.0}}, num_valid=8).tracks("valid")
    notes: list[Any] = [track.annotations["notes"] for track in tracks]
    end_s = [each.pedalled_offset_s.max() for each in notes]
    assert 0.9 * duration_s - 1.0 < min(end_s)
    assert max(end_s) < duration_s
    tempos: list[Any] = [track.annotations["tempo"] for track in tracks]
    assert all(30 < tempo.bpm < 200 for tempo in tempos)


@pytest.mark.parametrize("kind", ["composer", "studio"])
def test_yaml_names_every_parameter(kind: str) -> None:
    node = option("data", "synth")[kind]
    assert set(inspect.signature(get_class(node._target_)).parameters) == set(node) - {"_target_"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"composer": {"duration_s": 3.0}}, "duration_s 3.0"),
        ({"composer": {"tempo_bpm": [120]}}, "tempo_bpm"),
        ({"composer": {"plucked_programs": [0, 128]}}, "plucked_programs"),
        ({"composer": {"metres": {"7/8": 1.0}}}, "7/8.*4/4, 3/4, 6/8"),
        ({"studio": {"noise_db": [-40, -60]}}, "noise_db"),
        ({"studio": {"reverb_s": [0.0, 1.0]}}, "reverb_s"),
        ({"studio": {"soundfonts": ["nowhere.sf2"]}}, "nowhere.sf2"),
    ],
)
def test_unusable_settings(changed: dict[str, Any], problem: str) -> None:
    settings = OmegaConf.merge(option("data", "synth"), changed)
    part = settings[next(iter(changed))]
    with pytest.raises(InputError, match=problem):
        get_class(part._target_)(
            **{key: value for key, value in OmegaConf.to_container(part).items() if key != "_target_"}
        )


@pytest.mark.parametrize("split", ["valid", "dev"])
def test_no_such_split(split: str) -> None:
    with pytest.raises(InputError, match=rf"{split}.*train \(160\), valid \(0\), test \(16\)"):
        synth(num_valid=0).tracks(split)
