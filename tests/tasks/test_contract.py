"""What every task of conf/task keeps to."""

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from configs import make_task, trained_tasks
from ricercar.data.annotations.annotation import Annotation
from ricercar.tasks.scoring import Clip
from ricercar.tasks.task import Task

FPS = 50.0
NUM_FRAMES = 500


# What a task is about: `example` of tests/examples/<task>.py gives ten seconds of it.
Example = Callable[[np.random.Generator], Annotation]


@pytest.fixture(params=trained_tasks())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def example(name: str) -> Example:
    found: Example = import_module(f"examples.{name}").example
    return found


@pytest.fixture
def task(name: str, example: Example) -> Task:
    made: Task = make_task(name)
    made.fit([example(np.random.default_rng(seed)) for seed in range(3)])
    return made


@pytest.fixture(params=[0, 1, 2])
def annotation(request: pytest.FixtureRequest, example: Example) -> Annotation:
    return example(np.random.default_rng(request.param))


@pytest.fixture
def reference(example: Example) -> Annotation:
    """One, where what is tested does not depend on which."""
    return example(np.random.default_rng(0))


def as_logits(targets: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """What a perfect network gives."""
    clipped = {name: np.clip(values.astype(np.float64), 1e-6, 1 - 1e-6) for name, values in targets.items()}
    return {name: np.log(values / (1 - values)).astype(np.float32) for name, values in clipped.items()}


def rank(task: Task, scores: Mapping[str, float]) -> float:
    """The primary metric; where it is one of all tracks together, the first that a track has."""
    return scores.get(task.primary, next(iter(scores.values())))


def filled(task: Task, num_frames: int, value: float) -> dict[str, NDArray[np.float32]]:
    return {
        name: np.full((output.size,) if output.clip_level else (num_frames, output.size), value, dtype=np.float32)
        for name, output in task.outputs.items()
    }


def batched(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values)[None] for name, values in arrays.items()}


def total(task: Task, logits: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
    valid = torch.ones(1, NUM_FRAMES, dtype=torch.bool)
    return sum(task.loss(logits, targets, valid).values(), torch.zeros(()))


def test_outputs_are_sane(task: Task) -> None:
    assert task.outputs
    for output in task.outputs.values():
        assert output.size >= 1
        assert output.prior is None or 0 < output.prior < 1
        assert output.lowest_pitch is None or 0 <= output.lowest_pitch <= 128 - output.size
    assert task.protocol["averaging"] in ("tracks", "works")
    assert all(isinstance(value, float) for value in task.decoding.values())


def test_targets_have_the_shapes_of_the_outputs(task: Task, annotation: Annotation) -> None:
    targets = task.encode(annotation, 0.0, NUM_FRAMES, FPS)
    expected = {name: values.shape for name, values in filled(task, NUM_FRAMES, 0.0).items()}
    assert {name: values.shape for name, values in targets.items()} == expected
    assert list(targets) == list(task.outputs)
    assert all(values.dtype == np.float32 for values in targets.values())
    assert all(0 <= values.min() <= values.max() <= 1 for values in targets.values())


def test_perfect_network_scores_one(task: Task, annotation: Annotation) -> None:
    estimate = task.decode(as_logits(task.encode(annotation, 0.0, NUM_FRAMES, FPS)), FPS)
    assert isinstance(estimate, task.annotation)
    assert rank(task, task.score(annotation, estimate)) == pytest.approx(1.0)
    assert rank(task, task.score(annotation, annotation)) == pytest.approx(1.0)


def test_nothing_is_better_than_the_reference_itself(task: Task, example: Example) -> None:
    """By each metric's own direction, of a track and of all tracks together; and all scores are within bounds."""
    references = [example(np.random.default_rng(seed)) for seed in range(4)]
    with_estimates = [references, references[1:] + references[:1]]
    found = []
    for estimates in with_estimates:
        pairs = list(zip(references, estimates, strict=True))
        tracks = [task.score(*pair) for pair in pairs]
        pooled = task.pooled([task.evidence(*pair) for pair in pairs])
        assert all(task.scale(name).holds(x, 1e-9) for each in [*tracks, pooled] for name, x in each.items())
        found.append({**{f"{i} {name}": x for i, each in enumerate(tracks) for name, x in each.items()}, **pooled})
    perfect, spoiled = found
    gains = {name: task.scale(name.split()[-1]).sign * (perfect[name] - spoiled[name]) for name in perfect}
    ordered = [name for name in gains if task.scale(name.split()[-1]).better is not None]
    assert {name: gains[name] for name in ordered if gains[name] < -1e-9} == {}
    assert max(gains[name] for name in ordered) > 0


def test_the_primary_metric_has_a_direction(task: Task) -> None:
    assert task.scale(task.primary).better in ("higher", "lower")


@pytest.mark.parametrize("start_frame", [0, 37, 250, 499])
def test_crop_is_a_slice_of_the_whole(task: Task, annotation: Annotation, start_frame: int) -> None:
    whole = task.encode(annotation, 0.0, NUM_FRAMES + 200, FPS)
    crop = task.encode(annotation, start_frame / FPS, 200, FPS)
    for name, values in crop.items():
        expected = whole[name] if task.outputs[name].clip_level else whole[name][start_frame : start_frame + 200]
        np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 100])
