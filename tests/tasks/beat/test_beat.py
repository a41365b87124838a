"""Beats and downbeats: mir_eval's numbers, targets, losses, both decoders, the files they come from."""

import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import make_task, option
from ricercar.data.annotations.beats import Beats
from ricercar.data.sources.index import read_index
from ricercar.errors import InputError
from ricercar.tasks.beat import Beat
from ricercar.tasks.beat.baselines import autocorrelation, grid
from ricercar.tasks.beat.decoding import counted, exact_times, nearby_peaks, peaks, timed
from ricercar.tasks.beat.scoring import NAMES
from ricercar.tasks.beat.targets import BeatLoss, BeatTargets
from ricercar.tasks.beat.tracking import Tracker
from ricercar.tasks.scoring import Clip

FPS = 50.0


def make(**changes: Any) -> Beat:
    """The task with options changed: make(protocol={"skip_s": 0.0})."""
    config = OmegaConf.merge(option("task", "beat"), changes)
    options = OmegaConf.to_container(config)
    assert isinstance(options, dict)
    return Beat(**{str(name): value for name, value in options.items() if name != "_target_"})


def random_beats(random: np.random.Generator, duration_s: float = 30.0) -> Beats:
    interval_s = random.uniform(0.3, 0.8) * np.exp(random.normal(0, 0.05, int(4 * duration_s)))
    time_s = random.uniform(0, 1) + np.cumsum(interval_s)
    time_s = np.round(time_s[time_s < duration_s], 6)
    return Beats.make(time_s, np.arange(len(time_s)) % 3 + 1)


def disturbed(beats: Beats, random: np.random.Generator) -> Beats:
    """Some beats left out, all of them shaken, or at twice or half the tempo."""
    kept = random.random(len(beats)) > random.choice([0.0, 0.1, 0.5])
    time_s = beats.time_s[kept]
    if random.random() < 0.3:
        time_s = time_s[::2]
    time_s = np.unique(np.round(np.abs(time_s + random.normal(0, random.choice([0.01, 0.05, 0.2]), len(time_s))), 6))
    return Beats.make(time_s, random.integers(1, 4, len(time_s)))


# --- scores ---


def mir_eval_scores(reference_s: NDArray[np.float64], estimate_s: NDArray[np.float64]) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = mir_eval.beat.evaluate(reference_s, estimate_s)
    return {name.replace(" ", "_"): float(value) for name, value in scores.items()}


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = random_beats(random)
    estimate = disturbed(reference, random)
    scores = make().score(reference, estimate)
    expected = {f"beat/{k}": v for k, v in mir_eval_scores(reference.time_s, estimate.time_s).items()}
    expected |= {f"downbeat/{k}": v for k, v in mir_eval_scores(reference.downbeat_s, estimate.downbeat_s).items()}
    assert scores == expected


