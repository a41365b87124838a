"""The choice of decoding constants: what is tried, in which order, and what may be in task.tuning."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from configs import option, trained_tasks
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.tasks.shared.search import best, nearest_first, on_time, remembered
from ricercar.tasks.task import Task

TUNED = [name for name in trained_tasks() if "tuning" in option("task", name)]


def test_of_equally_good_values_the_nearest_is_first() -> None:
    assert nearest_first(0.3, [0.9, 0.4, 0.2, 0.3]) == pytest.approx([0.3, 0.2, 0.4, 0.9])
    start, tried = {"a": 3.0, "b": 1.0}, {"a": [0.0, 2.0, 9.0]}
    assert best(start, tried, lambda each: each["a"] != 3) == {"a": 2.0, "b": 1.0}
    assert best(start, tried, lambda each: each["a"] != 3, nearest=False) == {"a": 0.0, "b": 1.0}
    assert best(start, tried, lambda each: 1.0, nearest=False) == start


def test_all_combinations_are_tried() -> None:
    start = {"a": 0.0, "b": 0.0, "c": 5.0}
    tried = {"a": [1.0, 2.0], "b": [1.0, 2.0]}
    assert best(start, tried, lambda each: each["a"] * each["b"]) == {"a": 2.0, "b": 2.0, "c": 5.0}
    assert best(start, tried, lambda each: min(each["a"], each["b"]) >= 1) == {"a": 1.0, "b": 1.0, "c": 5.0}
    assert best(start, {"a": [], "b": []}, lambda each: -each["a"]) == start


@pytest.mark.parametrize(("score", "shift_s"), [(lambda each: 1.0, -0.02), (lambda each: each["shift_s"], 0.0)])
def test_the_median_lateness_is_taken_away_unless_that_costs(score: Any, shift_s: float) -> None:
    pairs = [(np.array([1.0, 2.0]), np.array([1.02, 2.5])), (np.array([3.0]), np.array([3.01])), (np.zeros(0),) * 2]
    assert on_time({"shift_s": 0.0}, "shift_s", pairs, score) == pytest.approx({"shift_s": shift_s})
    assert on_time({"shift_s": 0.5}, "shift_s", [], score) == {"shift_s": 0.5}


def test_a_decoding_is_looked_at_once() -> None:
    asked: list[float] = []
    twice = remembered(lambda decoding: asked.append(decoding["a"]) or 2 * decoding["a"])
    assert [twice({"a": value}) for value in (1.0, 2.0, 1.0)] == [2.0, 4.0, 2.0]
    assert asked == [1.0, 2.0]


def with_tuning(name: str, tuning: Any) -> Task:
    cfg = option("task", name)
    cfg.tuning = tuning
    task: Task = assemble.make(cfg)
    return task


def lists(name: str) -> dict[str, Any]:
    tuning: Any = OmegaConf.to_container(option("task", name).tuning)
    return tuning


@pytest.mark.parametrize("name", TUNED)
def test_nothing_to_try_leaves_what_is_configured(name: str) -> None:
    empty = {key: {each: [] for each in part} if isinstance(part, dict) else [] for key, part in lists(name).items()}
    task = with_tuning(name, empty)
    example = import_module(f"examples.{name}").example(np.random.default_rng(0))
    task.fit([example])
    before = dict(task.decoding)
    random = np.random.default_rng(1)
    targets = task.encode(example, 0.0, 500, 50.0)
    noisy = {key: (x + random.normal(-1.0, 0.3, x.shape)).astype(np.float32) for key, x in targets.items()}
    task.tune([(example, noisy)], 50.0)
    estimated = ("shift_s", "onset_shift_s", "tuning_cents")  # from the estimates, without a list of values
    assert {key: task.decoding[key] for key in before if key not in estimated} == {
        key: value for key, value in before.items() if key not in estimated
    }


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": [1.0]}, r"task.tuning has .*speed: it must have exactly {first}"),
        ({"{first}": 0.3}, r"task.tuning.{first}=0.3: must be a list of values|task.tuning.{first}=0.3: it must have"),
        (
            {"{first}": [-200.0]},
            r"task.tuning.{first}\[0\]=-200.0: must be a number|task.tuning.{first}=\[-200.0\]: it",
        ),
    ],
)
def test_tuning_is_refused_by_name(name: str, change: dict[str, Any], message: str) -> None:
    first = next(iter(lists(name)))
    changed = lists(name) | {key.format(first=first): value for key, value in change.items()}
    with pytest.raises(InputError, match=message.replace("{first}", first)):
        with_tuning(name, changed)


def test_values_of_beats_are_by_decoder() -> None:
    tuning = lists("beat")
    tuning["peaks"]["tempo_inertia"] = [1.0]
    with pytest.raises(InputError, match=r"task.tuning.peaks has .*: it must have exactly threshold, downbeat_thresh"):
        with_tuning("beat", tuning)
    tuning["peaks"] = {"threshold": [0.5, 1.5], "downbeat_threshold": []}
    with pytest.raises(InputError, match=r"task.tuning.peaks.threshold\[1\]=1.5: must be a number from 0.001 to 0.999"):
        with_tuning("beat", tuning)
