"""What was expected before the runs, such as compression=log>none: log is better than none."""

import re
from dataclasses import dataclass
from itertools import pairwise

from ricercar.comparison.ablation.effects import Effects
from ricercar.comparison.options import listed
from ricercar.errors import InputError
from ricercar.tasks.scale import HIGHER, Scale

_FORM = re.compile(r"([\w./]+)=(.+>.+)")


@dataclass(frozen=True)
class Expectation:
    """That the mean of `better` is better than the mean of `worse`."""

    factor: str
    better: str
    worse: str


@dataclass(frozen=True)
class Verdict:
    """better minus worse, with the interval of `Effects.between`, which decides.

    answer    confirmed, contradicted or not decided
    """

    expectation: Expectation
    difference: float
    low: float
    high: float
    answer: str


def expectations(text: str) -> list[Expectation]:
    """compression=log>db>none is two: log better than db, db better than none."""
    given = _FORM.fullmatch(text)
    levels = [level.strip() for level in given[2].split(">")] if given else []
    if not given or not all(levels):
        raise InputError(f"--expect {text}: give a factor and what is better than what, as compression=log>none.")
    return [Expectation(given[1], better, worse) for better, worse in pairwise(levels)]


def verdict(expectation: Expectation, effects: Effects, scale: Scale) -> Verdict:
    """By the levels' means over the other factors. InputError names a factor or level that is not in the results."""
    assert scale.better is not None, "nothing is better than another"
    factor = next((each for each in effects.factors if each.name == expectation.factor), None)
    if factor is None:
        names = listed(each.name for each in effects.factors)
        raise InputError(f"--expect {expectation.factor}=...: choose among what is varied: {names}.")
    for level in (expectation.better, expectation.worse):
        if level not in factor.levels:
            raise InputError(f"--expect {factor.name}={level}: there are {listed(factor.levels, 20)}.")
    if not effects.separable:
        return Verdict(expectation, float("nan"), float("nan"), float("nan"), "not decided")
    found = effects.between(factor, expectation.worse)
    i = found.names.index(expectation.better)
    low, high = float(found.values.low[i]), float(found.values.high[i])
    above, below = ("confirmed", "contradicted") if scale.better == HIGHER else ("contradicted", "confirmed")
    answer = above if low > 0 else below if high < 0 else "not decided"
    return Verdict(expectation, float(found.values.estimate[i]), low, high, answer)
