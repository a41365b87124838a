"""Packages of runs, their model cards, and the way to a hub and back: a small one on loopback, not the real one."""

import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import load_file, save_file

import hub_server
import ricercar
from configs import SYNTH, TINY
from ricercar.errors import InputError
from ricercar.harness.command import expanded
from ricercar.harness.results import Result
from ricercar.harness.typed_json import to_json
from ricercar.use.export import Proof
from ricercar.use.share import main
from trainings import SMALL, trained

Shared = tuple[int, str, str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Of two tasks, which are in folders of their own."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(folder, *TINY, *SYNTH, f"cache_dir={cache}", *SMALL, *expanded("task=[onset,key]"))
    return folder


@pytest.fixture(scope="module")
def packed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "package"
    assert main("package", [str(run), str(folder), "--licence", "cc-by-4.0", "--name", "Onsets and keys"]) == 0
    return folder


@pytest.fixture
def share(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    # Of commands before, whose output is closed, there may be handlers of log lines: Hydra leaves them.
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def shared(command: str, *arguments: object) -> Shared:
        capsys.readouterr()
        code = main(command, [str(each) for each in arguments])
        return code, *capsys.readouterr()

    return shared


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub_server.Hub]:
    """As with the environment's HF_ENDPOINT, HF_TOKEN and HF_HOME, which the client reads when it is imported."""
    with hub_server.running() as (made, address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        yield made


def test_files_of_a_package(packed: Path, run: Path) -> None:
    """Nothing but text and safetensors, the same weights, and no word of where all this was."""
    names = sorted(str(path.relative_to(packed)) for path in packed.rglob("*") if path.is_file())
    assert names == ["README.md", "config.json", "key/result.json", "model.safetensors", "onset/result.json"]
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)["net"]
    weights = load_file(packed / "model.safetensors")
    assert weights.keys() == best.keys()
    assert all(torch.equal(weights[name], best[name]) and weights[name].dtype == best[name].dtype for name in best)
    for name in names:
        assert str(run.parent).encode() not in (packed / name).read_bytes()
    assert Result.read(packed / "onset" / "result.json").metrics == Result.read(run / "onset" / "result.json").metrics


def test_card_is_one_of_the_hub(packed: Path) -> None:
    card = ModelCard.load(packed / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "ricercar"
    assert {"onset", "key"} <= set(card.data.tags)
    assert card.data.model_name == "Onsets and keys"
    for task in ("onset", "key"):
        result = Result.read(packed / task / "result.json")
        [primary] = [
            each for each in card.data.eval_results if each.task_name == task and each.metric_type == result.primary
        ]
        assert primary.metric_value == pytest.approx(result.metrics[result.primary], abs=1e-6)
        assert primary.dataset_revision == result.dataset.fingerprint
        assert result.protocol_id in card.text
        assert f"| {result.primary} | {result.metrics[result.primary]:.4f} |" in card.text
    for word in ("ricercar.load(", "middle half", "parameters", "synth", "ricercar serve"):
        assert word in card.text


def test_exported_graphs_go_along(run: Path, share: Any, tmp_path: Path) -> None:
    """With what they differ in on the card; not those of another run, nor without their proof."""
    graph, beside = tmp_path / "model.onnx", tmp_path / "model.onnx.json"
    graph.write_bytes(b"graph")
    run_id = Result.read(run / "key" / "result.json").run_id
    seconds = {"network": 1.0, "exported": 2.0}
    proof = Proof("model.onnx", run_id, "fp32", 5, "test", 1, 6.0, {"key/key": 1e-6}, {}, seconds, 1, "0.1.0")
    beside.write_text(to_json(proof))
    assert share("package", run, tmp_path / "package", "--graph", graph)[0] == 0
    assert (tmp_path / "package" / "model.onnx").read_bytes() == b"graph"
    assert "logits key/key: largest difference 1e-06" in (tmp_path / "package" / "README.md").read_text()
    beside.write_text(to_json(replace(proof, run_id="0" * 16)))
    code, _, error = share("package", run, tmp_path / "other", "--graph", graph)
    assert (code, "was exported from the run 0000" in error) == (1, True)
    beside.unlink()
    assert "Export the run again" in share("package", run, tmp_path / "other", "--graph", graph)[2]


def test_there_and_back(hub: hub_server.Hub, packed: Path, share: Any, tmp_path: Path) -> None:
    assert share("push", packed, "somebody/model", "--message", "First")[0] == 0
    pushed = hub.repos["somebody/model"][hub.heads["somebody/model"]["main"]]
    assert {"model.safetensors", "config.json", "README.md", "onset/result.json"} < set(pushed)
    assert any(asked.startswith("PUT /lfs/") for asked in hub.asked)
    assert share("pull", "somebody/model", tmp_path / "pulled")[:2] == (0, f"{tmp_path / 'pulled'}\n")
    for path in packed.rglob("*.*"):
        assert (tmp_path / "pulled" / path.relative_to(packed)).read_bytes() == path.read_bytes()


def test_classes_of_other_packages(hub: hub_server.Hub, packed: Path, share: Any, tmp_path: Path) -> None:
    """Whoever copies a package trusts them by name, too; nothing is imported for that."""
    own = copytree(packed, tmp_path / "own")
    _edited(lambda content: content["config"]["backbone"].update(_target_="mylab.Net"))(own)
    assert share("push", own, "somebody/own", "--trust", "mylab")[0] == 0
    assert "give --trust mylab" in share("pull", "somebody/own", tmp_path / "a")[2]
    assert share("pull", "somebody/own", tmp_path / "b", "--trust", "mylab")[0] == 0


def test_what_must_be_private_is(hub: hub_server.Hub, packed: Path, share: Any) -> None:
    assert share("push", packed, "somebody/secret", "--private")[0] == 0
    assert hub.private == {"somebody/secret"}
    hub.make("somebody/public")
    code, _, error = share("push", packed, "somebody/public", "--private")
    assert (code, "somebody/public: --private, but the repository is there already, and public" in error) == (1, True)
    assert list(hub.repos["somebody/public"][hub.heads["somebody/public"]["main"]]) == [".gitattributes"]


def test_a_run_is_packed_on_its_way(hub: hub_server.Hub, run: Path, share: Any, tmp_path: Path) -> None:
    assert share("push", run, "somebody/branched@v1")[0] == 0
    assert share("pull", "somebody/branched@v1", tmp_path / "pulled")[0] == 0
    assert (tmp_path / "pulled" / "README.md").read_text().count("# somebody/branched") == 1
    code, _, error = share("pull", "somebody/branched", tmp_path / "empty")
    assert code == 1
    assert "no package of Ricercar" in error.splitlines()[-1]


def test_a_package_hears_what_its_run_hears(
    hub: hub_server.Hub, packed: Path, run: Path, share: Any, tmp_path: Path
) -> None:
    """Byte for byte: from the folder, from the hub, and from one revision of it."""
    samples = np.random.default_rng(0).normal(0, 0.1, 40_000)
    before = ricercar.load(run, "cpu")(samples, 16_000)
    assert share("push", packed, "somebody/model@v1")[0] == 0
    for place in (packed, "somebody/model@v1", "hub:somebody/model@v1"):
        found = ricercar.load(place, "cpu")(samples, 16_000)
        assert {task: each.text() for task, each in found.items()} == {
            task: each.text() for task, each in before.items()
        }


def test_a_planted_pickle_is_left_there(hub: hub_server.Hub, packed: Path, share: Any, tmp_path: Path) -> None:
    """Neither downloaded nor read: not beside the weights, nor in their place."""
    marker = tmp_path / "ran"
    planted = pickle.dumps(_Planted(marker))
    own = copytree(packed, tmp_path / "own")
    (own / "pytorch_model.bin").write_bytes(planted)
    assert share("push", own, "somebody/planted")[0] == 0
    files = {str(path.relative_to(packed)): path.read_bytes() for path in packed.rglob("*.*")}
    hub.commit("somebody/planted", "main", {"pytorch_model.bin": planted, "code.py": b"raise SystemExit"})
    hub.commit("somebody/planted", "weights", {**files, "model.safetensors": planted})
    assert share("pull", "somebody/planted", tmp_path / "pulled")[0] == 0
    assert not {"pytorch_model.bin", "code.py"} & {path.name for path in (tmp_path / "pulled").iterdir()}
    code, _, error = share("pull", "somebody/planted@weights", tmp_path / "weights")
    assert code == 1
    assert "no safetensors" in error
    (own / "model.safetensors").unlink()
    code, _, error = share("push", own, "somebody/other")
    assert code == 1
    assert "pytorch_model.bin" in error
    assert not marker.exists()


class _Planted:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def _edited(change: Any) -> Any:
    def edit(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        change(content)
        (folder / "config.json").write_text(json.dumps(content))

    return edit


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "config.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "of another library"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 30), "no safetensors"),
        (lambda folder: (folder / "onset" / "result.json").unlink(), "result.json"),
        (_edited(lambda content: content.update(format=2, ricercar="9.0")), "written by 9.0"),
        (_edited(lambda content: content.pop("decoding")), "no field 'decoding'"),
        (_edited(lambda content: content.update(run_id="0" * 16)), "is of the run"),
        (_edited(lambda content: content["config"]["backbone"].update(_target_="os.system")), "'os.system'"),
        (
            _edited(lambda content: content["config"]["backbone"].update(_target_="mylab.Net")),
            "give --trust mylab",
        ),
        (_edited(lambda content: content["config"]["frontend"].update(trust_remote_code=True)), "code of its own"),
    ],
)  # fmt: skip
def test_broken_packages(packed: Path, share: Any, tmp_path: Path, spoil: Any, told: str) -> None:
    folder = copytree(packed, tmp_path / "package")
    spoil(folder)
    code, out, error = share("push", folder, "somebody/model")
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert told in error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["package", "{tmp}/nothing", "{tmp}/new"], "Give the folder that train.py wrote"),
        (["package", "{packed}", "{tmp}/new"], "is a package already"),
        (["package", "{run}", "{run}"], "not empty"),
        (["package", "{run}", "/proc/package"], "cannot write the package"),
        (["push", "{packed}", "model"], "no name of the hub"),
        (["push", "{packed}", "somebody/model", "--licence", "mit"], "is a package already: --licence, --name and"),
        (["pull", "somebody/nothing", "{tmp}/new"], "no such repository"),
        (["pull", "somebody/model@nothing", "{tmp}/new"], "no such revision"),
        (["pull", "somebody/model", "{packed}"], "not empty"),
    ],
)  # fmt: skip
def test_bad_commands(
    hub: hub_server.Hub, packed: Path, run: Path, share: Any, tmp_path: Path, arguments: list[str], told: str
) -> None:
    hub.make("somebody/model")
    code, out, error = share(*(each.format(tmp=tmp_path, packed=packed, run=run) for each in arguments))
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert told in error


