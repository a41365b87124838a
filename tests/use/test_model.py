"""A model in use says what the run itself would be scored by, whatever it is given."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from omegaconf import OmegaConf

import ricercar
from configs import SYNTH, TINY
from conftest import Here
from ricercar.data import scratch
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.audio.sound import Sound
from ricercar.data.audio.store import AudioStore
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.command import expanded
from ricercar.use.model import Model
from trainings import SMALL, trained


@pytest.fixture(scope="module")
def model(onset_run: Path) -> Model:
    return ricercar.load(onset_run, "cpu")


@pytest.fixture(scope="module")
def song(tones: Path) -> Path:
    return tones / "audio" / "t3.wav"


def test_a_file_gives_what_eval_scores(
    model: Model, song: Path, onset_run: Path, cache: Path, run_here: Here, tmp_path: Path
) -> None:
    """Byte for byte, and what the run itself was scored by."""
    onsets = model(song)
    assert isinstance(onsets, Onsets)
    assert len(onsets) > 0
    onsets.write(tmp_path / "t3.txt")
    assert run_here("eval.py", f"run={onset_run}", "hydra.run.dir=again", f"cache_dir={cache}")[0] == 0
    for folder in (onset_run, tmp_path / "again"):
        assert (folder / "predictions" / f"t3{Onsets.suffixes[0]}").read_bytes() == (tmp_path / "t3.txt").read_bytes()


FEEDS = [
    ["frontend=cqt", "spectrogram=cached", "augmentation=none", "backbone=dense", "backbone.width=8"],
    ["frontend=cqt", "backbone.width=4", "head=tokens", "codec.max_tokens=24"],
    [*SMALL, "task=[onset,key]"],
]


@pytest.mark.parametrize("options", FEEDS, ids=" ".join)
def test_a_sound_gives_what_a_run_was_scored_by(
    options: Sequence[str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte: of windows of audio and of spectrograms, of frames, clips and tokens, and of several tasks; also
    where outputs are too long for memory.
    """
    given = [each for option in ["task=notes", *TINY, *SYNTH, *options] for each in expanded(option)]
    trained(tmp_path, *given, f"cache_dir={cache}")
    model = ricercar.load(tmp_path, "cpu")
    monkeypatch.setattr(scratch, "IN_MEMORY", 1)
    [track] = assemble.make(model.trained.cfg.data).tracks("test")
    samples = AudioStore(cache, model.sample_rate).read(track, 0, 6 * model.sample_rate)
    [estimates] = model.batch([Sound(samples, model.sample_rate)])
    assert list(estimates) == list(model.tasks)
    for name, folder in assemble.folders(tmp_path, model.tasks).items():
        [kept] = (folder / "predictions").glob(f"{track.id}.*")
        estimates[name].write(tmp_path / kept.name)
        assert (tmp_path / kept.name).read_bytes() == kept.read_bytes()
    found = model(samples, model.sample_rate)
    assert isinstance(found, dict) == (len(model.tasks) > 1)
    if isinstance(found, dict):
        assert set(model.activations(samples, model.sample_rate)) == {"onset/onset", "key/key"}


def test_arrays_files_and_batches_agree(model: Model, song: Path) -> None:
    samples, rate = soundfile.read(song, dtype="int16")
    alone = model(song).text()  # type: ignore[union-attr]
    assert model(samples, rate).text() == alone
    assert model(torch.from_numpy(samples / 32768), rate).text() == alone
    assert model(np.stack([samples, samples], axis=1), rate).text() == alone
    assert model(model.sound(song)).text() == alone
    short = Sound(model.sound(song).samples[:9000], model.sample_rate)
    batch = model.batch([short, model.sound(song), short])
    times = [each["onset"].time_s for each in batch]
    for found, sound in zip(times, (short, song, short), strict=True):
        np.testing.assert_allclose(found, model(sound).time_s, atol=1e-4)  # sums of other batches are rounded otherwise


