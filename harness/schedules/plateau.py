"""A learning rate that falls when the validation score no longer rises."""

from typing import Any

from ricercar.checks import check_between, check_whole
from ricercar.harness.schedules.schedule import Schedule


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
