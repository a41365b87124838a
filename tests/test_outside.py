"""Code from outside the repository: a package of the user's own, with its yamls in a folder of its own."""

import json
import logging
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from configs import ROOT, TINY
from conftest import Here
from ricercar.harness import identity
from ricercar.harness.results import Result

CONF = "lab/mylab/conf"
GRU = ["frontend=mel", "backbone=mylab_gru", "backbone.width=8", "task=onset"]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The template, which no test before has imported, or is left to one after."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copytree(ROOT / "docs" / "template", tmp_path / "lab")
    yield tmp_path / "lab" / "mylab"
    forget()


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged as a warning, however a command has set up its log."""
    told: list[str] = []
    monkeypatch.setattr(logging.Logger, "warning", lambda self, text, *values: told.append(text % values))
    return told


def forget() -> None:
    """As in a new process."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "mylab"]:
        del sys.modules[name]
    identity.sources_of.cache_clear()


def results(folder: Path) -> dict[str, Result]:
    return {path.parent.name: Result.read(path) for path in sorted(folder.glob("*/result.json"))}


def test_a_sweep_with_a_package_of_ones_own(
    run_here: Here,
    on_tones: list[str],
    lab: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[str],
) -> None:
    """Beside backbones of Ricercar's; then it is evaluated, edited, which makes it another run, and reproduced."""
    monkeypatch.setenv("RICERCAR_CONFIG_DIR", CONF)
    command = ["optimizer=mylab_nadam", "backbone=mylab_gru,dense", "backbone.width=8"]
    assert run_here("train.py", "-m", *GRU[:1], *GRU[3:], *on_tones, *command) == (0, "")
    jobs = [OmegaConf.load(path).hydra.job for path in tmp_path.glob("multirun/*/.hydra/hydra.yaml")]
    assert [job.name for job in jobs] == ["train", "train"]  # what their logs are called
    [(name, mine)] = [each for each in results(tmp_path / "multirun").items() if "mylab_gru" in each[0]]
    assert mine.config is not None
    assert mine.config["classes"] == {"mylab.backbones.GRU": identity.class_hash("mylab.backbones.GRU")}
    assert mine.versions["mylab"] is None  # neither installed nor in a repository
    kept = tmp_path / "multirun" / name / ".hydra" / "mylab.backbones.py"
    assert kept.read_text() == (lab / "backbones.py").read_text()

    reproduce = ["leaderboard.py", "reproduce", mine.run_id, "multirun"]
    code, error = run_here(*reproduce)
    assert code == 1
    assert "'mylab.backbones.GRU' is not a class of ricercar" in error
    assert "give --trust mylab." in error
    assert run_here(*reproduce, "--trust", "mylab")[0] == 0

    forget()
    source = lab / "backbones.py"
    source.write_text(source.read_text().replace("features.unsqueeze(2)", "2.0 * features.unsqueeze(2)"))
    run = ["train.py", *GRU, *on_tones, "optimizer=mylab_nadam", "resume=true"]
    assert run_here(*run) == (0, "")
    [edited] = results(tmp_path / "outputs").values()
    assert edited.run_id != mine.run_id
    assert run_here("eval.py", f"run=multirun/{name}", "hydra.run.dir=again", on_tones[-1])[0] == 0
    assert "mylab.backbones.GRU is not what the run was trained with" in " ".join(warned)


def test_the_test_of_the_template(lab: Path) -> None:
    sys.path.append(str(lab.parent))
    content = runpy.run_path(str(lab.parent / "tests" / "test_mylab.py"))
    paths = list(content["CONF"].glob("backbone/*.yaml"))
    assert [path.stem for path in paths] == ["mylab_gru"]
    content["test_backbone"](paths[0])


def test_what_a_class_imports_of_its_package_counts(lab: Path) -> None:
    """Also within a function, and from a module that is not imported yet; what is beside it does not."""
    sys.path.append(str(lab.parent))
    (lab / "part.py").write_text("SIZE = 1\n")
    (lab / "beside.py").write_text("SIZE = 1\n")
    nets = "from . import part\nfrom os import path\nimport torch.nn\n\n\nclass Net(torch.nn.Module):\n"
    (lab / "nets.py").write_text(nets + "    def f(self):\n        from mylab.deep import SIZE\n        return SIZE\n")
    (lab / "deep.py").write_text("SIZE = 1\n")
    before = identity.class_hash("mylab.nets.Net")
    assert list(identity.sources_of("mylab.nets.Net")) == ["mylab", "mylab.deep", "mylab.nets", "mylab.part"]
    for name, counts in (("part", True), ("deep", True), ("beside", False)):
        (lab / f"{name}.py").write_text("SIZE = 2\n")
        identity.sources_of.cache_clear()
        assert (identity.class_hash("mylab.nets.Net") != before) is counts, name
        (lab / f"{name}.py").write_text("SIZE = 1\n")


@pytest.mark.parametrize(
    ("module", "yaml", "words"),
    [
        ("def f(:", "_target_: mylab.bad.Net", "backbone: Error loading 'mylab.bad.Net': SyntaxError"),
        ("import no_such_library", "_target_: mylab.bad.Net", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "_target_: mylab.bad.Net", "ZeroDivisionError: division by zero"),
        ("", "_target_: mylab.bad.Net", "are you sure that 'Net' is importable from module 'mylab.bad'?"),
        ("", "_target_: nowhere.Net", "Install its package, or give the folder of its yamls: --config-dir=FOLDER"),
        ("class Net: ...", "_target_: mylab.bad.Net", "backbone: mylab.bad.Net gives a Net, which is no Backbone"),
        ("", "width: 3", "backbone names no class: add `_target_: package.module.Class` to its yaml."),
        ("", "width: [", "bad.yaml"),
    ],
)
def test_what_is_no_backbone(
    run_here: Here, on_tones: list[str], lab: Path, tmp_path: Path, module: str, yaml: str, words: str
) -> None:
    (lab / "bad.py").write_text(module.replace("...", "\n    def __init__(self, spectrogram): ..."))
    (lab / "conf" / "backbone" / "bad.yaml").write_text(yaml)
    code, error = run_here("train.py", "--config-dir", CONF, "backbone=bad", *GRU[3:], *GRU[:1], *on_tones)
    assert code == 1
    assert words.lower() in error.lower()
    assert list(tmp_path.glob("outputs/*")) == []


def test_a_name_that_is_ours_too(
    run_here: Here, on_tones: list[str], lab: Path, tmp_path: Path, warned: list[str]
) -> None:
    (lab / "conf" / "backbone" / "dense.yaml").write_text("_target_: mylab.backbones.GRU\n")
    command = ["train.py", "--config-dir", CONF, "backbone=dense", "backbone.width=8", *GRU[3:], *GRU[:1], *on_tones]
    assert run_here(*command, "hydra.run.dir=run") == (0, "")
    assert f"backbone=dense is Ricercar's own and in {lab / 'conf'} too: Ricercar's is taken." in " ".join(warned)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["config"]["backbone"]["width"] == 8


def test_a_folder_that_is_not_there(run_here: Here) -> None:
    code, error = run_here("train.py", "--config-dir", "nowhere", *TINY)
    assert (code, error.count("\n")) == (1, 1)
    assert "nowhere' not found" in error
