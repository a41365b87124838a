"""A finished run -> one file with a graph, and the proof that it says what the network says."""

import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ricercar
from ricercar.comparison.page.places import without_places
from ricercar.data.audio.sound import Sound
from ricercar.data.files import write_text
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.benchmark import annotated, metrics_of, score
from ricercar.harness.predict import Logits
from ricercar.harness.trained import Trained
from ricercar.harness.typed_json import parse, to_json, typed
from ricercar.use import engine, package
from ricercar.use.graph import Graph
from ricercar.use.model import Model

log = logging.getLogger(__name__)
KINDS = ("onnx", "pt2")
PRECISIONS = ("fp32", "fp16", "int8")
_OPSET = 18
_FROM_FRONTEND = "frontend."  # names of its numbers in the graph
_SMALL = 64  # numbers of a tensor that are not worth to be narrowed
_MOST_CHANGE = 0.001  # of a primary metric, by a graph in 32 bits


@dataclass(frozen=True)
class Proof:
    """How far an exported graph is from the network that it was made of, on whole tracks.

    largest_difference   {output: of its logits}
    scores               {task: {metric, network, exported}}, the primary metric of the tracks
    seconds              of prediction, without decoding: of the network by PyTorch, and of the graph, in num_threads
    """

    file: str
    run_id: str
    precision: str
    bytes: int
    split: str
    num_tracks: int
    seconds_of_audio: float
    largest_difference: dict[str, float]
    scores: dict[str, dict[str, Any]]
    seconds: dict[str, float]
    num_threads: int
    ricercar: str


def export(trained: Trained, path: Path, kind: str, precision: str) -> None:
    """Writes the graph, whole or not at all. InputError where there is none of this network."""
    if precision != "fp32" and kind != "onnx":
        raise InputError(f"--precision {precision}: there is of --to onnx.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        try:
            (_write_onnx if kind == "onnx" else _write_pt2)(trained, partial, precision)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}.") from error


def _program(trained: Trained) -> Any:
    """Of a batch of any size."""
    cfg = trained.cfg
    graph = Graph(trained.net.cpu()).eval()
    batch = torch.export.Dim("batch", min=1)
    inputs: list[Tensor] = [
        torch.zeros(2, (cfg.window_frames - 1) * cfg.hop_length)
    ]  # 2: a batch of 1 is taken for fixed
    shapes: dict[str, Any] = {"audio": {0: batch}}
    if trained.net.clip_level:
        inputs.append(torch.ones(2, cfg.window_frames, dtype=torch.bool))
        shapes["valid"] = {0: batch}
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            return torch.export.export(graph, tuple(inputs), dynamic_shapes=shapes, strict=False)
    except _REASONS as error:
        raise _no_graph(error) from error


_REASONS = (RuntimeError, TypeError, ValueError, NotImplementedError, AssertionError)  # of torch's exporters


def _no_graph(error: Exception) -> InputError:
    return InputError(f"this network has no graph: {' '.join(str(error).split())[:300]}")


def _write_pt2(trained: Trained, path: Path, precision: str) -> None:
    program = _program(trained)
    with path.open("wb") as file:  # by its path, torch would say RuntimeError where it cannot be written
        torch.export.save(program, file, extra_files={"ricercar.json": _metadata(trained)})


def _write_onnx(trained: Trained, path: Path, precision: str) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401  # which torch asks for
    except ModuleNotFoundError as error:
        raise InputError(f'--to onnx needs the package {error.name}: pip install "ricercar[export]"') from error
    program = _program(trained)
    try:
        with warnings.catch_warnings(action="ignore"):
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, external_data=False, opset_version=_OPSET,
                output_names=[_tensor_name(name) for name in trained.tasks.outputs],
            )  # fmt: skip
    except (*_REASONS, torch.onnx.OnnxExporterError) as error:
        raise _no_graph(error) from error
    assert made is not None
    model = made.model_proto
    if precision == "int8":
        model = _in_8_bits(model, path)
        _in_16_bits(model, frontend_alone=True)
    elif precision == "fp16":
        _in_16_bits(model)
    model.metadata_props.add(key=engine.KEY, value=_metadata(trained))
    model.doc_string = "Ricercar: audio of a window in, logits out"
    onnx.save(model, path)


