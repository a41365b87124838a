"""Several tasks at once: one network, a loss that sees only what is labelled, a result for each."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from configs import SYNTH, TINY, composed, make_task
from conftest import Here
from ricercar.data.annotations.key import Key
from ricercar.errors import InputError
from ricercar.harness.command import expanded
from ricercar.harness.run import Run
from ricercar.tasks.multitask import Multitask
from ricercar.train import train

FRAMES, FPS = 20, 50.0
A_MINOR = Key(tonic=9, mode="minor")


def notes_and_key(**weights: float) -> Multitask:
    return Multitask(parts={"notes": make_task("notes"), "key": make_task("key")}, weights=weights)


def logits_and_targets(tasks: Multitask, annotations: list[dict[str, Any]]) -> tuple[Any, ...]:
    targets = [tasks.encode(each, 0.0, FRAMES, FPS) for each in annotations]
    together = {name: torch.from_numpy(np.stack([each[name] for each in targets])) for name in targets[0]}
    generator = torch.Generator().manual_seed(0)
    logits = {name: torch.randn(x.shape, generator=generator).requires_grad_() for name, x in together.items()}
    labelled = {name: torch.tensor([each[name] is not None for each in annotations]) for name in tasks}
    return logits, together, torch.ones(len(annotations), FRAMES, dtype=torch.bool), labelled


def test_loss_of_a_task_sees_only_labelled_items() -> None:
    tasks = notes_and_key()
    both = logits_and_targets(tasks, [{"notes": None, "key": A_MINOR}, {"notes": None, "key": None}])
    logits, targets, valid, _ = both
    expected = tasks["key"].loss({"key": logits["key/key"][:1]}, {"key": targets["key/key"][:1]}, valid[:1])["key"]
    losses = tasks.loss(*both)
    assert float(losses["key/key"].detach()) == pytest.approx(float(expected.detach()))
    assert float(losses["notes"].detach()) == 0.0
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    assert all(x.grad is not None and bool(x.grad.isfinite().all()) for x in logits.values())
    assert float(logits["key/key"].grad[1].abs().sum()) == 0.0
    assert float(logits["notes/onset"].grad.abs().sum()) == 0.0


def test_weights() -> None:
    annotations = [{"notes": None, "key": A_MINOR}]
    once = notes_and_key().loss(*logits_and_targets(notes_and_key(), annotations))["key/key"]
    thrice = notes_and_key(key=3.0).loss(*logits_and_targets(notes_and_key(), annotations))["key/key"]
    assert thrice.item() == pytest.approx(3 * once.item())


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        ([], {}, "has no tasks"),
        (["key"], {"kye": 1.0}, "kye"),
        (["key"], {"key": -1.0}, "weights.key"),
        (["pattern"], {}, "cannot be trained"),
    ],
)
def test_what_is_wrong_is_named(parts: list[str], weights: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Multitask(parts={name: make_task(name) for name in parts}, weights=weights)


@pytest.mark.parametrize(
    ("argument", "overrides"),
    [
        ("task=[beat, chord]", ["task=multitask", "+task@task.parts.beat=beat", "+task@task.parts.chord=chord"]),
        ("data=[synth]", ["data=mixed", "+data@data.parts.synth=synth"]),
        ("task=notes", ["task=notes"]),
        ("trainer.budget=[1,2]", ["trainer.budget=[1,2]"]),
    ],
)
def test_lists_of_choices(argument: str, overrides: list[str]) -> None:
    assert expanded(argument) == overrides


def test_each_task_has_a_result(
    tones: Path, on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tones have notes, keys and a tempo; one of the training tracks loses its key."""
    loss, labelled = Multitask.loss, []

    def watched(tasks: Multitask, *batch: Any) -> Any:
        labelled.append(batch[-1])
        return loss(tasks, *batch)

    shutil.copytree(tones, tmp_path / "tones")
    index = tmp_path / "tones" / "index.csv"
    index.write_text(index.read_text().replace(",D major,", ",,"))
    monkeypatch.setattr(Multitask, "loss", watched)
    net = ["frontend=mel", "backbone=dense", f"data.root={tmp_path / 'tones'}"]
    options = [*expanded("task=[notes,key]"), *on_tones, *net]
    cfg = composed(*options)
    run = Run(cfg, tmp_path, {"task": "notes+key", "data": "folder"}, [])
    results = train(run)
    assert torch.cat([each["notes"] for each in labelled]).all()
    with_key = torch.cat([each["key"] for each in labelled])
    assert with_key.any()
    assert not with_key.all()
    assert [result.choices["task"] for result in results] == ["notes", "key"]
    assert all(result.choices["tasks"] == "notes+key" for result in results)
    assert (tmp_path / "notes" / "predictions" / "t3.tsv").exists()
    assert (tmp_path / "key" / "predictions" / "t3.txt").exists()
    again = train(replace(run, cfg=composed(*options, "resume=true")))
    assert again == results


def test_command_trains_and_evaluates_two_tasks_on_two_data_sets(
    run_here: Here, cache: Path, tmp_path: Path, tones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both data sets have onsets, one has beats: the other (tones) does no harm to what it does not teach."""
    small = [each.replace("data.", "data.parts.synth.") for each in SYNTH[1:]]
    done = run_here(
        "train.py", "task=[beat,onset]", "data=[synth,folder]", f"data.parts.folder.root={tones}", "frontend=mel",
        "backbone=dense", *TINY, *small, f"cache_dir={cache}", "hydra.run.dir=run", "+task.weights.beat=0.5",
        "backbone.num_params=20000", "trainer.budget=10steps", "optimizer.lr=0.01",
    )  # fmt: skip
    assert done == (0, "")
    onset = json.loads((tmp_path / "run" / "onset" / "result.json").read_text())
    assert onset["choices"]["data"] == "folder+synth"
    assert onset["dataset"]["num_tracks"] == 2
    assert json.loads((tmp_path / "run" / "beat" / "result.json").read_text())["dataset"]["num_tracks"] == 1
    assert run_here("eval.py", "run=run", "hydra.run.dir=again", f"cache_dir={cache}") == (0, "")
    found = json.loads((tmp_path / "again" / "onset" / "result.json").read_text())
    assert 0 < onset["metrics"]["onset/F-measure"] < 1
    assert found["tracks"] == onset["tracks"]
    on_tones = ["data=folder", f"data.root={tones}", f"cache_dir={cache}"]
    assert run_here("eval.py", "run=run", "hydra.run.dir=other", *on_tones) == (0, "")
    assert "not scored, for want of annotations: beat" in capsys.readouterr().out
    assert json.loads((tmp_path / "other" / "onset" / "result.json").read_text())["choices"]["data"] == "folder"
    assert not (tmp_path / "other" / "beat").exists()
    code, error = run_here("eval.py", "run=run", "data=mixed", f"cache_dir={cache}")
    assert code == 1
    assert "data=mixed has no parts" in error
