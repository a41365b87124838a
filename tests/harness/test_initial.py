"""Weights to start from: of a run or a file, wholly or by name; what is told of them; and what is refused."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from configs import TINY, composed
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.identity import run_id
from ricercar.harness.initial import Initial
from ricercar.harness.provenance import Past
from ricercar.harness.results import Result
from ricercar.harness.settled import settled
from trainings import ONSETS, trained

STILL = ["optimizer=sgd", "optimizer.lr=0", "backbone.input_norm=none", "trainer.budget=1steps"]  # nothing is learnt


def best(folder: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)["net"]
    return weights


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, tones: Path, cache: Path) -> Path:
    """A run that learnt from the tones, the test track among them."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(tones, folder / "tones")
    index = folder / "tones" / "index.csv"
    index.write_text(index.read_text().replace("t3,test", "t3,train").replace("t0,train", "t0,test"))
    options = [*ONSETS, *TINY, f"data.root={folder / 'tones'}", "data=folder", f"cache_dir={cache}"]
    trained(folder / "run", *options, "backbone.input_norm=none")
    return folder / "run"


def test_a_run_starts_where_another_ended(
    first: Path, on_tones: list[str], tones: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And says which works that one had learnt, of those that it is tested on; one without its data says less."""
    caplog.set_level("INFO")
    [result] = trained(tmp_path / "run", *ONSETS, *on_tones, *STILL, f"init.from={first}")
    before, after = best(first), best(tmp_path / "run")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert f"{len(before)} of {len(before)} tensors of {first / 'checkpoints' / 'best.pt'}" in caplog.text
    assert result.config is not None
    assert result.config["init"]["from"] == str(first)
    assert result.training is not None
    assert result.training.data == [f"folder:{tones.name}", "folder:tones"]
    assert (result.training.works, result.training.shared) == ("known", ["g3"])
    shutil.copyfile(first / "checkpoints" / "best.pt", tmp_path / "copy.pt")
    [result] = trained(tmp_path / "other", *ONSETS, *on_tones, *STILL, f"init.from={tmp_path / 'copy.pt'}")
    assert result.training is not None
    assert result.training.data == [f"folder:{tones.name}", "copy.pt"]
    assert (result.training.works, result.training.shared) == ("unknown", [])


def test_it_is_told_again(first: Path, on_tones: list[str], tmp_path: Path, run_here: Any) -> None:
    """By eval.py, and the id is that of the command."""
    assert run_here("train.py", *ONSETS, *on_tones, *STILL, f"init.from={first}", "hydra.run.dir=run") == (0, "")
    assert run_here("eval.py", "run=run", "hydra.run.dir=again", on_tones[-1]) == (0, "")
    results = [Result.read(tmp_path / name / "result.json") for name in ("run", "again")]
    assert results[0].training == results[1].training
    assert results[0].training is not None
    assert results[0].training.shared == ["g3"]
    assert results[0].tracks == results[1].tracks


def test_the_weights_count_and_not_their_place(first: Path, tmp_path: Path) -> None:
    def id_of(given: Path, *more: str) -> str:
        return run_id(settled(composed(f"init.from={given}", *more), tmp_path))

    shutil.copytree(first, tmp_path / "moved")
    shutil.copyfile(first / "checkpoints" / "best.pt", tmp_path / "weights.pt")
    same = {id_of(each) for each in (first, tmp_path / "moved", tmp_path / "weights.pt", Path("weights.pt"))}
    assert same == {id_of(first, "init.strict=false")}
    assert same != {run_id(composed())}
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    state["net"]["heads.onset/onset.linear.bias"] += 1
    torch.save(state, tmp_path / "weights.pt")
    assert same != {id_of(tmp_path / "weights.pt")}


def test_no_code_of_a_strangers_run_is_run(first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its configuration names the class of its data."""
    shutil.copytree(first, tmp_path / "run")
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    trained = OmegaConf.load(path)
    trained.data = {"_target_": "ricercar.data.files.os.system", "command": f"touch {tmp_path / 'owned'}"}
    OmegaConf.save(trained, path)
    past = assemble.past_of(composed(f"init.from={tmp_path / 'run'}"))
    assert past == Past(["run"], None)
    assert "is not a class of ricercar.data" in caplog.text
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("layout", ["bare", "state_dict", "model", "safetensors"])
def test_other_files(layout: str, tmp_path: Path) -> None:
    weights = {"a.weight": torch.arange(4.0).view(2, 2), "a.bias": torch.ones(2)}
    path = tmp_path / ("w.safetensors" if layout == "safetensors" else "w.pt")
    if layout == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights if layout == "bare" else {layout: weights, "epoch": 3}, path)
    net = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2)})
    assert set(Initial.read(str(path)).give(net, strict=True)) == set(weights)
    assert all(torch.equal(net.state_dict()[name], weights[name]) for name in weights)


def test_what_does_not_fit(first: Path, on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is listed, and left out where that is asked for."""
    options = [
        *ONSETS,
        *on_tones,
        *STILL,
        f"init.from={first}",
        "task=notes",
        "backbone.num_params=null",
        "backbone.width=16",
        "backbone.context=1",
    ]
    with pytest.raises(InputError) as error:
        trained(tmp_path / "run", *options)
    told = str(error.value)
    assert "of another shape: backbone.first.weight is " in told
    assert "missing: heads.notes/" in told
    assert "not in this network: heads.onset/onset.linear.weight" in told
    assert "init.strict=false takes the " in told
    caplog.set_level("INFO")
    trained(tmp_path / "run", *options, "init.strict=false")
    assert "fresh       backbone.first.weight, heads.notes/" in caplog.text
    before, after = best(first), best(tmp_path / "run")
    taken = [name for name in before if name in after and before[name].shape == after[name].shape]
    assert taken
    assert all(torch.equal(before[name], after[name]) for name in taken)


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def test_refused_by_name(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"net": {"a": _Code()}}, "code.pt")
    torch.save({"net": {"a": torch.ones(1)}}, "other.pt")
    torch.save({"epoch": 3}, "none.pt")
    Path("cut.pt").write_bytes(b"PK\x03\x04 cut")
    Path("cut.safetensors").write_bytes(b"cut")
    Path("empty").mkdir()
    for given, told in {
        "code.pt": r"code\.pt is not a checkpoint that can be loaded safely: it holds \w+\.system",
        "other.pt": "does not fit this network.*Nothing in it fits",
        "none.pt": r"none\.pt has no weights",
        "cut.pt": r"cut\.pt is damaged",
        "cut.safetensors": r"cut\.safetensors is damaged",
        "empty": "init.from=empty: a run's folder has checkpoints/best.pt",
        "nowhere": "init.from=nowhere: there is no such file or folder",
        "3": "init.from=3: give a run's folder",
    }.items():
        for strict in ("true", "false"):
            with pytest.raises(InputError, match=told):
                trained(tmp_path / "run", *ONSETS, *on_tones, f"init.from={given}", f"init.strict={strict}")
    assert not Path("owned").exists()
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_search_has_one_start(on_tones: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all trials start from the same weights"):
        trained(tmp_path / "run", *ONSETS, *on_tones, "++tune.space={init.from: [a, b]}")