def _tensor_name(output: str) -> str:
    return f"logits/{output}"


def _metadata(trained: Trained) -> str:
    """What a package's config.json has, and the results."""
    first = next(iter(trained.results.values()))
    about = package.Config(
        "ricercar", package.FORMAT, ricercar.__version__, first.run_id, trained.tasks.vocabulary,
        trained.tasks.decoding, package.needed(trained.cfg),
    )  # fmt: skip
    results = {name: parse(to_json(each)) for name, each in trained.results.items()}
    return to_json({"about": parse(to_json(about)), "results": without_places(results, [])})


def _in_16_bits(model: Any, frontend_alone: bool = False) -> None:
    """Numbers are kept in 16 bits, and computed with in 32. Weights are floating-point numbers. What the frontend
    consists of is whole numbers, each row of them with a scale of its own: of its windows and waves 16 bits of floating
    point have 5 bits less where they are loud, which is what counts.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    for number, tensor in enumerate(list(graph.initializer)):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _SMALL:
            continue
        name = tensor.name
        is_of_frontend = name.startswith(_FROM_FRONTEND)
        if frontend_alone and not is_of_frontend:
            continue
        nodes = [helper.make_node("Cast", [f"{name}/16"], [name], to=TensorProto.FLOAT)]
        narrow: Any = np.clip(values, -65504, 65504).astype(np.float16)
        if is_of_frontend:
            scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True) / 32767, 1e-38).astype(np.float32)
            narrow = np.rint(values / scale).astype(np.int16)
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
            nodes[0].output[0] = f"{name}/whole"
            nodes.append(helper.make_node("Mul", [f"{name}/whole", f"{name}/scale"], [name]))
        graph.initializer[number].CopyFrom(numpy_helper.from_array(narrow, f"{name}/16"))
        for node in reversed(nodes):
            graph.node.insert(0, node)


def _in_8_bits(model: Any, path: Path) -> Any:
    """The matrix products and recurrent layers of backbone and heads, by onnxruntime. InputError where it has none."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    fixed = {each.name for each in model.graph.initializer if each.name.startswith(_FROM_FRONTEND)}
    kinds = ("MatMul", "Gemm", "LSTM")
    narrowed = [node for node in model.graph.node if node.op_type in kinds and not fixed & set(node.input)]
    left = [node.name for node in model.graph.node if node.op_type in kinds and fixed & set(node.input)]
    weights = {each.name for each in model.graph.initializer}
    if not any(weights & set(node.input) for node in narrowed):
        raise InputError("--precision int8: this network has no matrix products with weights, and convolutions stay.")
    before, after = path.with_name(f"{path.name}.before"), path.with_name(f"{path.name}.after")
    try:
        onnx.save(model, before)
        quantize_dynamic(
            before, after, op_types_to_quantize=list(kinds), nodes_to_exclude=left, weight_type=QuantType.QInt8,
            per_channel=True,
        )  # fmt: skip
        return onnx.load(after)
    finally:
        before.unlink(missing_ok=True)
        after.unlink(missing_ok=True)


# --- the proof ---


