"""Metrics beside mir_eval's: the same results, which every run asserts, in CPU time and peak memory.

    python bench/metrics.py [--quick]

Notes are as of a piano: 11 a second, chords, durations of some tenths of a second; of the estimate 85 % are the
reference's, 15 ms early or late, and a tenth is wrong. Trills repeat one pitch so fast that each estimate is near two
notes. --quick leaves out 10,000 notes by mir_eval, which take it 7 s and 3 GB, and takes a minute of pitches.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray
from rows import Row, Spread, interleaved, text

from ricercar.metrics import beat, multipitch, transcription, util

Floats = NDArray[np.float64]
Sides = tuple[Any, ...]

SIZES = (500, 3_000, 10_000)
TARGETS = {3_000: 30.0, 10_000: 80.0}
REPEATS = {500: 15, 3_000: 5, 10_000: 1}
GROWTH = (500, 1_000, 3_000, 10_000, 30_000)
NOTES_PER_S = 11.0
FPS = 100


def piano(num_notes: int) -> Sides:
    random = np.random.default_rng(0)

    def notes(number: int) -> tuple[Floats, Floats, Floats]:
        onset_s = np.sort(random.uniform(0, num_notes / NOTES_PER_S, number))
        onset_s[1::3] = onset_s[:-1:3]  # chords
        pitch = np.clip(np.rint(random.normal(62, 12, number)), 21, 108)
        return onset_s, random.exponential(0.4, number) + 0.03, pitch

    onset_s, duration_s, pitch = notes(num_notes)
    ref = np.stack([onset_s, onset_s + duration_s], axis=1)
    kept = random.random(num_notes) < 0.85
    late_s = random.normal(0, 0.015, num_notes)
    factor = random.uniform(0.8, 1.3, num_notes)
    wrong = notes(num_notes // 10)
    est_onset_s, est_duration_s, est_pitch = (
        np.concatenate([right[kept], other])
        for right, other in zip((np.abs(onset_s + late_s), duration_s * factor, pitch), wrong, strict=True)
    )
    est = np.stack([est_onset_s, est_onset_s + est_duration_s], axis=1)
    order = np.argsort(est_onset_s)
    return ref, mir_eval.util.midi_to_hz(pitch), est[order], mir_eval.util.midi_to_hz(est_pitch[order])


def trill(num_notes: int) -> Sides:
    """The last estimate is near the first note only: all have to move up."""
    onset_s = 1 + np.arange(num_notes) * 0.06
    ref = np.stack([onset_s, onset_s + 0.05], axis=1)
    est = np.concatenate([ref[:-1] + 0.03, ref[:1] - 0.03])
    hz = np.full(num_notes, 440.0)
    return ref, hz, est, hz


def pitches(num_frames: int) -> Sides:
    """Up to six at a time, which change every 0.1 s; the estimate's are a few cents off, some missing, some wrong."""
    random = np.random.default_rng(0)
    ref, est = [], []
    for frame in range(num_frames):
        if frame % 10 == 0:
            midi = np.sort(random.choice(np.arange(36, 90), random.integers(0, 7), replace=False)).astype(np.float64)
        kept = midi[random.random(len(midi)) < 0.85]
        found = [kept + random.normal(0, 0.1, len(kept)), random.uniform(36, 90, random.poisson(0.4))]
        ref.append(mir_eval.util.midi_to_hz(midi))
        est.append(mir_eval.util.midi_to_hz(np.concatenate(found)))
    time_s = np.arange(num_frames) / FPS
    return time_s, ref, time_s, est


def beats() -> Sides:
    """Five minutes at 120 beats a minute."""
    random = np.random.default_rng(0)
    ref = 5 + np.cumsum(random.normal(0.5, 0.01, 600))
    return ref, np.sort(ref + random.normal(0, 0.03, 600))


def compared(
    work: str,
    ours: Callable[..., Any],
    theirs: Callable[..., Any] | None,
    sides: Sides,
    repeats: int,
    target: float | None = None,
) -> Row:
    """CPU time, and the same results."""
    results: dict[str, Any] = {}

    def run(who: str, compute: Callable[..., Any]) -> Callable[[], None]:
        return lambda: results.update({who: compute(*sides)})

    peers = {} if theirs is None else {"mir_eval": theirs}
    works = {who: run(who, compute) for who, compute in {"ricercar": ours, **peers}.items()}
    figures = interleaved(works, repeats, clock=time.process_time)
    assert all(result == results["ricercar"] for result in results.values()), work
    return Row("metrics", work, "ms", figures, {} if target is None else {"mir_eval": target})


def peak_mb(compute: Callable[..., Any], sides: Sides) -> Spread:
    tracemalloc.start()
    compute(*sides)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return Spread.of([peak])


def note_rows(sizes: tuple[int, ...]) -> list[Row]:
    rows = []
    for name in ("precision_recall_f1_overlap", "evaluate"):
        ours, theirs = getattr(transcription, name), getattr(mir_eval.transcription, name)
        for size in sizes:
            work = f"notes: {name}, {size:,} notes"
            rows.append(compared(work, ours, theirs, piano(size), REPEATS[size], TARGETS.get(size)))
        rows.append(compared(f"notes: {name}, trill of 500", ours, theirs, trill(500), REPEATS[500]))
        rows.append(compared(f"notes: {name}, trill of 10,000 (mir_eval fails)", ours, None, trill(10_000), 5))
    return rows


def memory_rows(sizes: tuple[int, ...]) -> list[Row]:
    rows = []
    for size in sizes:
        sides = piano(size)
        figures = {
            "ricercar": peak_mb(transcription.evaluate, sides),
            "mir_eval": peak_mb(mir_eval.transcription.evaluate, sides),
        }
        rows.append(Row("metrics", f"notes: peak of evaluate, {size:,} notes", "MB", figures, at_most=10.0))
    return rows


def growth_rows() -> list[Row]:
    rows = []
    for size in GROWTH:
        row = compared("", transcription.evaluate, None, piano(size), 5)
        figures = {"ricercar": row.figures["ricercar"].per(size).per(0.001)}
        rows.append(Row("metrics", f"notes: evaluate per note, {size:,} notes", "us", figures))
    return rows


def measure(quick: bool) -> list[Row]:
    sizes = SIZES[:2] if quick else SIZES
    minutes, repeats = (1, 1) if quick else (5, 3)
    onsets = piano(10_000)[0][:, 0], piano(10_000)[2][:, 0], 0.05
    frames = pitches(minutes * 60 * FPS)
    return [
        *note_rows(sizes),
        *memory_rows(sizes[-1:]),
        *growth_rows(),
        compared(
            f"multipitch: evaluate, {minutes} min at {FPS} fps",
            multipitch.evaluate,
            mir_eval.multipitch.evaluate,
            frames,
            repeats,
            target=6.0,
        ),
        compared("beat: p_score, 5 min", beat.p_score, mir_eval.beat.p_score, beats(), repeats, target=100.0),
        compared("beat: evaluate, 5 min", beat.evaluate, mir_eval.beat.evaluate, beats(), repeats),
        compared("util: match_events, 10,000 onsets", util.match_events, mir_eval.util.match_events, onsets, 5),
    ]


if __name__ == "__main__":
    print(text(measure(quick="--quick" in sys.argv[1:])))
