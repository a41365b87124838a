"""Equal effort: a small search over some options, on the validation split only."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.errors import InputError
from ricercar.harness.identity import does_not_count, stable_hash
from ricercar.harness.loop import Trained
from ricercar.harness.provenance import Trial, Tuning
from ricercar.harness.training_state import DivergenceError

_LONGEST = 120  # characters of a trial's name
# Trials differ in these in vain, or not in a way that the validation split can judge.
_FIXED = {"data": "all trials share the tracks", "hardware": "all trials share the device", "seed": "a run has one",
          "tune": "it is the search itself", "init": "all trials start from the same weights"}  # fmt: skip


class Tune:
    """The trainings of one run: one for each combination of values of `space`, or the configuration itself.

    space   {option by its whole name: values to try}
    """

    def __init__(self, *, space: Mapping[str, Sequence[Any]]) -> None:
        for key, values in space.items():
            if not isinstance(values, list) or not values:
                raise InputError(
                    f"space has {key}: {values!r}. Give a list of values, such as optimizer.lr: [0.001, 0.01]."
                )
            if len({stable_hash(value) for value in values}) < len(values):
                raise InputError(f"space has a value of {key} twice: {values}. Each would be trained on its own.")
        self.space = dict(space)

    def trials(self, cfg: DictConfig) -> list[tuple[dict[str, Any], DictConfig]]:
        """-> what each training changes, and its configuration. InputError for an option that cannot be searched."""
        for key in self.space:
            check_searchable(cfg, key, "tune.space")
        changed = []
        for values in itertools.product(*self.space.values()):
            trial = cfg.copy()
            for key, value in zip(self.space, values, strict=True):
                OmegaConf.update(trial, key, value, merge=False)
            changed.append((dict(zip(self.space, values, strict=True)), trial))
        return changed


def check_searchable(cfg: DictConfig, key: str, place: str, group: bool = False) -> None:
    """InputError where an option, by its whole name, is none, or none that a search may change.

    place   where it was asked for, to be told
    group   whether the choices of a whole group are meant
    """
    first, *rest = key.split(".")
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    if not isinstance(node, DictConfig) or name not in node:
        names = f" There are: {', '.join(map(str, node))}." if parent and isinstance(node, DictConfig) else ""
        raise InputError(f"{place} has {key}, which is no option: give its whole name, as optimizer.lr.{names}")
    if (isinstance(node[name], DictConfig) or name == "_target_") and not group:
        raise InputError(f"{place} has {key}, a group of options: sweep over its choices, as in -m {key}=A,B.")
    if first in _FIXED or does_not_count(key):
        raise InputError(f"{place} has {key}, which is not for a search: {_FIXED.get(first, 'it changes no result')}.")
    if "protocol" in rest or key == "task":
        raise InputError(f"{place} has {key}: scores under different protocols cannot be compared.")


def label(values: dict[str, Any]) -> str:
    """The name of a trial, and of its folder: optimizer.lr=0.003,backbone.dropout=0.1."""
    text = ",".join(f"{key}={str(value).replace('/', '_')}" for key, value in values.items())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 9]},{stable_hash(values)[:8]}"


def tuned(values: Sequence[dict[str, Any]], trained: Sequence[Trained]) -> Tuning:
    """What the search found: the first of the best. DivergenceError where no training has a score: all diverged."""
    scores = [-math.inf if math.isnan(each.best_score) else each.best_score for each in trained]
    if max(scores) == -math.inf:
        raise DivergenceError(trained[0].diverged if len(trained) == 1 else "Every training of the search diverged.")
    trials = [Trial(each, done.best_score, done.train_s) for each, done in zip(values, trained, strict=True)]
    return Tuning(chosen=scores.index(max(scores)), trials=trials)
