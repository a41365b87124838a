"""Warm-up, then half a cosine (Loshchilov and Hutter 2017, without restarts)."""

import math

from ricercar.checks import check_between
from ricercar.harness.schedules.schedule import Schedule


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
