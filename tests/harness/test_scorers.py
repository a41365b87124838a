"""Scoring in other processes gives what scoring here gives."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ricercar.errors import InputError
from ricercar.harness import processes
from ricercar.harness.processes import Scorers, _pool


def _square(number: int) -> int:
    if number == 13:
        raise InputError("track 13: unlucky")
    if number == 99:
        os._exit(1)
    return number * number


@pytest.mark.parametrize("num_processes", [0, 2])
def test_order_is_kept(num_processes: int) -> None:
    assert list(Scorers(num_processes).map(_square, iter(range(12)))) == [number**2 for number in range(12)]


@pytest.mark.parametrize("num_processes", [0, 2])
def test_errors_come_as_they_were(num_processes: int) -> None:
    with pytest.raises(InputError, match="track 13: unlucky"):
        list(Scorers(num_processes).map(_square, range(10, 30)))
    assert list(Scorers(num_processes).map(_square, [3])) == [9]


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that start at once; those before are of the kind that users have."""
    _pool.cache_clear()
    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(processes.multiprocessing, "get_context", lambda kind: fork)
    yield
    _pool.cache_clear()


@pytest.mark.usefixtures("forked")
def test_a_killed_process_is_told() -> None:
    with pytest.raises(InputError, match="num_scorers below 2"):
        list(Scorers(2).map(_square, [1, 99, 2, 3]))
    assert list(Scorers(2).map(_square, [3])) == [9]


def test_none_beside_a_cpu_unless_asked_for() -> None:
    cpu = torch.device("cpu")
    assert Scorers.beside(cpu, None).num_processes == 0
    assert Scorers.beside(cpu, 3).num_processes == 3
    assert Scorers.beside(torch.device("cuda"), None).num_processes <= 8


@pytest.mark.usefixtures("forked")
def test_the_same_scores(on_tones: list[str], tmp_path: Path) -> None:
    from trainings import ONSETS, informative, trained  # which the processes that square numbers need not import

    [here] = trained(tmp_path / "here" / "run", *ONSETS, *on_tones)
    [there] = trained(tmp_path / "there" / "run", *ONSETS, *on_tones, "num_scorers=2")
    assert informative(here)
    assert here.tracks == there.tracks
    assert here.metrics == there.metrics
    files = {path.name: path.read_bytes() for path in (tmp_path / "here" / "run" / "predictions").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "there" / "run" / "predictions").iterdir()}
