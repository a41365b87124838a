"""Made-up content of the leaderboard's page, of any size, in the shape that comparison/page/payload.py makes."""

import base64
import io
from typing import Any

import numpy as np
import soundfile
from PIL import Image

METRICS = ["transcription/F-measure_no_offset", "transcription/F-measure", "multipitch/F-measure"]
EXCERPT_S = 6.0


def make_content(
    num_systems: int = 6, num_tracks: int = 14, *, names: list[str] | None = None, **changes: Any
) -> dict[str, Any]:
    """A page of one board; `changes` of any field of the page."""
    content = {
        "title": "Leaderboard",
        "num_results": num_systems * 2,
        "problems": [],
        "boards": [make_board(num_systems, num_tracks, names=names)],
        "average_ranks": None,
    }
    return content | changes


def make_board(
    num_systems: int = 6, num_tracks: int = 14, *, names: list[str] | None = None, **changes: Any
) -> dict[str, Any]:
    """Best system first. `changes` of any field of the board."""
    rng = np.random.default_rng(0)
    level = np.sort(rng.uniform(0.3, 0.85, num_systems))[::-1]
    hardness = rng.normal(0, 0.12, num_tracks)
    scores = np.clip(level[:, None] + hardness + rng.normal(0, 0.05, (num_systems, num_tracks)), 0, 1)
    frontends, backbones = ["stft", "mel", "cqt", "hcqt"], ["dense", "cnn", "lstm", "transformer", "mlp_mixer", "crnn"]
    names = names or [
        f"{frontends[i % 4]} {backbones[i % 6]}" + (f", lr {0.001 * (i // 12 + 1):g}" if i >= 12 else "")
        for i in range(num_systems)
    ]
    systems = [_system(i, names[i], scores[i], scores[0]) for i in range(num_systems)]
    upper = [np.arange(i + 1, num_systems) for i in range(num_systems)]
    mean = scores.mean(axis=1)
    pairs = {
        "difference": [_plain(mean[i] - mean[j]) for i, j in enumerate(upper)],
        "low": [_plain(mean[i] - mean[j] - 0.04) for i, j in enumerate(upper)],
        "high": [_plain(mean[i] - mean[j] + 0.04) for i, j in enumerate(upper)],
        "p": [_plain(np.exp(-60 * np.abs(mean[i] - mean[j]))) for i, j in enumerate(upper)],
    }
    board = {
        "id": "notes-maps-test-1a2b3c",
        "title": "notes on maps, test",
        "short": "notes · maps",
        "fingerprint": "5f0c9d2a77b1e3c4",
        "protocol_id": "0a1b2c3d4e5f6789",
        "protocol_name": None,
        "protocol": {"onset_tolerance_s": 0.05, "offset_ratio": 0.2, "pedal": "extend", "averaging": "tracks"},
        "primary": METRICS[0],
        "metrics": METRICS,
        "better": dict.fromkeys(METRICS, "higher"),
        "apart": "other data than notes on synth: 14 recordings of MAPS against 16 composed pieces.",
        "notes": ["mel cnn: run 0011223344556677 was scored twice, with equal scores; it counts once."],
        "method": "95 % intervals, over works and seeds.",
        "range": "95 % interval",
        "statement": "Not told apart from the best: mel cnn.",
        "tracks": [[f"MAPS_MUS-piece_{i:03d}_ENSTDkCl", f"work {i // 2}", 20.0 + i] for i in range(num_tracks)],
        "systems": systems,
        "scores": {METRICS[0]: [_plain(row) for row in scores]},
        "pairs": pairs if num_systems > 1 else None,
        "no_pairs": "There is one system.",
        "detectable": 0.031,
        "ranks": {
            "svg": "",
            "why_not": "Ranks over the works are drawn where systems can be compared.",
            "num_blocks": 7,
        },
        "excerpts": {},
        "with_sound": [],
        "with_estimates": [],
        "no_excerpts": "There is no sound of this track on the page.",
        "published": [],
        "audit": None,
    }
    return board | changes


