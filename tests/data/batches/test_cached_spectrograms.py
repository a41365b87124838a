"""spectrogram=cached: trained, resumed and evaluated like any other run, and made once for a sweep."""

from pathlib import Path
from typing import Any

import pytest

from configs import composed
from conftest import Here
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.results import Result
from ricercar.harness.run import Run
from ricercar.train import train
from trainings import ONSETS, informative

CACHED = ["spectrogram=cached", "augmentation=none", "augmentation.time_mask=[2,5]"]
CACHED += [*ONSETS, "trainer.budget=10steps", "optimizer.lr=0.01"]
CHOICES = {"task": "onset", "data": "folder", "frontend": "mel", "backbone": "dense"}


def test_trained_and_evaluated(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    assert run_here("train.py", *on_tones, *CACHED, f"cache_dir={tmp_path / 'cache'}") == (0, "")
    [run] = (tmp_path / "outputs").glob("onset-*")
    evaluation = [f"run={run}", f"cache_dir={tmp_path / 'cache'}", f"hydra.run.dir={tmp_path / 'e'}"]
    assert run_here("eval.py", *evaluation) == (0, "")
    before, after = (Result.read(folder / "result.json") for folder in (run, tmp_path / "e"))
    assert before.choices["spectrogram"] == "cached"
    assert informative(before)
    assert before.tracks == after.tracks
    assert len(list((tmp_path / "cache" / "spectrograms").glob("*/*.npy"))) == 4  # one for each track


def test_each_frontend_is_paid_once(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysed: list[Any] = []
    make_windows = assemble.make_windows

    def counting(*args: Any) -> Any:
        windows = make_windows(*args)
        analyse = windows.blocks.analyse
        windows.blocks.analyse = lambda audio: (analysed.append(audio.shape), analyse(audio))[1]
        return windows

    monkeypatch.setattr(assemble, "make_windows", counting)
    for number, backbone in enumerate(("dense", "lstm")):
        options = [*on_tones, *CACHED, f"cache_dir={tmp_path / 'cache'}"]
        cfg = composed(*[each.replace("=dense", f"={backbone}") for each in options])
        folder = tmp_path / backbone
        folder.mkdir()
        train(Run(cfg, folder, CHOICES, []))
        assert bool(analysed) == (number == 0)
        analysed.clear()


def test_a_joint_run_reads_them_too(on_tones: list[str], tmp_path: Path) -> None:
    cfg = composed(*on_tones, *CACHED, "seeds_per_job=2")
    (tmp_path / "a").mkdir()
    results = train(Run(cfg, tmp_path / "a", CHOICES, []))
    assert [result.seed for result in results] == [0, 1]


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("augmentation=standard", "augmentation=none"),
        ("frontend.trainable=true", "frontend.trainable=false"),
        ("spectrogram.limit_gb=1e-6", "spectrogram.limit_gb"),
        ("spectrogram.limit_gb=0", "spectrogram.limit_gb"),
        ("augmentation.pitch_shift_semitones=2", "augmentation=none"),
        ("augmentation.mix_examples=2", "augmentation=none"),
    ],
)
def test_what_they_cannot_be(on_tones: list[str], tmp_path: Path, override: str, word: str) -> None:
    cfg = composed(*on_tones, *CACHED, f"cache_dir={tmp_path / 'cache'}", override)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=word):
        train(Run(cfg, tmp_path / "a", CHOICES, []))
