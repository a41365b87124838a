"""Learning rates over the budget: share of it that is spent -> factor."""

import math
from abc import ABC, abstractmethod
from typing import Any

from ricercar.checks import check_between, check_whole


class Schedule(ABC):
    """The factor depends on the share of the budget that is spent: it fits steps, epochs and minutes alike."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """progress in [0, 1] -> what the optimiser's learning rate is multiplied by."""

    def validated(self, score: float) -> None:
        """Told the validation score (larger is better) after each validation."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert not state, state


class Constant(Schedule):
    """Rises linearly over the share `warmup` of the budget, then stays."""

    def __init__(self, *, warmup: float) -> None:
        check_between(0, 1, warmup=warmup)
        self.warmup = warmup

    def factor(self, progress: float) -> float:
        return min(1.0, progress / self.warmup) if self.warmup > 0 else 1.0


class Cosine(Schedule):
    """Rises linearly over the share `warmup` of the budget, then falls along half a cosine to the factor `final`."""

    def __init__(self, *, warmup: float, final: float) -> None:
        check_between(0, 0.99, warmup=warmup)
        check_between(0, 1, final=final)
        self.warmup = warmup
        self.final = final

    def factor(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        share = min(1.0, (progress - self.warmup) / (1.0 - self.warmup))
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * share))


class Plateau(Schedule):
    """After a warm-up: times `decay` whenever the best score is `patience` validations old."""

    def __init__(self, *, warmup: float, decay: float, patience: int) -> None:
        check_between(0, 1, warmup=warmup, decay=decay)
        check_whole(patience=patience)
        self.warmup = warmup
        self.decay = decay
        self.patience = patience
        self.current = 1.0
        self.best = -float("inf")
        self.waited = 0

    def factor(self, progress: float) -> float:
        return self.current * (min(1.0, progress / self.warmup) if self.warmup > 0 else 1.0)

    def validated(self, score: float) -> None:
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.current, self.waited = self.current * self.decay, 0

    def state_dict(self) -> dict[str, Any]:
        return {"current": self.current, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.current, self.best, self.waited = state["current"], state["best"], state["waited"]