def test_without_a_token(
    hub: hub_server.Hub, packed: Path, share: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    code, _, error = share("push", packed, "somebody/model")
    assert (code, error.count("\n")) == (1, 1)
    assert "HF_TOKEN" in error or "401" in error


def test_without_a_hub(packed: Path, share: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    code, _, error = share("pull", "somebody/model", tmp_path / "new")
    assert (code, error.count("\n")) == (1, 1)
    assert "the hub cannot be used" in error
    with pytest.raises(InputError, match="somebody/model: there is no such folder, and as a name of the hub"):
        ricercar.load("somebody/model")


def test_parts_of_different_packages(packed: Path, tmp_path: Path) -> None:
    folder = copytree(packed, tmp_path / "package")
    save_file({"other": torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(InputError, match="do not fit each other"):
        ricercar.load(folder)


def test_an_encoder_of_this_machine_is_no_part_of_it(run: Path, share: Any, tmp_path: Path) -> None:
    own = copytree(run, tmp_path / "run")
    path = own / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("frontend:\n", f"frontend:\n  model: {tmp_path}\n"))
    code, _, error = share("package", own, tmp_path / "new")
    assert code == 1
    assert "files of this machine" in error


def test_a_run_of_another_version_is_no_package(run: Path, share: Any, tmp_path: Path) -> None:
    """It is found out here, and not by whoever gets it."""
    own = copytree(run, tmp_path / "run")
    path = own / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("backbone:\n", "backbone:\n  depth_of_yore: 3\n"))
    code, _, error = share("package", own, tmp_path / "new")
    assert (code, "depth_of_yore" in error, (tmp_path / "new").exists()) == (1, True, False)