def as_error(content: dict[str, Any]) -> dict[str, Any]:
    """The same page of an error, of which lower is better: all scores are 1 minus what they were."""
    (board,) = content["boards"]
    systems = []
    for system in board["systems"]:
        metrics = {name: [1 - mean, 1 - high, 1 - low] for name, (mean, low, high) in system["metrics"].items()}
        of = system["difference"]
        systems.append(system | {"metrics": metrics, "difference": of and [-of[0], -of[2], -of[1]]})
    pairs = {
        "difference": [[-x for x in row] for row in board["pairs"]["difference"]],
        "low": [[-x for x in row] for row in board["pairs"]["high"]],
        "high": [[-x for x in row] for row in board["pairs"]["low"]],
        "p": board["pairs"]["p"],
    }
    scores = {name: [[1 - x for x in row] for row in rows] for name, rows in board["scores"].items()}
    better = dict.fromkeys(board["better"], "lower")
    return content | {"boards": [board | {"systems": systems, "pairs": pairs, "scores": scores, "better": better}]}


def make_excerpt(
    kind: str = "notes", *, keys: tuple[str, ...] = ("key0", "key1"), sound: bool = True
) -> dict[str, Any]:
    """Six seconds of a scale from 30 s on: every system misses a note and takes one an octave too high."""
    kinds = ["right", "right", "offset", "right", "octave", "missed", "right", "spurious"]
    labels = {"notes": "", "events": "", "intervals": "C:maj", "melody": "", "track": "piano"}
    reference, estimates = [], []
    for i, mark in enumerate(kinds):
        start_s, pitch = 30.2 + 0.7 * i, 60 + 2 * i
        end_s = start_s + (0.0 if kind == "events" else 0.6)
        if mark != "spurious":
            reference.append(_mark(start_s, end_s, "reference", pitch, labels[kind]))
        shift = 12 if mark == "octave" else 0
        estimates.append(_mark(start_s, end_s, mark, pitch + shift, labels[kind]))
    return {
        "id": "track",
        "start_s": 30.0,
        "end_s": 30.0 + EXCERPT_S,
        "audio": _audio() if sound else None,
        "spectrogram": _spectrogram() if sound else None,
        "pitch_low": 21.0,
        "pitch_high": 119.0,
        "kind": kind,
        "reference": reference,
        "estimates": {key: estimates if i == 0 else estimates[:-1] for i, key in enumerate(keys)},
        "missing": "" if sound else "The recordings of this data set are not here.",
    }


def _system(i: int, name: str, scores: np.ndarray, best: np.ndarray) -> dict[str, Any]:
    mean, difference = float(scores.mean()), float(scores.mean() - best.mean())
    p = float(np.exp(60 * difference))
    return {
        "key": f"key{i}",
        "name": name,
        "rank": i + 1,
        "metrics": {
            metric: [mean - 0.2 * k, mean - 0.2 * k - 0.04, mean - 0.2 * k + 0.04] for k, metric in enumerate(METRICS)
        },
        "seeds": 2,
        "tracks": len(scores),
        "trials": 8 if i % 2 else None,
        "expected_best": [0.5, 0.55, 0.58] if i % 2 else [],
        "looks": 1,
        "training": "3 works" if i == 2 else "no",
        "warning": "3 works of this split were in its training data" if i == 2 else "",
        "difference": None if i == 0 else [difference, difference - 0.04, difference + 0.04, p],
        "verdict": "best" if i == 0 else "not told apart" if p >= 0.05 else "told apart",
        "cost": {
            "params": 1_000_000 - 7_000 * (i % 50),
            "macs_per_second_of_audio": 5e7 * (1 + (i * 7) % 11),
            "train_s": 60.0 * (1 + i % 9),
            "real_time_factor": 0.01,
            "peak_memory_bytes": 2**30,
        },
        "choices": {"task": "notes", "data": "maps", "frontend": "mel", "backbone": "cnn"},
        "paper": None,
        "reproducible": True,
        "runs": [
            {
                "run_id": f"{i:08x}{seed:08x}",
                "seed": seed,
                "score": mean + 0.01 * (seed - 0.5),
                "path": f"runs/{i}/{seed}",
            }
            for seed in range(2)
        ],
    }


def _mark(start_s: float, end_s: float, kind: str, pitch: float, label: str) -> list[Any]:
    return [start_s, end_s, kind, pitch, label]


def _audio() -> str:
    time_s = np.arange(int(EXCERPT_S * 22050)) / 22050
    file = io.BytesIO()
    soundfile.write(file, 0.2 * np.sin(2 * np.pi * 440 * time_s * (1 + time_s / 20)), 22050, format="MP3")
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _spectrogram() -> str:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (294, 300)).astype(np.uint8)
    for i in range(8):
        row = 293 - int((60 + 2 * i - 21) * 3)
        for harmonic in (0, 36, 57, 72):
            first = int((0.2 + 0.7 * i) * 50)
            image[row - harmonic - 1 : row - harmonic + 2, first : first + 30] = 230 - harmonic
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
