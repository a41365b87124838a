"""Columns of notes that are not in the unit that they must be in."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats.rows import RowError

Floats = NDArray[np.float64]

_HIGHEST_MEDIAN_HZ = 4_200.0  # above C8, the highest key of a piano
# MIDI numbers of a voice span less than this; frequencies below 128 Hz mostly span more (E1 to E2 is 41 Hz).
_WIDEST_MIDI = 40.0
_FEW = 3
# Median durations that no piece has. In seconds as they are; where all times are whole numbers, which seconds are not.
_LONGEST_S, _LONGEST_WHOLE_S = 60.0, 20.0


def check_hz(frequency_hz: Floats) -> None:
    """RowError where values above 0, read as Hz, look like MIDI numbers or cents.

    All below 128, they would be notes of a bass. MIDI numbers they are where all are whole numbers (frequencies of
    notes hardly are: 55 and 110 Hz, A1 and A2, are let through); or where they span less than frequencies do, and are
    no nearer to the semitones of 440 Hz than to whole numbers, as the notes of a bass would be.
    """
    distinct = np.unique(frequency_hz)
    if not len(distinct):
        return
    unit = ""
    if distinct[-1] < 128:
        whole = bool(np.all(distinct == np.rint(distinct)))
        if whole and not np.isin(distinct, (55.0, 110.0)).all():
            unit = "MIDI numbers n: convert them by 440 * 2 ** ((n - 69) / 12)"
        elif not whole and len(distinct) >= _FEW and distinct[-1] - distinct[0] < _WIDEST_MIDI:
            off_semitones = _from_whole(69.0 + 12.0 * np.log2(distinct / 440.0))
            if off_semitones * 1.5 >= _from_whole(distinct):
                unit = "MIDI numbers n: convert them by 440 * 2 ** ((n - 69) / 12)"
    elif len(distinct) >= _FEW and float(np.median(frequency_hz)) > _HIGHEST_MEDIAN_HZ:
        unit = "cents c above some frequency: convert them by that frequency * 2 ** (c / 1200)"
    if unit:
        raise RowError(
            0,
            f"frequency {frequency_hz[0]:g}; all are from {distinct[0]:g} to {distinct[-1]:g}, which look like {unit}. "
            "If they are in Hz after all, say so in a first line: # onset offset frequency_hz",
        )


def check_seconds(onset_s: Floats, offset_s: Floats) -> None:
    """RowError where times, read as seconds, look like milliseconds or samples: the median note would be a minute."""
    if len(onset_s) < _FEW:
        return
    median_s = float(np.median(offset_s - onset_s))
    whole = bool(np.all(onset_s == np.rint(onset_s)) and np.all(offset_s == np.rint(offset_s)))
    if median_s > (_LONGEST_WHOLE_S if whole else _LONGEST_S):
        raise RowError(
            0,
            f"onset {onset_s[0]:g} s, offset {offset_s[0]:g} s; the median note lasts {median_s:g} s, which looks like "
            "milliseconds or samples. Times are in seconds.",
        )


def _from_whole(values: Floats) -> float:
    return float(np.mean(np.abs(values - np.rint(values))))
