"""A run as a program that is called as in MIREX, and back as a system from elsewhere."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from configs import trained_tasks
from conftest import Here
from ricercar.data.annotations.notes import Notes
from ricercar.use.submit import answer, main, mirex_text


def test_a_run_is_submitted_and_scored_as_any_other_system(
    run_here: Here,
    onset_run: Path,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTHON", sys.executable)
    assert main([str(onset_run), str(tmp_path / "entry"), "--licence", "cc-by-4.0"]) == 0
    on_tones = ["task=onset", "data=folder", f"data.root={tones}", f"cache_dir={tmp_path}"]
    assert run_here("eval.py", "system=entry/system.yaml", *on_tones, "hydra.run.dir=outside") == (0, "")
    assert run_here("eval.py", f"run={onset_run}", "hydra.run.dir=own", *on_tones[-1:]) == (0, "")
    outside, own = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("outside", "own"))
    assert outside["tracks"] == own["tracks"]
    assert outside["dataset"] == own["dataset"]
    assert (outside["system"]["licence"], outside["cost"]["params"]) == ("cc-by-4.0", own["cost"]["params"])
    assert answer(tmp_path / "entry" / "model", "onset", Path("none.wav"), Path("a.txt"), []) == 1
    assert "error: Audio file none.wav: there is no such file." in capsys.readouterr().err


def test_what_cannot_be_submitted(onset_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "a")]) == 1
    assert main([str(onset_run), str(tmp_path / "b"), "--task", "key"]) == 1
    assert "has onset." in capsys.readouterr().err
    assert main([str(onset_run), str(tmp_path / "b")]) == 1
    assert "is there already, and not empty: give a new folder." in capsys.readouterr().err


@pytest.mark.parametrize("name", trained_tasks())
def test_texts_are_read_again(name: str, tmp_path: Path) -> None:
    annotation = import_module(f"examples.{name}").example(np.random.default_rng(0))
    path = tmp_path / "a.txt"
    path.write_text(mirex_text(annotation))
    read = type(annotation).read(path)
    if isinstance(annotation, Notes):
        np.testing.assert_allclose(read.onset_s, annotation.onset_s, atol=1e-6)
        np.testing.assert_allclose(read.pitch, annotation.pitch, atol=1e-3)
    else:
        assert read.text() == annotation.text()
