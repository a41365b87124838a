"""Spaces: what a search may try for which option, written as what Hydra's overrides sweep over."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from ricercar.errors import InputError
from ricercar.harness.tune import check_searchable

if TYPE_CHECKING:  # an extra
    import optuna

_FORMS = "choice(0, 0.2), range(1, 5), interval(0, 0.5), int(interval(1, 8)) or tag(log, interval(1e-4, 1e-2))"
_DIGITS = 4  # of what is drawn from an interval: as many as anyone would type
_SKIPPED = ("hydra", "search")


@dataclass(frozen=True)
class Choice:
    """One of several texts, as they stand in an override: `0.2`, `log`, `[1,2]`."""

    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"choice({', '.join(self.texts)})"

    @property
    def grid(self) -> list[str] | None:
        return list(self.texts)

    @property
    def ends(self) -> list[str]:
        return list(self.texts)

    def draw(self, trial: "optuna.Trial", name: str) -> Any:
        return trial.suggest_categorical(name, self.texts)

    def text(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, both included; whole ones where both are. step: None where there is none."""

    low: float
    high: float
    step: float | None
    log: bool

    def __str__(self) -> str:
        whole = "int" if self.whole and self.step is None else ""
        text = (
            f"interval({self.low}, {self.high})" if self.step is None else f"{self.low} to {self.high} by {self.step}"
        )
        text = f"{whole}({text})" if whole else text
        return f"tag(log, {text})" if self.log else text

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def grid(self) -> list[float] | None:
        """All of them, None where there is no end of them."""
        step = 1 if self.whole and self.step is None else self.step
        if step is None:
            return None
        return [self._rounded(self.low + i * step) for i in range(round((self.high - self.low) / step) + 1)]

    @property
    def ends(self) -> list[str]:
        return [repr(self.low), repr(self.high)]

    def draw(self, trial: "optuna.Trial", name: str) -> Any:
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def text(self, value: Any) -> str:
        return repr(self._rounded(value))

    def _rounded(self, value: float) -> float:
        if self.whole:
            return round(value)
        digits = _DIGITS if self.step is None else 12
        return min(self.high, max(self.low, float(f"{value:.{digits}g}")))


@dataclass(frozen=True)
class Space:
    """What is searched. dimensions: {option, with the + of an override that adds it: what may be tried}"""

    dimensions: Mapping[str, Choice | Numbers]

    def draw(self, trial: "optuna.Trial") -> dict[str, Any]:
        """-> {option: what is drawn for it}. What the trial has already is given again."""
        return {key.lstrip("+"): each.draw(trial, key.lstrip("+")) for key, each in self.dimensions.items()}

    def overrides(self, drawn: Mapping[str, Any]) -> list[str]:
        """What was drawn, as overrides."""
        return [f"{key}={each.text(drawn[key.lstrip('+')])}" for key, each in self.dimensions.items()]

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """What was drawn, as options have it."""
        every = {key.lstrip("+"): each for key, each in self.dimensions.items()}
        return {name: value_of(each.text(drawn[name])) for name, each in every.items() if name in drawn}

    @property
    def told(self) -> dict[str, str]:
        """What is searched, for people and to compare."""
        return {key.lstrip("+"): str(each) for key, each in sorted(self.dimensions.items())}

    @property
    def grid(self) -> dict[str, list[Any]]:
        """All values of each option. InputError names one that has no end of them."""
        found: dict[str, list[Any]] = {}
        for key, each in self.dimensions.items():
            if each.grid is None:
                raise InputError(
                    f"hydra.sweeper.sampler=grid: {key}={each} has no end of values. Give it as choice(...) or "
                    "range(...), or take another sampler."
                )
            found[key.lstrip("+")] = each.grid
        return found

    @property
    def num_numbers(self) -> int:
        return sum(isinstance(each, Numbers) for each in self.dimensions.values())

    def ends(self) -> Iterator[tuple[str, str]]:
        """(option, text of a value): all choices, and the lowest and highest number, of each."""
        for key, each in self.dimensions.items():
            yield from ((key, text) for text in each.ends)