@pytest.mark.parametrize("value", [-20.0, 0.0, 20.0])
def test_any_length_and_any_constant_output_has_a_score(
    task: Task, reference: Annotation, num_frames: int, value: float
) -> None:
    scores = task.score(reference, task.decode(filled(task, num_frames, value), FPS))
    assert 0 <= rank(task, scores) <= 1
    assert set(scores) == set(task.score(reference, reference))


@pytest.mark.parametrize("seed", [0, 1])
def test_estimate_is_the_same_after_writing_and_reading(
    task: Task, example: Example, seed: int, tmp_path: Path
) -> None:
    random = np.random.default_rng(seed)
    noise = {name: random.normal(-1, 2, x.shape).astype(np.float32) for name, x in filled(task, 300, 0.0).items()}
    estimate = task.decode(noise, FPS)
    path = tmp_path / f"estimate{estimate.suffixes[0]}"
    estimate.write(path)
    read = task.annotation.read(path)
    assert read.text() == estimate.text()
    reference = example(random)
    expected = task.score(reference, estimate)
    assert task.score(reference, read) == pytest.approx(expected, abs=0, rel=0, nan_ok=True)


def test_loss_falls_towards_the_targets(task: Task, annotation: Annotation) -> None:
    targets = task.encode(annotation, 0.0, NUM_FRAMES, FPS)
    perfect = batched(as_logits(targets))
    losses = [
        float(total(task, {name: values * share for name, values in perfect.items()}, batched(targets)))
        for share in (-0.5, 0.0, 0.5, 1.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == len(losses)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_loss_and_gradient_are_finite(task: Task, reference: Annotation, value: float, dtype: torch.dtype) -> None:
    targets = batched(task.encode(reference, 0.0, NUM_FRAMES, FPS))
    logits = {name: torch.full_like(target, value, dtype=dtype, requires_grad=True) for name, target in targets.items()}
    loss = total(task, logits, targets)
    torch.autograd.backward(loss)
    assert loss.dtype == torch.float32
    assert math.isfinite(loss.item())
    assert all(x.grad is not None and bool(x.grad.isfinite().all()) for x in logits.values())


def test_frames_outside_the_track_do_not_matter(task: Task, reference: Annotation) -> None:
    targets = batched(task.encode(reference, 0.0, NUM_FRAMES, FPS))
    valid = torch.arange(NUM_FRAMES)[None] < 300
    generator = torch.Generator().manual_seed(0)
    one = {name: torch.randn(x.shape, generator=generator) for name, x in targets.items()}
    clip_level = {name for name, output in task.outputs.items() if output.clip_level}  # one target for all frames
    other = {name: x if name in clip_level else torch.where(valid[..., None], x, x + 5) for name, x in one.items()}
    assert task.loss(one, targets, valid) == task.loss(other, targets, valid)
    if not clip_level:
        nowhere = task.loss(one, targets, torch.zeros_like(valid))
        assert all(float(part) == 0.0 for part in nowhere.values())


def test_tuning_helps_where_it_was_done_and_repeats(task: Task, example: Example) -> None:
    random = np.random.default_rng(0)
    examples = []
    for _ in range(3):
        reference = example(random)
        logits = as_logits(task.encode(reference, 0.0, NUM_FRAMES, FPS))
        examples.append(
            (reference, {n: (0.1 * x + random.normal(-1, 0.3, x.shape)).astype(np.float32) for n, x in logits.items()})
        )

    def mean() -> float:
        return float(np.mean([rank(task, task.score(a, task.decode(logits, FPS))) for a, logits in examples]))

    before = mean()
    task.tune(examples, FPS)
    after, chosen = mean(), dict(task.decoding)
    assert after >= before
    task.tune(examples[:1], FPS)
    task.tune(examples, FPS)
    assert task.decoding == chosen
    task.tune([], FPS)
    assert all(isinstance(value, float) for value in task.decoding.values())


@pytest.mark.parametrize("num_samples", [1600, 32000])
@pytest.mark.parametrize("with_training", [True, False])
def test_baselines_estimate_from_any_sound(task: Task, example: Example, with_training: bool, num_samples: int) -> None:
    references = [example(np.random.default_rng(seed)) for seed in range(3)] if with_training else []
    noise = np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
    for name, baseline in task.baselines.items():
        for audio in (noise, np.zeros_like(noise)):
            estimate = baseline(references)(Clip(name, audio, 16000))
            score = task.score(example(np.random.default_rng(9)), estimate)
            assert isinstance(estimate, task.annotation)
            assert 0 <= rank(task, score) <= 1


def test_every_task_has_trivial_baselines(task: Task) -> None:
    assert len(task.baselines) >= 2