def test_activations_have_times(model: Model, song: Path) -> None:
    activations = model.activations(song)
    assert list(activations) == ["onset"]
    [logits] = activations.values()
    assert logits.shape == (1 + 51200 // 320, 1)
    np.testing.assert_allclose(activations.time_s("onset")[:3], [0, 0.02, 0.04])


def test_it_says_what_it_is(model: Model, onset_run: Path) -> None:
    told = model.describe()
    assert told["tasks"]["onset"]["annotation"] == "onsets"
    assert told["sample_rate"] == 16000
    assert told["window_s"] == pytest.approx(39 / 50)
    assert (told["name"], told["version"]) == (onset_run.name, ricercar.__version__)


def test_threads_share_a_model(model: Model, song: Path) -> None:
    sounds = [Sound(model.sound(song).samples[: 5000 * number], model.sample_rate) for number in range(1, 9)]
    alone = [model(sound).text() for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        assert [each.text() for each in pool.map(model, sounds)] == alone


@pytest.mark.parametrize("samples", [np.zeros(1, np.int16), np.zeros(16000, np.int16), np.full(20, 32767, np.int16)])
def test_silent_and_very_short_sounds(model: Model, samples: Any) -> None:
    assert isinstance(model(samples, 16000), Onsets)


@pytest.mark.parametrize(
    ("given", "rate", "told"),
    [
        (np.zeros(100), None, "an array has no sample rate"),
        (np.zeros(100), 3, "sample_rate=3: give a number of Hz"),
        (np.zeros((2, 16000)), 16000, r"shape \(2, 16000\): give \(samples,\) or \(samples, channels\)"),
        (np.zeros(0), 16000, "no samples"),
        (np.array([0.1, np.nan]), 16000, "NaN"),
        (np.array([0.1, 3000.0]), 16000, "samples up to 3000, where 1 is full scale"),
        (np.zeros(9, np.uint8), 16000, "the array holds uint8"),
        ("song.wav", 44100, "a file says its own"),
        ("song.wav", None, "song.wav: there is no such file"),
        ("https://example.org/song.wav", None, "is an address: download the file first"),
        (__file__, None, "is not audio that libsndfile reads"),
        (Path(__file__).parent, None, "there is no such file"),
    ],
)
def test_what_is_no_sound_is_refused(model: Model, given: Any, rate: int | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        model(given, rate)


def test_what_does_not_hold_of_a_file_is_told(
    model: Model, song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cut.wav").write_bytes(song.read_bytes()[:50000])
    model(tmp_path / "cut.wav")
    assert "cut.wav: is cut short" in caplog.text


def damaged(run: Path, copy: Path, what: str) -> Path:
    shutil.copytree(run, copy)
    if what == "no result":
        (copy / "result.json").unlink()
    elif what == "no weights":
        (copy / "checkpoints" / "best.pt").unlink()
    elif what == "other layers":
        cfg = OmegaConf.load(copy / ".hydra" / "config.yaml")
        cfg.backbone.num_params = 30000
        OmegaConf.save(cfg, copy / ".hydra" / "config.yaml")
    elif what == "an option of another version":
        cfg = OmegaConf.load(copy / ".hydra" / "config.yaml")
        cfg.backbone.depth_of_yore = 3
        OmegaConf.save(cfg, copy / ".hydra" / "config.yaml")
    elif what == "no run":
        shutil.rmtree(copy / ".hydra")
    return copy


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("no result", "result.json cannot be read"),
        ("no weights", "has no best.pt"),
        ("other layers", "best.pt does not fit this configuration"),
        ("an option of another version", "backbone: .*depth_of_yore"),
        ("no run", "Give the folder that train.py wrote"),
    ],
)
def test_what_is_no_finished_run_is_refused(onset_run: Path, tmp_path: Path, what: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        ricercar.load(damaged(onset_run, tmp_path / "copy", what))


def test_no_such_folder() -> None:
    with pytest.raises(InputError, match="/no/such: there is no such folder"):
        ricercar.load("/no/such")


def test_changed_classes_are_told(onset_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy = damaged(onset_run, tmp_path / "copy", "")
    cfg = OmegaConf.load(copy / ".hydra" / "config.yaml")
    cfg.classes = {"configs.option": "0123"}
    OmegaConf.save(cfg, copy / ".hydra" / "config.yaml")
    with caplog.at_level(logging.WARNING):
        ricercar.load(copy)
    assert "configs.option is not what the run was trained with" in caplog.text


def test_importing_stays_light() -> None:
    script = "import sys, ricercar; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
