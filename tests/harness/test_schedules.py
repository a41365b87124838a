"""Budgets, schedules and the moving average, against numbers worked out by hand."""

import pytest
import torch

from ricercar.errors import InputError
from ricercar.harness.schedules import Constant, Cosine, Plateau
from ricercar.harness.training_state import EMA, Budget


@pytest.mark.parametrize(
    ("text", "step", "elapsed_s", "progress"),
    [
        ("100 steps", 25, 1e9, 0.25),
        ("100steps", 101, 0.0, 1.0),
        ("2.0 epochs", 10, 0.0, 0.5),
        ("1epoch", 5, 0.0, 0.5),
        ("2 minutes", 10**9, 30.0, 0.25),
        (".5minutes", 0, 45.0, 1.0),
    ],
)
def test_budget(text: str, step: int, elapsed_s: float, progress: float) -> None:
    assert Budget(text, steps_per_epoch=10).progress(step, elapsed_s) == pytest.approx(progress)


@pytest.mark.parametrize(
    ("text", "step", "elapsed_s", "ahead"),
    [
        ("100 steps", 0, 0.0, 0.01),
        ("100 steps", 99, 1e9, 1.0),
        ("2 minutes", 0, 0.0, 0.001),  # a first step with a rate of 0 would learn nothing
        ("2 minutes", 1, 0.0, 0.001),  # compiling is not charged
        ("2 minutes", 10, 30.0, 0.275),
        ("2 minutes", 10, 119.0, 1.0),
    ],
)
def test_share_that_the_next_step_ends_at(text: str, step: int, elapsed_s: float, ahead: float) -> None:
    assert Budget(text, steps_per_epoch=10).ahead(step, elapsed_s) == pytest.approx(ahead)


@pytest.mark.parametrize("text", ["", "100", "0 steps", "-1 steps", "3 hours", "nan minutes"])
def test_budget_refuses(text: str) -> None:
    with pytest.raises(InputError, match=r"trainer\.budget"):
        Budget(text, steps_per_epoch=10)


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.55), (1.0, 0.1)])
def test_cosine(progress: float, factor: float) -> None:
    assert Cosine(warmup=0.1, final=0.1).factor(progress) == pytest.approx(factor)


@pytest.mark.parametrize(("progress", "factor"), [(0.05, 0.5), (0.1, 1.0), (1.0, 1.0)])
def test_constant(progress: float, factor: float) -> None:
    assert Constant(warmup=0.1).factor(progress) == pytest.approx(factor)


def test_plateau_falls_after_patience_and_survives_a_restart() -> None:
    plateau = Plateau(warmup=0.0, decay=0.5, patience=2)
    for score in (0.1, 0.2, 0.2):
        plateau.validated(score)
    restarted = Plateau(warmup=0.0, decay=0.5, patience=2)
    restarted.load_state_dict(plateau.state_dict())
    assert restarted.factor(1.0) == 1.0
    restarted.validated(0.1)
    assert restarted.factor(1.0) == 0.5


def test_average_follows_the_weights() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    average = EMA(net, 0.9, None)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average.update(1)  # decay is 1 / 11 at the start
    assert float(average.weights["weight"]) == pytest.approx(1 - 1 / 11)
    average.update(10**9)
    assert float(average.weights["weight"]) == pytest.approx(1 - 0.9 / 11)


def test_average_of_decay_zero_is_the_network() -> None:
    net = torch.nn.BatchNorm1d(2)
    average = EMA(net, 0.0, None)
    net(torch.randn(5, 2))
    average.update(1)
    assert all(torch.equal(average.weights[name], value) for name, value in net.state_dict().items())
