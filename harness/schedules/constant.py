"""A constant learning rate after a warm-up."""

from ricercar.checks import check_between
from ricercar.harness.schedules.schedule import Schedule


class Constant(Schedule):
    """Rises linearly over the share `warmup` of the budget, then stays."""

    def __init__(self, *, warmup: float) -> None:
        check_between(0, 1, warmup=warmup)
        self.warmup = warmup

    def factor(self, progress: float) -> float:
        return min(1.0, progress / self.warmup) if self.warmup > 0 else 1.0
