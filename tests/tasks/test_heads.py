"""Notes as tokens, through the commands, and what does not go together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from configs import make_task, option
from conftest import Here
from ricercar.data.annotations.notes import Notes
from ricercar.harness import assemble
from ricercar.harness.loop import Loop
from ricercar.harness.results import Result
from ricercar.models.tokens.vocabulary import EOS
from ricercar.tasks.heads import SequenceTask, Window
from trainings import trained

SMALL = ["frontend=cqt", "backbone.width=4", "head=tokens", "codec.max_tokens=24"]
SMALL += ["head.decoder.width=16", "head.decoder.depth=1", "head.decoder.num_heads=2"]
SAID = {"notes": [], "instruments": ["head=instrument_tokens"]}


def spoken(window: Window, **options: object) -> SequenceTask:
    head = option("head", "tokens")
    head.codec = option("codec", "compact")
    head.update(options)
    task = assemble.make(head).of("notes", make_task("notes"), window)
    assert isinstance(task, SequenceTask)
    return task


def test_windows_of_a_track_join() -> None:
    """What is encoded window by window, as in prediction, is decoded to the notes, over the borders."""
    window = Window(num_frames=80, border_frames=10, fps=50.0)
    task = spoken(window)
    random = np.random.default_rng(0)
    onset_s = np.sort(random.uniform(0, 9, 60)).round(2)
    notes = Notes.make(onset_s, onset_s + random.uniform(0.1, 2.0, 60).round(2), np.arange(30, 90), 64)
    first_frames = range(-10, 590, 60)  # as harness/predict.py cuts them
    windows = [task.encode(notes, first / 50.0, 80, 50.0)["tokens"] for first in first_frames]
    found = task.decode({"tokens": np.stack(windows)}, 50.0)
    np.testing.assert_allclose(found.onset_s, notes.onset_s, atol=0.0101)  # type: ignore[attr-defined]
    scores = task.score(notes, found)
    assert scores["transcription/F-measure"] == 1.0
    assert set(task.outputs) == {"onset", "frame", "offset", "velocity", "tokens"}


def test_what_is_invalid_or_cut_is_counted() -> None:
    task = spoken(Window(60, 5, 50.0))
    vocabulary = task.codec.vocabulary
    words = [("off", 60), ("tie", 0), ("time", 3), ("on", 60), ("off", 61), ("time", 2), ("on", 62)]
    tokens = np.zeros((2, 384), dtype=np.int64)
    tokens[0, : len(words)] = [vocabulary.id(*word) for word in words]
    tokens[1, :2] = [vocabulary.id("tie"), EOS]
    found = task.diagnosis({"tokens": tokens})
    assert found["tokens/cut"] == 0.5
    decoded = task.codec.decode([(tokens[0], 0.0), (tokens[1], 1.0)], 2.0)
    assert decoded.num_invalid > 1
    assert found["tokens/invalid"] == decoded.num_invalid / (len(words) + 1)
    scale = task.scale("tokens/invalid")
    assert (scale.better, scale.low, scale.high) == ("lower", 0.0, 1.0)


def test_weights_of_kinds() -> None:
    """Tokens without weight teach nothing; all others count as they did."""
    window = Window(60, 5, 50.0)
    notes = Notes.make([0.3, 0.5], [0.45, 0.7], [60, 64])
    torch.manual_seed(0)
    logits = torch.randn(1, 384, 309 - 128 + 50)
    losses = {}
    for weights in ({}, {"off": 0.0}, {"off": 3.0}):
        task = spoken(window, kind_weights=weights, label_smoothing=0.0, frame_weight=0.0, token_weight=2.0)
        assert set(task.outputs) == {"tokens"}
        targets = {"tokens": torch.from_numpy(task.encode(notes, 0.0, 60, 50.0)["tokens"])[None]}
        own = logits[..., : task.codec.vocabulary.num_tokens]
        losses[str(weights)] = float(task.loss({"tokens": own}, targets, torch.ones(1, 60))["tokens"])
    target = targets["tokens"][0][targets["tokens"][0] != 0]
    each = -own[0, : len(target)].log_softmax(dim=1)[torch.arange(len(target)), target]
    offs = torch.tensor([task.codec.vocabulary.event(int(token)).kind == "off" for token in target])
    assert int(offs.sum()) == 2
    assert losses["{}"] == pytest.approx(2 * float(each.mean()), rel=1e-5)
    assert losses["{'off': 0.0}"] == pytest.approx(2 * float(each[~offs].mean()), rel=1e-5)
    expected = 2 * float((each * (1 + 2 * offs)).sum() / (len(each) + 4))
    assert losses["{'off': 3.0}"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", SAID)
def test_it_trains_and_is_evaluated(run_here: Here, on_synth: list[str], tmp_path: Path, task: str) -> None:
    """The same scores again from the checkpoint; the result says how it was told."""
    assert run_here("train.py", *SMALL, *on_synth, *SAID[task], f"task={task}", "hydra.run.dir=run") == (0, "")
    result = Result.read(tmp_path / "run" / "result.json")
    assert result.choices["head"] == ("tokens" if task == "notes" else "instrument_tokens")
    assert {"tokens/invalid", "tokens/cut"} <= set(result.metrics)
    assert result.choices["codec"] == ("compact" if task == "notes" else "compact_instruments")
    assert run_here("eval.py", "run=run", "hydra.run.dir=again", on_synth[-1]) == (0, "")
    again = Result.read(tmp_path / "again" / "result.json")
    assert (again.tracks, again.metrics) == (result.tracks, result.metrics)
    assert any(path.stat().st_size for path in (tmp_path / "run" / "predictions").iterdir())


def test_it_goes_on_as_if_undisturbed(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted at its second validation; dropout and all."""
    options = [*SMALL, *on_tones, "trainer.budget=4steps", "trainer.num_validations=2", "trainer.accumulation=2"]
    trained(tmp_path / "whole", *options)
    validate, calls = Loop._validate, []

    def interrupted(*args: Any) -> float:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "cut", *options)
    trained(tmp_path / "cut", *options, "resume=true")
    whole, cut = (
        torch.load(tmp_path / each / "checkpoints" / "last.pt", weights_only=True) for each in ("whole", "cut")
    )
    for kind in ("nets", "averages"):
        assert all(torch.equal(whole[kind][0][name], cut[kind][0][name]) for name in whole[kind][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["task=beat"], "head=tokens tells of notes, and task=beat is about beats"),
        (["codec.velocity_bins=3"], "codec.velocity_bins=3: choose one of 0, 32, 127"),
        (["head.kind_weights={shift: 2}"], "head.kind_weights.shift: the codec's kinds of token are eos"),
        (["head.decoder.width=18", "head.decoder.num_heads=4"], "head.decoder: width=18: must be a multiple"),
        (["codec=mt3"], "head.decoder: pointers=hazards: the events of this codec stand in no fixed order"),
        (
            ["codec=mt3", "hop_length=200", "head.decoder.pointers=similarity"],
            "head.decoder: pointers: a frame lasts 1.25 steps",
        ),
    ],
)
def test_what_does_not_go_together(run_here: Here, on_synth: list[str], options: list[str], message: str) -> None:
    code, told = run_here("train.py", "head=tokens", "frontend=cqt", "backbone.width=4", *on_synth, *options)
    assert code == 1
    assert message in told
