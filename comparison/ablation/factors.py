"""What a sweep varies: a group of the configuration (frontend) or an option of it (optimizer.lr)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ricercar.comparison.options import options
from ricercar.harness.identity import essence

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Factor:
    """levels: in their order, the first of which is the one that others are compared with."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """How a run was configured.

    choices   of each group
    options   {dotted name: value as text} of what determines a result, without the seed
    """

    choices: Mapping[str, str]
    options: Mapping[str, str]

    @classmethod
    def of(cls, choices: Mapping[str, str], config: Mapping[str, Any]) -> "Setting":
        return cls(choices, {name: value for name, value in options(essence(config)).items() if name != "seed"})

    def level(self, factor: str) -> str | None:
        """None where the configuration has no such group or option."""
        return self.choices.get(factor, self.options.get(factor))

    def cell(self, factors: Iterable[str]) -> Cell | None:
        """None where it lacks one of the factors."""
        levels = [self.level(factor) for factor in factors]
        return tuple(level for level in levels if level is not None) if None not in levels else None


def make_factor(name: str, levels: Iterable[str]) -> Factor:
    """Numbers by size, then words by the alphabet; null and none first, as what is compared with."""
    return Factor(name, tuple(sorted(set(levels), key=_order)))


def differing(settings: Iterable[Setting], factors: Iterable[str], ignored: Iterable[str]) -> dict[str, list[str]]:
    """-> {option: values} of what else differs between the settings, so that a comparison would not be of factors only.

    What stands below a varied group belongs to its choice: it may differ between choices, not within one.
    """
    settings, factors, ignored = list(settings), list(factors), list(ignored)
    found = {}
    for option in dict.fromkeys(name for each in settings for name in each.options):
        if option in factors or any(option == name or option.startswith(f"{name}.") for name in ignored):
            continue
        above = [name for name in factors if option.startswith(f"{name}.")]
        by_choice: dict[Cell | None, set[str | None]] = {}
        for each in settings:
            by_choice.setdefault(each.cell(above), set()).add(each.options.get(option))
        values = next((values for values in by_choice.values() if len(values) > 1), None)
        if values is not None:
            found[option] = sorted(("(not there)" if value is None else value for value in values), key=_order)
    return found


def _order(level: str) -> tuple[int, float, str]:
    if level in ("null", "none", "(not there)"):
        return 0, 0.0, level
    try:
        return 1, float(level), level
    except ValueError:
        return 2, 0.0, level
