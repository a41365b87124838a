"""Images of estimates beside references."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import midi_to_hz
from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError
from ricercar.metrics.transcription import note_hits
from ricercar.metrics.util import match_hits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ONSET_TOLERANCE_S, _PITCH_TOLERANCE_CENTS = 0.05, 50.0
_SIZE_INCHES, _DPI = (10.0, 4.5), 150
# Okabe and Ito's palette: told apart with any kind of colour vision; a missed note is hollow besides.
_HIT, _MISSED, _EXTRA, _REFERENCE = "#009E73", "#0072B2", "#D55E00", "#00261B"
_TITLE_LENGTH = 100
_BLACK_KEYS = (1, 3, 6, 8, 10)

Bars = NDArray[np.float64]  # (n, 3): start_s, end_s, pitch


def piano_roll(reference: Notes, estimate: Notes, start_s: float, end_s: float, title: str) -> NDArray[np.uint8]:
    """-> (H, W, 3) image of [start_s, end_s): hits and extra notes of the estimate, missed notes of the reference.

    A note lasts until its sound is damped. The thin line in a hit is the reference's note: a wrong offset shows.
    A hit is within 50 cents and 50 ms of a reference note, each note counted once. That is a image and no score:
    the protocol of a task may say otherwise.
    """
    assert end_s > start_s
    found, right = _matched(reference, estimate)
    missed = _bars(reference, ~found, start_s, end_s)
    matched = _bars(reference, found, start_s, end_s)
    hits = _bars(estimate, right, start_s, end_s)
    extra = _bars(estimate, ~right, start_s, end_s)

    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):  # whatever the user's matplotlibrc says
        figure = Figure(_SIZE_INCHES, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        _draw_keyboard(axes, np.concatenate([missed, matched, hits, extra])[:, 2])
        _draw(axes, hits, 0.9, f"hit: {len(hits)}", facecolor=_HIT, edgecolor="white", linewidth=0.4)
        _draw(axes, missed, 0.75, f"missed: {len(missed)}", facecolor="white", edgecolor=_MISSED, linewidth=1.1)
        _draw(axes, extra, 0.9, f"extra: {len(extra)}", facecolor=_EXTRA, edgecolor="white", linewidth=0.4)
        first_s, last_s, pitch = matched.T
        axes.hlines(pitch, first_s, last_s, colors=_REFERENCE, linewidth=1.0, label="reference of a hit", zorder=3)
        axes.set_xlim(start_s, end_s)
        axes.set_xlabel("time (s)", loc="left")
        if len(title) > _TITLE_LENGTH:  # it would squeeze the plot
            title = f"{title[: _TITLE_LENGTH - 3]}..."
        axes.set_title(title, loc="left", fontsize="medium", parse_math=False)
        axes.legend(
            loc="upper right", bbox_to_anchor=(1.0, -0.05), ncols=4, frameon=False, borderaxespad=0.0,
            handlelength=1.6, columnspacing=1.4, fontsize="medium",
        )  # fmt: skip
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes (H, W, 3). InputError names the file."""
    from matplotlib.image import imsave

    content = BytesIO()
    imsave(content, image, format="png")
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise InputError(f"cannot write the image {path}: {error.strerror}.") from error


def _matched(reference: Notes, estimate: Notes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """-> which notes of each are in a pair of a largest matching."""
    found, right = np.zeros(len(reference), bool), np.zeros(len(estimate), bool)
    sides = [
        (np.stack([notes.onset_s, notes.pedalled_offset_s], axis=1), midi_to_hz(notes.pitch))
        for notes in (reference, estimate)
    ]
    for i, j in match_hits(note_hits(*sides[0], *sides[1], _ONSET_TOLERANCE_S, _PITCH_TOLERANCE_CENTS)):
        found[i] = right[j] = True
    return found, right


def _bars(notes: Notes, chosen: NDArray[np.bool_], start_s: float, end_s: float) -> Bars:
    """Those of the chosen notes that sound in [start_s, end_s)."""
    chosen = chosen & (notes.pedalled_offset_s > start_s) & (notes.onset_s < end_s)
    return np.stack([notes.onset_s, notes.pedalled_offset_s, notes.pitch], axis=1)[chosen]


def _draw(axes: "Axes", bars: Bars, height: float, label: str, **style: Any) -> None:
    from matplotlib.collections import PolyCollection

    start_s, end_s, pitch = bars.T
    low, high = pitch - height / 2, pitch + height / 2
    corners = np.stack([start_s, low, start_s, high, end_s, high, end_s, low], axis=1).reshape(-1, 4, 2)
    axes.add_collection(PolyCollection(list(corners), label=label, zorder=2, **style))


def _draw_keyboard(axes: "Axes", pitch: NDArray[np.float64]) -> None:
    """Rows for the black keys, a line and a label for each C."""
    lowest, highest = (round(pitch.min()), round(pitch.max())) if len(pitch) else (60, 72)
    spare = max(0, 23 - (highest - lowest)) // 2  # two octaves at least
    lowest, highest = lowest - 2 - spare, highest + 2 + spare
    axes.set_ylim(lowest - 0.5, highest + 0.5)
    for key in range(lowest, highest + 1):
        if key % 12 in _BLACK_KEYS:
            axes.axhspan(key - 0.5, key + 0.5, color="0.955", linewidth=0, zorder=0)
    octaves = [key for key in range(lowest, highest + 1) if key % 12 == 0]
    for key in octaves:
        axes.axhline(key - 0.5, color="0.75", linewidth=0.7, zorder=1)
    axes.set_yticks(octaves, [f"C{key // 12 - 1}" for key in octaves])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