def space_of(named: Mapping[str, Any], overrides: Sequence[Override]) -> tuple[Space, list[str]]:
    """-> what a command searches, and its overrides that are fixed.

    named       {option: what may be tried}, of the yamls that it names
    overrides   of the command line, which count more than the yamls: one that sweeps is searched, another is fixed

    InputError where nothing is searched, or for a text that says no values.
    """
    parser = OverridesParser.create()
    found: dict[str, Choice | Numbers] = {}
    for key, text in named.items():
        try:
            override = parser.parse_override(f"{key}={text}")
        except HydraException as error:
            raise InputError(
                f"search: {key}: {text!r} cannot be read ({_first_line(error)}). Give {_FORMS}."
            ) from error
        if not override.is_sweep_override():
            raise InputError(f"search: {key}: {text!r} says one value, not which to try. Give {_FORMS}.")
        found[key] = _dimension(override)
    fixed = []
    for override in overrides:
        key = override.get_key_element()
        found = {each: found[each] for each in found if each.lstrip("+") != key.lstrip("+~")}
        if override.is_sweep_override():
            found[key] = _dimension(override)
        elif key.lstrip("+") not in _SKIPPED:
            fixed.append(override.input_line or f"{key}={override.get_value_element_as_str()}")
    if not found:
        raise InputError(
            "hydra/sweeper=optuna has nothing to search: name spaces of conf/search, as in search=[training,lstm], "
            f"or give values to try on the command line: {_FORMS}."
        )
    return Space(found), fixed


def check_options(space: Space, cfg: DictConfig, groups: Mapping[str, Any]) -> None:
    """InputError for an option that there is not, or that is not for a search. groups: {group: what is chosen}"""
    for key, each in space.dimensions.items():
        name = key.lstrip("+")
        if isinstance(each, Choice) and name in groups and not name.startswith("hydra/"):
            check_searchable(cfg, name, "search", group=True)
        elif not key.startswith("+") or OmegaConf.select(cfg, name) is not None:
            check_searchable(cfg, name, "search")


def value_of(text: str) -> Any:
    """What an override with that text sets."""
    return OverridesParser.create().parse_override(f"_={text}").value()


def _dimension(override: Override) -> Choice | Numbers:
    value, key = override.value(), override.get_key_element()
    tags: set[str] = getattr(value, "tags", set())
    if unknown := sorted(tags - {"log"}):
        raise InputError(f"search: {key}: tag {unknown[0]} means nothing here; there is log.")
    log = "log" in tags
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        return _numbers(key, value.start, value.end, None, log)
    if isinstance(value, RangeSweep) and all(isinstance(each, int | float) for each in (value.start, value.stop)):
        numbers = [number for number in override.sweep_iterator() if isinstance(number, int | float)]
        if not numbers:
            raise InputError(f"search: {key}: range({value.start}, {value.stop}) has no number in it.")
        low, high = min(numbers), max(numbers)
        if log and value.step != 1:
            raise InputError(f"search: {key}: a logarithmic range has no steps. Give choice(...), or no tag.")
        return _numbers(key, low, high, None if log else abs(value.step), log)
    texts = tuple(override.sweep_string_iterator())
    if log:
        raise InputError(f"search: {key}: log is of numbers in a row: tag(log, interval(...)).")
    if len(set(texts)) < len(texts):
        raise InputError(f"search: {key}: choice({', '.join(texts)}) has a value twice.")
    return Choice(texts)


def _numbers(key: str, low: float, high: float, step: float | None, log: bool) -> Numbers:
    if not (math.isfinite(low) and math.isfinite(high)) or low > high or (low == high and step is None):
        raise InputError(f"search: {key}: from {low} to {high} there is nothing to try.")
    if log and low <= 0:
        raise InputError(f"search: {key}: a logarithmic scale begins above 0, not at {low}.")
    return Numbers(low, high, step, log)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
