"""Folders of MIDI files are rendered, with their annotations."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf

import midi_examples as example
from configs import option
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.sources.midi import Midi
from ricercar.errors import InputError

SAMPLE_RATE = 16000


def midi(root: Path, **changed: Any) -> Midi:
    settings = OmegaConf.merge(option("data", "midi"), {"root": str(root), **changed})
    source = instantiate(settings, _convert_="all")
    assert isinstance(source, Midi)
    return source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notes = Notes.make([0.5, 1.0, 1.5], [0.9, 1.4, 1.6], [60, 67, 38], [90, 60, 100], [24, 24, DRUMS])
    for name in ("a", "b"):
        notes.write_midi(tmp_path / f"{name}.mid")
    (tmp_path / "a.csv").write_text("0.0,0.0\n0.5,261.6256\n")
    (tmp_path / "index.csv").write_text(
        "id,split,group,midi,key,melody\na,train,a,a.mid,C major,a.csv\nb,train,b,b.mid,,\n"
    )
    return tmp_path


def test_midi_folder(folder: Path) -> None:
    a, b = midi(folder).tracks("train")
    notes: Any = a.annotations["notes"]
    np.testing.assert_allclose(notes.onset_s, [0.5, 1.0, 1.5], atol=1e-4)
    np.testing.assert_array_equal(notes.program, [24, 24, DRUMS])
    assert str(a.annotations["key"]) == "C major"
    assert set(b.annotations) == {"notes"}
    audio = a.audio.decode(SAMPLE_RATE)
    assert np.abs(audio[:7900]).max() < 0.05 * np.abs(audio[8000:12000]).max()
    rendering: Any = a.audio
    melody: Any = a.annotations["melody"]
    np.testing.assert_allclose(melody.frequency_hz, [0.0, 261.6256 * 2 ** (rendering.tuning_cents / 1200)])


def test_midi_settings_depend_on_seed_and_id_alone(folder: Path) -> None:
    first = [track.audio.key() for track in midi(folder).tracks("train")]
    (folder / "index.csv").write_text("id,split,group,midi\nb,train,b,b.mid\n")
    assert [track.audio.key() for track in midi(folder).tracks("train")] == first[1:]
    assert first[0] != first[1]
    assert midi(folder, seed=1).tracks("train")[0].audio.key() != first[1]


def test_midi_programs(folder: Path) -> None:
    for track in midi(folder, programs=[4]).tracks("train"):
        notes: Any = track.annotations["notes"]
        np.testing.assert_array_equal(notes.program, [4, 4, DRUMS])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("id,split,group,audio\na,train,a,a.mid\n", "line 2.*no MIDI"),
        ("id,split,group,midi\na,test,a,a.mid\n", "split 'train'"),
    ],
)
def test_unusable_midi_folder(folder: Path, content: str, problem: str) -> None:
    (folder / "index.csv").write_text(content)
    with pytest.raises(InputError, match=problem):
        midi(folder).tracks("train")


# --- the melody of a track ---

A4, C4, E4 = 69, 60, 64


def in_tracks(path: Path, parts: dict[str, list[tuple[float, float, int]]], program: int = 0) -> None:
    """Writes notes (start, end, pitch) into named tracks, a tick a millisecond; the pedal is down all the time."""
    tracks = []
    for name, notes in parts.items():
        channel = 9 if name == "DRUMS" else 0
        played = [
            each
            for start_s, end_s, key in notes
            for each in example.note(round(start_s * 1000), round(end_s * 1000), key, channel, 90)
        ]
        tracks.append(
            [example.name(name), example.program(0, program, channel), example.control(0, 64, 127, channel), *played]
        )
    example.written(path, *tracks)


def melody_in(root: Path, cells: str, **changed: Any) -> tuple[Melody, float]:
    """The melody of <root>/a.mid, in the frequencies of an A4 of 440 Hz; and the tuning in cents."""
    (root / "index.csv").write_text(f"id,split,group,midi,melody_track,melody\na,train,a,a.mid,{cells}\n")
    [track] = midi(root, **changed).tracks("train")
    melody = track.annotations["melody"]
    assert isinstance(melody, Melody)
    rendering: Any = track.audio
    return melody, rendering.tuning_cents


def hz(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(0.1, 0.3, A4)], [(0.0, 0), (0.1, A4), (0.29, A4), (0.3, 0)]),
        ([(0.104, 0.296, A4)], [(0.1, 0), (0.11, A4), (0.29, A4), (0.3, 0)]),
        ([(0.1, 0.4, A4), (0.2, 0.5, C4)], [(0.19, A4), (0.2, C4), (0.49, C4), (0.5, 0)]),
        ([(0.1, 0.5, A4), (0.2, 0.3, C4)], [(0.19, A4), (0.2, C4), (0.3, A4), (0.49, A4)]),
        ([(0.1, 0.3, C4), (0.1, 0.3, E4)], [(0.1, E4), (0.29, E4), (0.3, 0)]),
        ([(0.1, 0.2, C4), (0.2, 0.3, C4)], [(0.19, C4), (0.2, C4), (0.29, C4), (0.3, 0)]),
    ],
    ids=["one", "between frames", "the last begun", "back to the held", "the highest", "legato"],
)
def test_melody_of_a_track(
    notes: list[tuple[float, float, int]], expected: list[tuple[float, int]], tmp_path: Path
) -> None:
    in_tracks(tmp_path / "a.mid", {"MELODY": notes, "PIANO": [(0.0, 0.8, 48)]})
    melody, cents = melody_in(tmp_path, "MELODY,")
    assert abs(cents) > 0.1
    np.testing.assert_array_equal(melody.time_s, np.round(np.arange(80) / 100, 6))  # while anything sounds
    frames = np.searchsorted(melody.time_s, [time_s for time_s, _ in expected])
    frequency_hz = [hz(pitch) * 2 ** (cents / 1200) if pitch else 0.0 for _, pitch in expected]
    np.testing.assert_allclose(melody.frequency_hz[frames], frequency_hz, rtol=1e-12)


def test_own_melody_goes_before_that_of_a_track(tmp_path: Path) -> None:
    in_tracks(tmp_path / "a.mid", {"MELODY": [(0.1, 0.3, A4)]})
    (tmp_path / "own.csv").write_text("0.0,0.0\n0.5,300.0\n")
    melody, cents = melody_in(tmp_path, "MELODY,own.csv")
    np.testing.assert_allclose(melody.frequency_hz, [0.0, 300.0 * 2 ** (cents / 1200)])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Melody", "no track with notes is called 'Melody'; it has: 'MELODY', 'DRUMS'"),
        ("DRUMS", "drums"),
        ("REST", "no track with notes is called"),
    ],
)
def test_unusable_melody_track(name: str, words: str, tmp_path: Path) -> None:
    in_tracks(tmp_path / "a.mid", {"MELODY": [(0.1, 0.3, A4)], "DRUMS": [(0.1, 0.3, 38)], "REST": []})
    with pytest.raises(InputError, match=f"line 2: track 'a'.*{words}"):
        melody_in(tmp_path, f"{name},")


def sounding_hz(audio: NDArray[np.float32]) -> float:
    """Of the highest peak of the spectrum, interpolated."""
    spectrum = np.log(np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 4 * len(audio))) + 1e-9)
    peak = int(np.argmax(spectrum))
    before, at, after = spectrum[peak - 1 : peak + 2]
    return float((peak + 0.5 * (before - after) / (before - 2 * at + after)) * SAMPLE_RATE / (4 * len(audio)))


@pytest.mark.parametrize("cents", [-15.0, 15.0])
def test_melody_is_what_sounds(cents: float, tmp_path: Path) -> None:
    in_tracks(tmp_path / "a.mid", {"MELODY": [(0.2, 1.7, A4)]})
    dry = {"reverb_share": 0.0, "noise_db": [-90, -90], "gain_db": [0, 0]}
    melody, tuning = melody_in(tmp_path, "MELODY,", studio={**dry, "tuning_cents": [cents, cents]})
    assert tuning == cents
    heard_hz = {}
    for each in (0.0, cents):
        [track] = midi(tmp_path, studio={**dry, "tuning_cents": [each, each]}).tracks("train")
        heard_hz[each] = sounding_hz(track.audio.decode(SAMPLE_RATE)[8000:24000])
    assert 1200 * np.log2(heard_hz[cents] / heard_hz[0.0]) == pytest.approx(cents, abs=0.5)
    off_tune = 1200 * np.log2(melody.frequency_hz[100] / heard_hz[cents])
    assert off_tune == pytest.approx(0.0, abs=10.0)  # as the font is tuned


def test_real_melody() -> None:
    """Frame by frame as pretty_midi reads the track."""
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip("set RICERCAR_TEST_DATA to the folder that holds pop909")
    root = Path(os.environ["RICERCAR_TEST_DATA"]) / "pop909"
    track = midi(root, studio={"tuning_cents": [0, 0]}).tracks("test")[0]
    melody = track.annotations["melody"]
    assert isinstance(melody, Melody)
    [part] = [
        each
        for each in pretty_midi.PrettyMIDI(str(root / "midi" / f"{track.id}.mid")).instruments
        if each.name == "MELODY"
    ]
    expected = np.zeros(len(melody))
    for note in sorted(part.notes, key=lambda note: (note.start, note.pitch)):
        expected[(melody.time_s >= note.start) & (melody.time_s < note.end)] = hz(note.pitch)
    assert len(melody) > 5000
    assert np.mean(np.isclose(melody.frequency_hz, expected)) > 0.999  # frames that a note begins or ends at


@pytest.mark.parametrize("name", ["asap", "pop909"])
def test_real_midi(name: str, tmp_path: Path) -> None:
    """The sound of a performance grows at its annotated onsets."""
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip("set RICERCAR_TEST_DATA to the folder that holds asap and pop909")
    source = midi(Path(os.environ["RICERCAR_TEST_DATA"]) / name, programs=[0])
    track = min(source.tracks("valid"), key=lambda track: track.annotations["notes"].pedalled_offset_s[-1])  # type: ignore[attr-defined]
    audio = track.audio.decode(SAMPLE_RATE)
    notes: Any = track.annotations["notes"]
    assert len(audio) == round((notes.pedalled_offset_s.max() + 1.0) * SAMPLE_RATE)
    assert "beats" in track.annotations
    onset_s = notes.onset_s[np.diff(notes.onset_s, prepend=-1.0) > 0.15]  # those that nothing covers
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    edges = np.rint((onset_s[:, None] + [-0.02, 0.0, 0.02, 0.04]) * SAMPLE_RATE).astype(int).clip(0)
    before, _, after = np.diff(energy[edges], axis=1).T
    assert len(onset_s) > 20
    assert np.mean(after > before) > 0.9
