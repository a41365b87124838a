"""What annotations of fundamental frequencies share: values in Hz, and a guess at values that are not."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ricercar.errors import InputError

MAX_HZ = 20_000.0

# Above C8, the highest key of a piano: no melody lies there for half of its time.
_HIGHEST_MEDIAN = 4_200.0
# MIDI numbers of a melody span less than this; frequencies below 128 Hz mostly span more (E1 to E2 is 41 Hz).
_WIDEST_MIDI = 40.0


def midi_to_hz(midi: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    """MIDI numbers, with fractions -> Hz, A4 = 440 Hz."""
    return np.asarray(440.0 * 2.0 ** ((midi - 69.0) / 12.0), dtype=np.float64)


def hz_to_midi(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hz, above 0 -> MIDI numbers, with fractions."""
    return np.asarray(69.0 + 12.0 * np.log2(frequency_hz / 440.0), dtype=np.float64)


def names_hz(first_line: str) -> bool:
    """Whether a file says that its values are in Hz: in its header, or in the comment that `write` puts there."""
    return "frequency_hz" in first_line


def check_unit(path: Path, frequency_hz: NDArray[np.float64]) -> None:
    """InputError where the values of a file, read as Hz, look like MIDI numbers or cents."""
    sounding = np.abs(frequency_hz[frequency_hz != 0])
    distinct = np.unique(sounding)
    if len(distinct) < 3:
        return
    low, high = float(distinct[0]), float(distinct[-1])
    unit = ""
    if high < 128 and (bool(np.all(distinct == np.rint(distinct))) or high - low < _WIDEST_MIDI):
        unit = "MIDI numbers n: convert them by 440 * 2 ** ((n - 69) / 12)"
    elif float(np.median(sounding)) > _HIGHEST_MEDIAN:
        unit = "cents c above some frequency: convert them by that frequency * 2 ** (c / 1200)"
    if unit:
        raise InputError(
            f"{path}: frequencies from {low:g} to {high:g}, which look like {unit}. "
            "If they are in Hz after all, say so in a first line: time,frequency_hz"
        )
