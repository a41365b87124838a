"""Budgets, schedules and the moving average, against numbers worked out by hand."""

import pytest
import torch

from ricercar.errors import InputError
from ricercar.harness.average import Average
from ricercar.harness.budget import Budget
from ricercar.harness.schedules.constant import Constant
from ricercar.harness.schedules.cosine import Cosine
from ricercar.harness.schedules.plateau import Plateau


@pytest.mark.parametrize(
    ("limits", "step", "elapsed_s", "progress"),
    [
        ({"max_steps": 100}, 25, 1e9, 0.25),
        ({"max_epochs": 2.0}, 10, 0.0, 0.5),
        ({"max_minutes": 2.0}, 10**9, 30.0, 0.25),
        ({"max_steps": 100, "max_minutes": 1.0}, 50, 45.0, 0.75),
        ({"max_steps": 100}, 101, 0.0, 1.0),
    ],
)
def test_budget(limits: dict[str, float], step: int, elapsed_s: float, progress: float) -> None:
    budget = Budget(**{"max_steps": None, "max_epochs": None, "max_minutes": None, **limits}, steps_per_epoch=10)  # type: ignore[arg-type]
    assert budget.progress(step, elapsed_s) == pytest.approx(progress)


@pytest.mark.parametrize("limits", [(None, None, None), (0, None, None), (None, -1.0, None), (10, None, 0.0)])
def test_budget_refuses(limits: tuple[int | None, float | None, float | None]) -> None:
    with pytest.raises(InputError, match=r"trainer\.max_"):
        Budget(max_steps=limits[0], max_epochs=limits[1], max_minutes=limits[2], steps_per_epoch=10)


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
    average = Average(net, 0.9, None)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average.update(1)  # decay is 1 / 11 at the start
    assert float(average.weights["weight"]) == pytest.approx(1 - 1 / 11)
    average.update(10**9)
    assert float(average.weights["weight"]) == pytest.approx(1 - 0.9 / 11)


def test_average_of_decay_zero_is_the_network() -> None:
    net = torch.nn.BatchNorm1d(2)
    average = Average(net, 0.0, None)
    net(torch.randn(5, 2))
    average.update(1)
    assert all(torch.equal(average.weights[name], value) for name, value in net.state_dict().items())
