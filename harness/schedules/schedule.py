"""What every schedule is: progress through the budget -> factor on the learning rate."""

from abc import ABC, abstractmethod
from typing import Any


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