def prove(trained: Trained, path: Path, kind: str, precision: str, split: str, most: int) -> Proof:
    """Predicts tracks of the run's own data by the network and by the file, and scores both.

    InputError where the data are not there, and where a graph in 32 bits scores otherwise than the network.
    """
    cfg = trained.cfg
    source = assemble.make(cfg.data)
    everything = assemble.tracks_of(source, dict(trained.tasks), split)
    tracks = [track for track in everything if any(annotated([track], task) for task in trained.tasks.values())][:most]
    store = assemble.make_store(cfg)
    store.prepare(tracks)
    own = Model(trained, "cpu")
    other = Model(
        engine.of_onnx(path, ["ricercar", *package.own_packages(cfg)]) if kind == "onnx" else _of_pt2(trained, path),
        "cpu",
    )
    seconds = {"network": 0.0, "exported": 0.0}
    largest = dict.fromkeys(trained.tasks.outputs, 0.0)
    scores: dict[str, dict[str, list[Any]]] = {name: {"network": [], "exported": []} for name in trained.tasks}
    heard_s = 0.0
    for track in tracks:
        sound = Sound(store.read(track, 0, store.num_samples(track)), store.sample_rate)
        heard_s += sound.duration_s
        said: dict[str, Logits] = {}
        for name, model in (("network", own), ("exported", other)):
            begun_s = time.monotonic()
            said[name] = model.logits(sound)
            seconds[name] += time.monotonic() - begun_s
        for output in largest:
            difference = float(np.abs(said["network"][output] - said["exported"][output]).max(initial=0.0))
            largest[output] = max(largest[output], difference)
        for task in trained.tasks:
            for name, logits in said.items():
                scored = _scored(own, task, track, logits, sound.duration_s)
                scores[task][name] += [] if scored is None else [scored]
    found = {task: _compared(trained, task, own_scores) for task, own_scores in scores.items()}
    for task, each in found.items():
        change = abs(each["network"] - each["exported"])
        if precision == "fp32" and not change <= _MOST_CHANGE * max(1.0, abs(each["network"])):
            raise InputError(
                f"the exported graph scores otherwise than the network: {task} {each['metric']} is "
                f"{each['exported']:.4f} in place of {each['network']:.4f} on {len(tracks)} tracks. Do not use it."
            )
    first = next(iter(trained.results.values()))
    return Proof(
        path.name, first.run_id, precision, path.stat().st_size, split, len(tracks), round(heard_s, 3), largest, found,
        seconds, torch.get_num_threads(), ricercar.__version__,
    )  # fmt: skip


def _of_pt2(trained: Trained, path: Path) -> Trained:
    module: Any = torch.export.load(path).module()
    about = package.Config(
        "ricercar", package.FORMAT, ricercar.__version__, "", trained.tasks.vocabulary, trained.tasks.decoding,
        package.needed(trained.cfg),
    )  # fmt: skip
    cfg, tasks = engine.fitted(about)
    with_valid = bool(trained.net.clip_level)

    def run(audio: Tensor, valid: Tensor) -> Any:
        return module(audio, valid) if with_valid else module(audio)

    net: Any = engine.GraphNet(run, tasks, assemble.make(cfg.frontend))
    return Trained(path.stem, cfg, tasks, net, trained.results)


def _scored(model: Model, task: str, track: Track, logits: Logits, seconds: float) -> Any:
    """The score of one track; None where it has no reference."""
    scoring = model.tasks[task]
    reference = scoring.reference(track.annotations)
    if reference is None:
        return None
    estimate = scoring.decode(model.tasks.of(task, logits), model.fps)
    return score(scoring, track, reference, estimate, seconds, None).score


def _compared(trained: Trained, task: str, scores: Mapping[str, list[Any]]) -> dict[str, Any]:
    scoring = trained.tasks[task]
    found = {name: metrics_of(each, scoring)[scoring.primary] for name, each in scores.items()}
    return {"metric": scoring.primary, **found}


def write_proof(proof: Proof, path: Path) -> Path:
    """Beside the graph -> where."""
    beside = path.with_name(f"{path.name}.json")
    try:
        write_text(beside, to_json(proof))
    except OSError as error:
        raise InputError(f"cannot write {beside}: {error.strerror}.") from error
    return beside


def read_proof(path: Path) -> Proof:
    """What stands beside a graph. InputError where that is none of export.py."""
    beside = path.with_name(f"{path.name}.json")
    try:
        return typed(Proof, parse(beside.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"{beside} cannot be read: {error}. Export the run again: it proves the graph.") from error


def told(proof: Proof) -> str:
    """The proof in a few lines."""
    speed = {name: proof.seconds_of_audio / max(each, 1e-9) for name, each in proof.seconds.items()}
    lines = [
        f"{proof.file}, {proof.bytes / 1e6:.1f} MB, {proof.precision}; on {proof.num_tracks} tracks of {proof.split}, "
        f"{proof.seconds_of_audio / 60:.1f} min:",
        *(f"  logits {name}: largest difference {each:.2g}" for name, each in proof.largest_difference.items()),
        *(
            f"  {task} {each['metric']}: {each['network']:.4f} by the network, {each['exported']:.4f} exported"
            for task, each in proof.scores.items()
        ),
        f"  {speed['network']:.1f} times as fast as real time by PyTorch, {speed['exported']:.1f} exported, in "
        f"{proof.num_threads} threads",
    ]
    return "\n".join(lines)
