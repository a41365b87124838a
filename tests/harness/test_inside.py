"""What can be seen of a training: norms and histograms of parts, a profile, a learning-rate range test."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_classes import AllKept

from ricercar.errors import InputError
from ricercar.harness.inside import PIECES, histograms_of, norms_of
from ricercar.harness.lr_finder import Curve, range_test
from trainings import ONSETS, trained


def last(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    return state


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> type[AllKept]:
    monkeypatch.setattr(AllKept, "curves", {})
    monkeypatch.setattr(AllKept, "histograms", {})
    return AllKept


def test_norms_and_histograms_of_parts(on_tones: list[str], tmp_path: Path, kept: type[AllKept]) -> None:
    options = ["frontend.trainable=true", "tracker._target_=own_classes.AllKept", "trainer.budget=4steps"]
    options += ["trainer.num_validations=2", "trainer.log_every_steps=2", "window_frames=20"]
    [result] = trained(tmp_path, *ONSETS, *on_tones, *options)
    parts = ("frontend", "backbone", "heads")
    for step in (2, 4):
        curves = kept.curves[step]
        for what in ("gradient", "weight"):
            assert {name for name in curves if f"train/{what}_norm/" in name} == {
                f"train/{what}_norm/{p}" for p in parts
            }
        assert all(curves[f"train/gradient_norm/{part}"] > 0 for part in parts)
        # The total is a mean of the two steps since the last time; the parts are of the last of them.
        assert (
            math.hypot(*(curves[f"train/gradient_norm/{part}"] for part in parts)) < 2 * curves["train/gradient_norm"]
        )
    assert kept.histograms.keys() == {2, 4}
    for each in kept.histograms.values():
        assert each.keys() == {f"train/{kind}/{part}" for kind in ("weights", "gradients") for part in parts}
        assert sum(counts.sum() for name, (counts, _) in each.items() if "weights" in name) == result.cost.params
    weights = torch.cat([v.flatten() for n, v in last(tmp_path)["nets"][0].items() if n.startswith("heads")])
    counts, edges = kept.histograms[4]["train/weights/heads"]
    assert np.array_equal(counts, np.histogram(weights, edges)[0])
    assert (edges[0], edges[-1]) == (float(weights.min()), float(weights.max()))


def test_of_parts_by_hand() -> None:
    named = [
        ("a.w", torch.tensor([3.0, 0.0]), torch.tensor([math.nan, 2.0])),
        ("a.b", torch.tensor([[4.0]]), torch.tensor([[2.0]])),
        ("b.w", torch.tensor(2.0), None),
    ]
    norms = norms_of(named)
    assert {name: float(value) for name, value in norms.items() if "weight" in name} == {
        "weight_norm/a": 5.0,
        "weight_norm/b": 2.0,
    }
    assert math.isnan(norms["gradient_norm/a"])
    assert "gradient_norm/b" not in norms
    counts, edges = histograms_of(named)["gradients/a"]
    assert (counts.sum(), len(edges), edges[0], edges[-1]) == (2, 65, 1.5, 2.5)


# --- the profile ---


def test_a_profile(on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of three steps between the fifth and the end; it changes nothing."""
    caplog.set_level("INFO")
    options = [*ONSETS, *on_tones, "trainer.budget=10steps", "trainer.num_validations=3"]
    trained(tmp_path / "a", *options, "trainer.profile=3steps")
    trained(tmp_path / "b", *options)
    a, b = last(tmp_path / "a")["nets"][0], last(tmp_path / "b")["nets"][0]
    assert all(torch.equal(a[name], b[name]) for name in a)
    table = (tmp_path / "a" / "profile" / "table.txt").read_text()
    rows = [line.split() for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == [*PIECES, "step"]
    spent = {row[0]: float(row[1]) for row in rows}
    assert spent["waiting"] == 0
    assert all(spent[piece] > 0 for piece in ("data", "frontend", "network", "loss", "backward", "optimizer"))
    assert spent["step"] == pytest.approx(sum(spent[piece] for piece in PIECES), abs=0.05)
    assert table in caplog.text
    events = json.loads((tmp_path / "a" / "profile" / "trace.json").read_text())["traceEvents"]
    names = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert {
        piece: names.count(piece) for piece in ("frontend", "network", "loss", "backward", "optimizer")
    } == dict.fromkeys(("frontend", "network", "loss", "backward", "optimizer"), 3)


def test_too_short_for_a_profile(on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained(tmp_path, *ONSETS, *on_tones, "trainer.profile=20steps")
    assert "nothing is profiled" in caplog.text


# --- the learning-rate range test ---


def test_a_range_test(
    on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: type[AllKept]
) -> None:
    """It leaves a curve, as a file, an image, and in the tracker, and the training as it was."""
    caplog.set_level("INFO")
    options = [*ONSETS, *on_tones, "tracker._target_=own_classes.AllKept"]
    trained(tmp_path / "a", *options, "trainer.find_lr=12steps")
    curves = dict(kept.curves)
    trained(tmp_path / "b", *options)
    a, b = last(tmp_path / "a"), last(tmp_path / "b")
    assert all(torch.equal(a[kind][0][name], b[kind][0][name]) for kind in ("nets", "averages") for name in a[kind][0])
    with (tmp_path / "a" / "lr_finder.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([10 ** (6 * k / 11 - 6) for k in range(len(rates))])
    assert len(rates) > 3
    assert (tmp_path / "a" / "lr_finder.png").read_bytes().startswith(b"\x89PNG")
    assert [curves[step]["lr_finder/loss"] for step in range(1, len(rows) + 1)] == [float(row["loss"]) for row in rows]
    assert "learning-rate test: " in caplog.text


def test_a_suggestion() -> None:
    """A tenth of where the average loss is lowest; the test ends where it has grown fourfold, or is no number."""
    curve = range_test(601, lambda step, rate: 1 + (math.log10(rate) + 3) ** 2)
    assert curve.rates[-1] < 1
    assert curve.suggested == pytest.approx(1e-4, rel=0.3)
    assert range_test(10, lambda step, rate: 1.0 + step).suggested is None
    assert len(range_test(10, lambda step, rate: math.nan if step == 4 else 1.0).rates) == 4
    with pytest.raises(InputError, match="not finite from the first step"):
        range_test(10, lambda step, rate: math.inf)
    assert Curve([0.1, 1.0], [2.0, 1.0], [2.0, 1.0]).suggested == 0.1


@pytest.mark.parametrize(
    "options",
    [
        ["trainer.profile=20"], ["trainer.profile=0steps"], ["trainer.find_lr=soon"], ["trainer.find_lr=1minutes"],
        ["trainer.profile=20steps", "tune=lr"], ["trainer.find_lr=20steps", "tune=lr"],
    ],
    ids=str,
)  # fmt: skip
def test_refused_by_name(options: list[str], on_tones: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=options[0].partition("=")[0]):
        trained(tmp_path / "run", *ONSETS, *on_tones, *options)
