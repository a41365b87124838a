"""Checks of options that several tasks have in their yaml."""

from collections.abc import Mapping, Sequence

from ricercar.checks import check_between, check_positive, check_whole
from ricercar.errors import InputError

Limits = Mapping[str, tuple[float, float]]

ABOVE_0 = (1e-6, float("inf"))


def check_output(name: str, part: Mapping[str, float]) -> None:
    """The options of an output: weight, positive_weight and prior. `name` is where they stand, in full."""
    check_names(name, part, ("weight", "positive_weight", "prior"))
    check_between(0, float("inf"), **{f"{name}.weight": part["weight"]})
    check_positive(**{f"{name}.positive_weight": part["positive_weight"]})
    check_between(1e-6, 1 - 1e-6, **{f"{name}.prior": part["prior"]})


def check_programs(place: str, classes: Mapping[str, object]) -> None:
    """Of {name: programs}: General MIDI's, each of one class. place: what the option is called."""
    taken: dict[int, str] = {}
    for name, programs in classes.items():
        if not isinstance(programs, Sequence) or isinstance(programs, str) or not programs:
            raise InputError(f"{place}.{name}={programs!r}: give General MIDI programs, 0 to 127, as a list.")
        for program in programs:
            check_whole(0, **{f"{place}.{name}": program})
            if program > 127 or program in taken:
                why = "is above 127" if program > 127 else f"is in {taken[program]} already"
                raise InputError(f"{place}.{name}: program {program} {why}.")
            taken[program] = name


def check_pitches(lowest_pitch: int, num_pitches: int) -> None:
    """The MIDI numbers that outputs are for: 0 to 127."""
    check_whole(0, **{"task.lowest_pitch": lowest_pitch})
    check_whole(**{"task.num_pitches": num_pitches})
    if lowest_pitch + num_pitches > 128:
        raise InputError(
            f"task.lowest_pitch={lowest_pitch} and task.num_pitches={num_pitches} leave the MIDI numbers 0 to 127."
        )


def checked_decoding(decoding: Mapping[str, float], limits: Limits) -> dict[str, float]:
    """task.decoding: exactly the constants of `limits`, each a number from the lower to the upper one."""
    check_names("task.decoding", decoding, limits)
    for name, value in decoding.items():
        check_between(*limits[name], **{f"task.decoding.{name}": value})
    return {name: float(decoding[name]) for name in limits}


def checked_tuning(
    tuning: Mapping[str, Sequence[float]], limits: Limits, option: str = "task.tuning"
) -> dict[str, list[float]]:
    """`option`: for exactly the constants of `limits` a list of values within them; an empty one tries nothing."""
    check_names(option, tuning, limits)
    for name, values in tuning.items():
        if not isinstance(values, list | tuple):
            raise InputError(
                f"{option}.{name}={values!r}: must be a list of values to try; [] keeps the configured one."
            )
        check_between(*limits[name], **{f"{option}.{name}[{i}]": value for i, value in enumerate(values)})
    return {name: [float(value) for value in tuning[name]] for name in limits}


def check_names(option: str, given: Mapping[str, object], names: Sequence[str] | Limits) -> None:
    """`option`, which stands in the yaml under this name, has exactly these parts."""
    if not isinstance(given, Mapping) or set(given) != set(names):
        has = f" has {', '.join(given) or 'nothing'}" if isinstance(given, Mapping) else f"={given!r}"
        raise InputError(f"{option}{has}: it must have exactly {', '.join(names)}.")
