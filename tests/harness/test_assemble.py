"""Wrong options are told in one line; mistakes inside a user's own class come with their traceback."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from configs import SYNTH, TINY, composed, make_task
from conftest import Here
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.tasks.multitask import Multitask


def make(**options: Any) -> Any:
    return assemble.make(OmegaConf.create({"group": options}).group)


def nested(**options: Any) -> dict[str, Any]:
    return {"_target_": "own_classes.Outer", "part": options}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"_target_": "own_classes.Strict", "length": 1}, "group: .*unexpected keyword argument 'length'.*length=1"),
        ({"_target_": "own_classes.Strict"}, "group: .*missing 1 required keyword-only argument: 'size'"),
        ({"_target_": "own_classes.Strict", "size": -1}, "^group.size=-1: give 0 or more"),
        ({"_target_": "own_classes.Lax"}, "group: .*'own_classes.Lax'"),
        ({"_target_": "no_such_module.Any"}, "group: .*no_such_module"),
        ({"_target_": "torch.optim.SGD", "params": [], "lr": 1}, "group: optimizer got an empty parameter list"),
        ({"_target_": "lightning_fabric.Fabric", "accelerator": "abacus"}, "group: .*abacus"),
        (nested(_target_="own_classes.Strict", length=1), "group: .*unexpected keyword argument 'length'"),
        (nested(_target_="own_classes.Strict", size=-1), "^group.part.size=-1: give 0 or more"),
        (nested(_target_="own_classes.Lax"), "group: .*'own_classes.Lax'"),
    ],
    ids=str,
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize("inner", [False, True], ids=["group", "part of a group"])
@pytest.mark.parametrize(
    ("kind", "error", "place"),
    [
        ("call", TypeError, "Strict(length=3)"),
        ("torch", RuntimeError, "torch.zeros(2) @ torch.zeros(3)"),
        ("type", TypeError, "a mistake"),
        ("value", ValueError, "a mistake"),
        ("runtime", RuntimeError, "a mistake"),
        ("key", KeyError, "a mistake"),
    ],
)
def test_mistakes_in_a_class_are_raised_as_they_are(kind: str, error: type[Exception], place: str, inner: bool) -> None:
    options = {"_target_": "own_classes.Broken", "kind": kind}
    with pytest.raises(error) as raised:
        make(**(nested(**options) if inner else options))
    assert type(raised.value) is error
    shown = "".join(traceback.format_exception(raised.value))
    assert "in _deeper" in shown
    assert place in shown
    assert "InstantiationException" not in shown


def test_a_module_that_cannot_be_imported() -> None:
    with pytest.raises(ModuleNotFoundError) as raised:
        make(_target_="own_broken_module.Never")
    assert "import no_such_library" in "".join(traceback.format_exception(raised.value))


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without a GPU")
@pytest.mark.parametrize("hardware", ["ddp", "gpu", "auto", "cpu"])
def test_any_machine_predicts_what_was_trained_elsewhere(hardware: str) -> None:
    """But not with an accelerator that was asked for and is not there."""
    node = composed(f"hardware={hardware}").hardware
    assert assemble.device_of(node, None) == torch.device("cpu")
    assert assemble.device_of(node, "cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="hardware: No supported gpu backend found"):
        assemble.device_of(node, "gpu")


class Forgetful(Multitask):
    """Its tasks cannot be restored, by a mistake."""

    def restore(self, vocabulary: Any) -> None:
        len(3)  # type: ignore[arg-type]


def test_a_mistake_in_a_task_is_no_damaged_checkpoint(tmp_path: Path) -> None:
    tasks = Forgetful(parts={"key": make_task("key")}, weights={})
    content: dict[str, Any] = {"vocabulary": {"key": []}, "decoding": {"key": {}}}
    Checkpoints(tmp_path, "id").save("best", {**content, "net": {}})
    with pytest.raises(TypeError, match="has no len"):
        assemble.restore_best(tasks, Checkpoints(tmp_path, "id"))
    Checkpoints(tmp_path, "id").save("best", content)
    with pytest.raises(InputError, match="does not fit this configuration"):
        assemble.restore_best(tasks, Checkpoints(tmp_path, "id"))


def test_the_command_shows_the_traceback(run_here: Here) -> None:
    code, error = run_here("train.py", *TINY, *SYNTH, "compression._target_=own_classes.Broken")
    assert code == 1
    assert "Traceback" in error
    assert "own_classes.py" in error
    assert "Strict(length=3)" in error


@pytest.mark.parametrize(("split", "expected"), [("test", 2), ("train", 0), ("all", 0)])
def test_baselines_do_not_learn_from_what_they_are_scored_on(split: str, expected: int) -> None:
    cfg = composed("task=key", *SYNTH, f"split={split}", config="eval")
    benchmark, _ = assemble.make_benchmark(cfg, {"task": "key", "data": "synth"})
    assert len(benchmark.training) == expected
