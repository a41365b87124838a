"""Equal effort: a small search over one option, on the validation split only."""

import math
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.errors import InputError
from ricercar.harness.divergence import DivergenceError
from ricercar.harness.entry import Trial, Tuning
from ricercar.harness.loop import Trained


class Tune:
    """The trainings of one entry: as the configuration says, or one for each of `values` of the option `key`."""

    def __init__(self, *, key: str | None, values: Sequence[Any]) -> None:
        if (key is None) != (len(values) == 0):
            raise InputError(f"tune.key={key} with tune.values={list(values)}: give both, or choose tune=none.")
        if len({str(value) for value in values}) < len(values):
            raise InputError(f"tune.values={list(values)} has a value twice: each would be trained on its own.")
        self.key = key
        self.values = list(values)

    def trials(self, cfg: DictConfig) -> list[tuple[dict[str, Any], DictConfig]]:
        """-> what each training changes, and its configuration."""
        if self.key is None:
            return [({}, cfg)]
        if OmegaConf.select(cfg, self.key) is None or OmegaConf.is_config(OmegaConf.select(cfg, self.key)):
            raise InputError(f"tune.key={self.key} is no option with a value: give its whole name, as optimizer.lr.")
        changed = []
        for value in self.values:
            trial = cfg.copy()
            OmegaConf.update(trial, self.key, value)
            changed.append(({self.key: value}, trial))
        return changed


def label(values: dict[str, Any]) -> str:
    """The name of a trial, and of its folder: optimizer.lr=0.003."""
    return ",".join(f"{key}={str(value).replace('/', '_')}" for key, value in values.items())


def tuned(values: Sequence[dict[str, Any]], trained: Sequence[Trained]) -> Tuning:
    """What the search found: the first of the best. DivergenceError where no training has a score: all diverged."""
    scores = [-math.inf if math.isnan(each.best_score) else each.best_score for each in trained]
    if max(scores) == -math.inf:
        raise DivergenceError(trained[0].diverged if len(trained) == 1 else "Every training of the search diverged.")
    trials = [Trial(each, done.best_score, done.train_s) for each, done in zip(values, trained, strict=True)]
    return Tuning(chosen=scores.index(max(scores)), trials=trials)
