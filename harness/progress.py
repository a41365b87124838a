"""Where a training stands: what its checkpoint `last` holds beside weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ricercar.harness.schedules import Schedule


@dataclass
class Best:
    """The best validation of one member so far. diverged: what to tell of it, once it has."""

    score: float = -float("inf")
    step: int = 0
    waited: int = 0
    diverged: str | None = None

    def validated(self, score: float, step: int) -> bool:
        """-> whether the score is the best so far."""
        if score > self.score or self.step == 0:
            self.score, self.step, self.waited = score, step, 0
            return True
        self.waited += 1
        return False


@dataclass
class Progress:
    """progress: share of the budget. best: one for each member."""

    schedule: Schedule
    best: list[Best]
    step: int = 0
    elapsed_s: float = 0.0
    progress: float = 0.0
    num_validations: int = 0
    stopped: bool = False

    def state_dict(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name not in ("schedule", "best")}
        return {**own, "best": [asdict(each) for each in self.best], "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any], members: Sequence[int]) -> None:
        """members: which of those that were trained go on. Each has had its share of the time."""
        self.best = [Best(**state["best"][member]) for member in members]
        self.schedule.load_state_dict(state["schedule"])
        for name, value in state.items():
            if name not in ("schedule", "best"):
                setattr(self, name, value)
        self.elapsed_s *= len(members) / len(state["best"])
