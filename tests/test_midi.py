"""Folders of MIDI files are rendered, with their annotations."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from configs import CONF
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.midi import Midi
from ricercar.errors import InputError

SAMPLE_RATE = 16000


def midi(root: Path, **changed: Any) -> Midi:
    settings = OmegaConf.merge(OmegaConf.load(CONF / "data" / "midi.yaml"), {"root": str(root), **changed})
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