def test_scores_by_hand() -> None:
    """Of four beats two are within 70 ms, and there is one too many; of the downbeats one of two is found."""
    reference = Beats.make([5.0, 6.0, 7.0, 8.0], [1, 2, 1, 2])
    estimate = Beats.make([1.0, 5.06, 6.08, 6.95, 7.5, 8.5], [1, 1, 2, 2, 1, 2])
    scores = make().score(reference, estimate)
    precision, recall = 2 / 5, 2 / 4
    assert scores["beat/F-measure"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert scores["downbeat/F-measure"] == pytest.approx(1 / 2)
    gaussian = np.exp(-(np.array([0.06, 0.08, 0.05, 0.5]) ** 2) / (2 * 0.04**2)).sum()
    assert scores["beat/Cemgil"] == pytest.approx(gaussian / ((4 + 5) / 2))


@pytest.mark.parametrize(
    ("skip_s", "tolerance_s", "expected"), [(5.0, 0.07, 1.0), (0.0, 0.07, 0.5), (0.0, 0.11, 1.0), (5.0, 0.01, 0.0)]
)
def test_protocol_moves_the_score(skip_s: float, tolerance_s: float, expected: float) -> None:
    task = make(protocol={"skip_s": skip_s, "f_tolerance_s": tolerance_s})
    scores = task.score(Beats.make([1.0, 6.0]), Beats.make([1.1, 6.05]))
    assert scores["beat/F-measure"] == expected


@pytest.mark.parametrize(("empty", "expected"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", math.nan)])
@pytest.mark.parametrize("times", [[], [1.0, 2.0]])
def test_both_sides_empty(times: list[float], empty: str, expected: float) -> None:
    """Also where all beats are within the first five seconds."""
    scores = make(protocol={"empty": empty}).score(Beats.make(times, 1), Beats.make([0.5, 1.5][: len(times)], 1))
    beats = [scores[f"beat/{name}"] for name in NAMES]
    np.testing.assert_array_equal(beats, [expected] * len(NAMES))


@pytest.mark.parametrize("num_reference", [0, 1, 2, 3])
@pytest.mark.parametrize("num_estimate", [0, 1, 2, 3])
@pytest.mark.parametrize("empty", ["mir_eval", "one"])
def test_few_beats_have_a_score(num_reference: int, num_estimate: int, empty: str) -> None:
    sides = [Beats.make(6.0 + np.arange(n), 1) for n in (num_reference, num_estimate)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make(protocol={"empty": empty}).score(sides[0], sides[1])
    assert all(0 <= value <= 1 for value in scores.values() if not math.isnan(value))
    if bool(num_reference) != bool(num_estimate):
        assert scores["beat/F-measure"] == 0.0


def test_reference_beats_that_fall_together_for_the_p_score() -> None:
    assert make().score(Beats.make([6.001, 6.002]), Beats.make([5.9, 7.0]))["beat/P-score"] == 0.0


def test_downbeats_are_not_scored_without_positions() -> None:
    scores = make().score(Beats.make([6.0, 7.0]), Beats.make([6.0, 7.0], [1, 2]))
    assert scores["beat/F-measure"] == 1.0
    assert all(math.isnan(scores[f"downbeat/{name}"]) for name in NAMES)


@pytest.mark.parametrize(("unknown", "expected"), [("leave_out", 1.0), ("count", 2 * 0.5 / 1.5)])
def test_downbeats_where_positions_are_unknown(unknown: str, expected: float) -> None:
    """Two right downbeats, and two in an upbeat that the annotation does not count."""
    reference = Beats.make([6.0, 7.0, 8.0, 9.0, 10.0, 11.0], [0, 0, 1, 2, 1, 2])
    estimate = Beats.make([6.0, 7.4, 8.0, 10.0], 1)
    scores = make(protocol={"unknown_positions": unknown}).score(reference, estimate)
    assert scores["downbeat/F-measure"] == pytest.approx(expected)


def test_beats_beyond_what_mir_eval_takes() -> None:
    with pytest.raises(InputError, match="30001 s"):
        make().score(Beats.make([30001.0]), Beats.make([]))


# --- targets and losses ---


def test_triangle_by_hand() -> None:
    """A beat at frame 3.25, half width 2.5 frames."""
    target = BeatTargets(kind="triangle", half_width_frames=2.5)(np.array([1.065]), 1.0, 8, FPS)
    expected = [0, 1 - 2.25 / 2.5, 1 - 1.25 / 2.5, 1 - 0.25 / 2.5, 1 - 0.75 / 2.5, 1 - 1.75 / 2.5, 0, 0]
    np.testing.assert_allclose(target[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("width", "ones"), [(0, [3]), (1, [2, 3, 4]), (2, [1, 2, 3, 4, 5])])
def test_binary_targets(width: int, ones: list[int]) -> None:
    target = BeatTargets(kind="binary", half_width_frames=width)(np.array([1.065]), 1.0, 8, FPS)
    assert np.flatnonzero(target[:, 0]).tolist() == ones


def test_downbeats_near_beats_of_unknown_position_are_not_learned() -> None:
    """Positions 0, 1, 2, 0 at frames 10.5, 20.5, 30.5, 40.5: unknown to frame 15 and from frame 36 on."""
    targets = make().encode(Beats.make([0.21, 0.41, 0.61, 0.81], [0, 1, 2, 0]), 0.0, 50, FPS)
    assert not np.isnan(targets["beat"]).any()
    unknown = np.isnan(targets["downbeat"][:, 0])
    assert np.flatnonzero(~unknown).tolist() == list(range(16, 36))
    assert np.flatnonzero(targets["downbeat"] > 0.5).tolist() == [20, 21]


def test_unknown_frames_have_no_loss_and_no_gradient() -> None:
    task = make()
    targets = {name: torch.from_numpy(x)[None] for name, x in task.encode(Beats.make([0.2]), 0.0, 50, FPS).items()}
    logits = {name: torch.randn(1, 50, 1, requires_grad=True) for name in targets}
    losses = task.loss(logits, targets, torch.ones(1, 50, dtype=torch.bool))
    torch.autograd.backward(sum(losses.values(), torch.zeros(())))
    assert losses["downbeat"] == 0.0
    assert losses["beat"] > 0.0
    assert logits["downbeat"].grad is not None
    assert not logits["downbeat"].grad.any()


def test_cross_entropy_by_hand() -> None:
    loss = BeatLoss(kind="cross_entropy", tolerance_frames=0, least_at_beat=1.0)
    logits = torch.tensor([[0.0, 2.0, -1.0, 5.0]])[..., None]
    targets = torch.tensor([[1.0, 0.5, 0.0, math.nan]])[..., None]
    p = [0.5, 1 / (1 + math.exp(-2)), 1 / (1 + math.e)]
    each = [-3 * math.log(p[0]), -3 * 0.5 * math.log(p[1]) - 0.5 * math.log(1 - p[1]), -math.log(1 - p[2])]
    got = loss(logits, targets, torch.ones(1, 4, dtype=torch.bool), 3.0)
    assert float(got) == pytest.approx(sum(each) / 3)


def test_shift_tolerant_loss_by_hand() -> None:
    """One beat at frame 6, tolerance 1: frames 4, 5, 7 and 8 do not count; the others see their highest neighbour."""
    loss = BeatLoss(kind="shift_tolerant", tolerance_frames=1, least_at_beat=1.0)
    logits = torch.full((1, 12, 1), -20.0)
    logits[0, 7] = 3.0  # a frame late
    logits[0, 1] = 1.0  # wrong: seen from frames 0, 1 and 2
    targets = torch.zeros(1, 12, 1)
    targets[0, 6] = 1.0
    wrong = -math.log(1 - 1 / (1 + math.exp(-1)))
    right = -math.log(1 / (1 + math.exp(-3)))
    got = loss(logits, targets, torch.ones(1, 12, dtype=torch.bool), 1.0)
    assert float(got) == pytest.approx((3 * wrong + right) / 8, abs=1e-6)


@pytest.mark.parametrize("targets", ["triangle", "binary"])
def test_shift_tolerant_loss_forgives_a_shift(targets: str) -> None:
    task = make(targets=targets, loss="shift_tolerant", tolerance_frames=3)
    valid = torch.ones(1, 200, dtype=torch.bool)
    labels = {
        name: torch.from_numpy(x)[None]
        for name, x in task.encode(Beats.make([1.0, 2.01, 3.0], 1), 0.0, 200, FPS).items()
    }

    def loss(shift: int) -> float:
        logits = {name: 40.0 * (x.roll(shift, 1) > 0.79) - 20.0 for name, x in labels.items()}
        return float(task.loss(logits, labels, valid)["beat"])

    assert loss(0) < 1e-3
    assert loss(2) < 1e-3
    assert loss(10) > 0.5


# --- decoding ---


def test_peaks_by_hand() -> None:
    values = np.array([0, 1, 0, 0, 0, 2, 2, 0, 1.5, 0, 0, 0, 3.0])
    assert peaks(values, 1).tolist() == [1, 5, 8, 12]
    assert peaks(values, 3).tolist() == [1, 5, 12]
    assert peaks(np.zeros(9), 2).tolist() == []
    assert peaks(np.array([3.0, 1, 0, 0]), 2).tolist() == [0]


@pytest.mark.parametrize("time", [5.0, 5.25, 5.5, 5.75])
def test_exact_time_of_a_triangle(time: float) -> None:
    height = np.maximum(1 - np.abs(np.arange(12) - time) / 2.5, 1e-9)
    logits = np.log(height / (1 - height + 1e-12))
    found = peaks(logits, 3)
    np.testing.assert_allclose(exact_times(logits, found), [time], atol=1e-6)
    np.testing.assert_allclose(exact_times(logits, nearby_peaks(logits, found + 1, 2)), [time], atol=1e-6)


def test_no_peak_is_looked_up_where_there_is_none() -> None:
    rising, frames = np.arange(20.0), np.array([5, 12])
    assert nearby_peaks(rising, frames, 2).tolist() == [5, 12]
    assert nearby_peaks(np.zeros(20), frames, 2).tolist() == [5, 12]


def test_beats_are_counted_from_the_last_downbeat() -> None:
    downbeat = np.array([0, 0, 1, 0, 0, 1, 0], dtype=bool)
    assert counted(downbeat).tolist() == [0, 0, 1, 2, 3, 1, 2]


def test_beats_moved_before_the_start_fall_together() -> None:
    beats = timed(np.array([1.0, 3.0, 50.0]), np.array([1, 2, 1]), FPS, -0.1)
    assert beats.time_s.tolist() == [0.0, 0.9]
    assert beats.position.tolist() == [2, 1]


def activations(
    num_frames: int, beats: dict[int, float], downbeats: dict[int, float] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Logits of activations of 0.02 but at some frames."""
    arrays = {}
    for name, given in (("beat", beats), ("downbeat", downbeats or {})):
        values = np.full((num_frames, 1), 0.02)
        values[list(given), 0] = list(given.values())
        arrays[name] = np.log(values / (1 - values)).astype(np.float32)
    return arrays


def frames_of(beats: Beats) -> list[int]:
    frames: list[int] = np.rint(beats.time_s * FPS).astype(int).tolist()
    return frames


def test_peaks_decoder_by_hand() -> None:
    task = make(decoder="peaks", decoding={"threshold": 0.3, "downbeat_threshold": 0.5})
    logits = activations(200, {20: 0.9, 45: 0.29, 47: 0.31, 80: 0.8, 120: 0.5}, {21: 0.6, 60: 0.9, 80: 0.4, 118: 0.7})
    beats = task.decode(logits, FPS)
    assert frames_of(beats) == [20, 47, 80, 120]
    assert beats.position.tolist() == [1, 2, 3, 1]  # frame 60 is near no beat, frame 80 below the threshold


def test_tracking_goes_on_where_a_beat_is_missing_and_ignores_others() -> None:
    regular = {frame: 0.9 for frame in range(20, 520, 25) if frame not in (145, 295, 320)}
    downbeats = dict.fromkeys(range(20, 520, 75), 0.8)
    beats = make().decode(activations(540, {**regular, 157: 0.5, 259: 0.4, 400: 0.5}, downbeats), FPS)
    np.testing.assert_allclose(frames_of(beats), range(20, 520, 25), atol=1)
    assert beats.position.tolist() == (np.arange(20) % 3 + 1).tolist()


def test_tracking_follows_a_sudden_tempo() -> None:
    frames = [*range(20, 320, 30), *range(320, 620, 20)]
    beats = make().decode(activations(630, dict.fromkeys(frames, 0.95), dict.fromkeys(frames[::4], 0.9)), FPS)
    assert frames_of(beats) == frames


def test_tracking_pauses_where_there_is_nothing() -> None:
    frames = [*range(20, 320, 25), *range(1000, 1300, 25)]
    beats = make().decode(activations(1500, dict.fromkeys(frames, 0.95), dict.fromkeys(frames[::4], 0.9)), FPS)
    assert frames_of(beats) == frames


@pytest.mark.parametrize("beats_per_bar", [2, 3, 4])
def test_tracking_finds_the_bar(beats_per_bar: int) -> None:
    """Downbeats are weak, and some are missing."""
    frames = list(range(10, 910, 25))
    downbeats = dict.fromkeys([frame for frame in frames[1::beats_per_bar] if frame % 4], 0.6)
    beats = make().decode(activations(920, dict.fromkeys(frames, 0.9), downbeats), FPS)
    assert frames_of(Beats.make(beats.downbeat_s)) == frames[1::beats_per_bar]


def test_tracking_of_beats_alone() -> None:
    frames = list(range(10, 300, 25))
    beats = make(tracking={"beats_per_bar": [1]}).decode(activations(310, dict.fromkeys(frames, 0.9)), FPS)
    assert frames_of(beats) == frames
    assert not beats.position.any()


@pytest.mark.parametrize("fps", [25.0, 31.25, 100.0])
@pytest.mark.parametrize("decoder", ["tracking", "peaks"])
def test_other_frame_rates(decoder: str, fps: float) -> None:
    time_s = np.arange(0.4, 19.0, 0.51)
    beats = Beats.make(time_s, np.arange(len(time_s)) % 4 + 1)
    task = make(decoder=decoder, half_width_frames=2.0, neighbourhood_frames=1)
    targets = task.encode(beats, 0.0, int(20 * fps), fps)
    logits = {name: np.log((x + 1e-6) / (1 - x + 1e-6)) for name, x in targets.items()}
    scores = task.score(beats, task.decode(logits, fps))
    assert scores["beat/F-measure"] == scores["downbeat/F-measure"] == 1.0


# --- the tracker against every sequence of beats there is ---

INTERVALS = (2, 3, 4)
STATES = ((1, 1), (2, 1), (2, 2))  # (beats per bar, position)


def tracker() -> Tracker:
    return Tracker(
        shortest=2, longest=4, beats_per_bar=[1, 2], tempo_inertia=2.0, metre_change_cost=0.7, pause_cost=0.9
    )


def bar_cost(before: tuple[int, int], after: tuple[int, int]) -> float:
    if after[1] == 1 and before[0] == before[1]:
        return 0.0 if before[0] == after[0] else 0.7
    return 0.0 if after == (before[0], before[1] + 1) else math.inf


def continuations(
    evidence: NDArray[np.float32], frame: int, interval: int, state: tuple[int, int]
) -> Iterator[tuple[float, list[tuple[int, int]]]]:
    """(score, beats) of everything from a beat on."""
    own = float(evidence[frame, int(state[1] == 1)])
    beat = (frame, state[1])
    yield own, [beat]
    for following in range(frame + interval, len(evidence)):
        for after in STATES:
            for next_interval in INTERVALS:
                cost = 0.9 if following > frame + interval else min(0.9, 2.0 * abs(math.log(next_interval / interval)))
                cost += bar_cost(state, after)
                if cost < math.inf:
                    for score, beats in continuations(evidence, following, next_interval, after):
                        yield own - cost + score, [beat, *beats]


@pytest.mark.parametrize("seed", range(12))
def test_tracker_finds_the_best_of_all_sequences(seed: int) -> None:
    evidence = np.random.default_rng(seed).normal(-0.3, 1.5, (7, 2)).astype(np.float32)
    score, beats = max(
        ((0.0, []), *(
            each
            for frame in range(7)
            for interval in INTERVALS
            for state in STATES
            for each in continuations(evidence, frame, interval, state)
        )),
        key=lambda each: each[0],
    )  # fmt: skip
    frames, positions = tracker()(evidence)
    assert list(zip(frames.tolist(), positions.tolist(), strict=True)) == beats
    assert score >= 0.0


def test_tracker_of_nothing() -> None:
    frames, positions = tracker()(np.full((5, 2), -1.0, dtype=np.float32))
    assert len(frames) == len(positions) == 0
    assert len(tracker()(np.zeros((0, 2), dtype=np.float32))[0]) == 0


# --- tuning ---


def tuned(task: Beat, activation: float, late_frames: int) -> dict[str, float]:
    """On weak activations that come late."""
    frames = np.arange(20, 990, 25)
    found = dict.fromkeys((frames + late_frames).tolist(), activation)
    clutter = dict.fromkeys((frames + late_frames + 12).tolist(), 0.5 * activation)
    logits = activations(1000, {**found, **clutter}, dict.fromkeys((frames[::3] + late_frames).tolist(), activation))
    task.tune([(Beats.make(frames / FPS, np.arange(len(frames)) % 3 + 1), logits)], FPS)
    return task.decoding


@pytest.mark.parametrize("decoder", ["peaks", "tracking"])
@pytest.mark.parametrize(("activation", "late_frames"), [(0.1, 0), (0.98, 2), (0.15, -2)])
def test_tuning_finds_the_threshold_and_the_shift(decoder: str, activation: float, late_frames: int) -> None:
    decoding = tuned(make(decoder=decoder), activation, late_frames)
    assert decoding["shift_s"] == pytest.approx(-late_frames / FPS, abs=1e-5)
    low = 0.5 * activation if decoder == "peaks" else 0.0
    assert low <= decoding["threshold"] <= max(activation, 0.2)


def test_tuning_on_nothing_keeps_what_was_configured() -> None:
    task = make()
    before = dict(task.decoding)
    task.tune([(Beats.make([]), activations(100, {}))], FPS)
    assert task.decoding == before


# --- baselines ---


def clicks(bpm: float, start_s: float, duration_s: float = 20.0) -> Clip:
    audio = np.zeros(int(duration_s * 16000), dtype=np.float32)
    random = np.random.default_rng(0)
    for time_s in np.arange(start_s, duration_s - 0.1, 60 / bpm):
        first = int(time_s * 16000)
        audio[first : first + 800] += (random.normal(0, 0.3, 800) * np.exp(-np.arange(800) / 150)).astype(np.float32)
    return Clip("clicks", audio, 16000)


def test_grid_learns_tempo_and_bar() -> None:
    references = [Beats.make(np.arange(12) * 0.5, np.arange(12) % 3 + 1)] * 2
    beats = grid(references)(clicks(100, 0.0, 2.0))
    assert isinstance(beats, Beats)
    assert beats.time_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert beats.position.tolist() == [1, 2, 3, 1]


@pytest.mark.parametrize(("bpm", "start_s"), [(70, 0.33), (120, 0.1), (150, 0.2)])
def test_autocorrelation_finds_clicks(bpm: float, start_s: float) -> None:
    clip = clicks(bpm, start_s)
    reference = Beats.make(np.arange(start_s, 19.9, 60 / bpm))
    assert make().score(reference, autocorrelation([])(clip))["beat/F-measure"] > 0.95


# --- real annotations ---


def real(folder: str, number: int) -> list[Beats]:
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("RICERCAR_TEST_DATA names no folder with data")
    rows = [row for row in read_index(Path(root) / folder) if "beats" in row.cells]
    chosen = [row.annotations()["beats"] for row in rows[:: max(1, len(rows) // number)]][:number]
    return [beats for beats in chosen if isinstance(beats, Beats)]


@pytest.mark.parametrize(
    ("folder", "decoder", "least"),
    [
        ("maps", "tracking", 0.98),
        ("maps", "peaks", 0.999),
        ("pop", "tracking", 1.0),
        ("pop", "peaks", 1.0),
        ("pop909", "tracking", 1.0),
        ("asap", "tracking", 0.8),  # rubato
        ("asap", "peaks", 0.99),
    ],
)
def test_real_beats_are_decoded_from_their_targets(folder: str, decoder: str, least: float) -> None:
    task = make(decoder=decoder)

    def f_measure(beats: Beats) -> float:
        targets = task.encode(beats, 0.0, int(beats.time_s[-1] * FPS) + 100, FPS)
        known = {name: np.clip(np.nan_to_num(x), 1e-6, 1 - 1e-6) for name, x in targets.items()}
        estimate = task.decode({name: np.log(x / (1 - x)) for name, x in known.items()}, FPS)
        return task.score(beats, estimate)["beat/F-measure"]

    assert min(f_measure(beats) for beats in real(folder, 4)) >= least


# --- options and files ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decoder": "dbn"}, "task.decoder='dbn'"),
        ({"loss": "focal"}, "task.loss='focal'"),
        ({"targets": "gauss"}, "task.targets='gauss'"),
        ({"half_width_frames": 1.0}, "too narrow"),
        ({"neighbourhood_frames": 0}, "task.neighbourhood_frames=0"),
        ({"tracking": {"min_bpm": 400.0}}, "min_bpm=400.0 is above"),
        ({"tracking": {"beats_per_bar": [3, 3]}}, "different whole numbers"),
        ({"tracking": {"beats_per_bar": [0]}}, "beats_per_bar[0]=0"),
        ({"tracking": {"lambda": 100}}, "it must have exactly"),
        ({"decoding": {"threshold": 1.5}}, "task.decoding.threshold=1.5"),
        ({"decoding": {"min_s": 1.0}}, "task.decoding has"),
        ({"outputs": {"beat": {"prior": 0.0}}}, "task.outputs.beat.prior=0.0"),
        ({"outputs": {"bar": {"weight": 1}}}, "exactly beat, downbeat"),
        ({"protocol": {"empty": "two"}}, "task.protocol.empty='two'"),
        ({"protocol": {"information_gain_bins": 1}}, "information_gain_bins=1"),
        ({"protocol": {"p_threshold": 2.0}}, "p_threshold=2.0"),
    ],
)
def test_bad_options(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        make(**changes)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "position"),
    [
        ("a.beats", "0.5 1\n1.0 2\n", [1, 2]),
        ("a.txt", "0.5\n1.0\n", [0, 0]),
        ("a.txt", "0.500\t  4\r\n1.000\tNew Point\r\n", [4, 0]),
        ("a.txt", "0.5\t1\t7\n1.0\t2\t7\n", [1, 2]),
        ("a.csv", "0.5,1\n1.0,2\n", [1, 2]),
        ("a.csv", "0.5\n1.0\n", [0, 0]),
    ],
)
def test_layouts_of_beat_files(file: str, content: str, position: list[int], tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(content)
    beats = Beats.read(path)
    assert beats.time_s.tolist() == [0.5, 1.0]
    assert beats.position.tolist() == position


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("0.5 1\n2.0 2\n1.0 3\n", 3, "beat 1 s is not after the one before it, 2 s"),
        ("0.5 1\n\n0.6\n", 3, "time position, as in the first row"),
        ("0.5 1 1\n0.6 2 x\n", 2, "bar 'x' is not a number"),
        ("0.5 1 1 1\n", 1, "time [position [bar]]"),
        ("-1 1\n", 1, "beat -1.0 s"),
    ],
)
def test_errors_in_beat_files(content: str, line: int, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        Beats.read(path)
    assert f"{path}, line {line}: " in str(error.value)
    assert words in str(error.value)


def test_mir_eval_reads_what_is_written(tmp_path: Path) -> None:
    beats = random_beats(np.random.default_rng(0))
    Beats.make(beats.time_s).write(tmp_path / "a.beats")
    assert mir_eval.io.load_events(str(tmp_path / "a.beats")).tolist() == beats.time_s.tolist()


def test_configured_task_is_this_one() -> None:
    assert type(make_task("beat")) is Beat
