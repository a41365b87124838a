"""Exported graphs in place of networks: files of ONNX, run by onnxruntime, that need nothing but themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.results import Result
from ricercar.harness.targets import check_classes
from ricercar.harness.trained import Trained, results_of
from ricercar.harness.typed_json import parse, typed
from ricercar.models.encoders.onnx import open_session
from ricercar.tasks.multitask import Multitask
from ricercar.use.package import PACKAGES, Config, own_packages

KEY = "ricercar"  # of the metadata, which have what a package's config.json has, and the results
SUFFIX = ".onnx"
Run = Callable[[Tensor, Tensor], Sequence[Tensor]]


class GraphNet(nn.Module):
    """A graph in the place of a Net: audio and valid frames -> {output: logits}.

    run   (B, N) audio, (B, T) valid -> the logits of the outputs, in their order
    """

    def __init__(self, run: Run, tasks: Multitask, frontend: nn.Module) -> None:
        super().__init__()
        self._run = run
        self.frontend = frontend  # of which only what windows need to know is used
        self.heads = list(tasks.outputs)
        self.clip_level = [name for name, output in tasks.outputs.items() if output.clip_level]
        self.sequences: dict[str, int] = {}

    def forward(self, audio: Tensor, valid: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.heads, self._run(audio, valid), strict=True))


def of_graph(given: Path, trust: Sequence[str]) -> Trained:
    """What is in a file of ONNX, or in the one that export.py wrote of a run. InputError where there is none, or it is
    of another run.
    """
    if given.suffix == SUFFIX and given.is_file():
        return of_onnx(given, trust)
    path = given / "export" / f"model{SUFFIX}"
    if given.suffix == SUFFIX or not given.is_dir():
        raise InputError(f"{given}: there is no such file or folder. Give a file of ONNX, or the folder of a run.")
    if not path.is_file():
        raise InputError(f"there is no {path}: make it by `ricercar export {given} --to onnx`, or give another file.")
    trained = of_onnx(path, [*trust, *own_packages(assemble.read_config(given))])
    if {each.run_id for each in results_of(given, trained.tasks).values()} != {
        each.run_id for each in trained.results.values()
    }:
        raise InputError(f"{path} is not of the run that is in {given} now: `ricercar export {given} --to onnx` again.")
    return replace(trained, name=given.resolve().name)


def of_onnx(path: Path, trust: Sequence[str]) -> Trained:
    """What is in a file that export.py wrote. trust: packages of Python, beside Ricercar, whose classes it may name.

    InputError where it is another file of ONNX, or none.
    """
    session = open_session(path, "export")
    about = _about(path, session.get_modelmeta().custom_metadata_map, trust)
    cfg, tasks = fitted(about[0])
    net: Any = GraphNet(_runner(session), tasks, assemble.make(cfg.frontend))
    return Trained(path.stem, cfg, tasks, net, about[1])


def fitted(about: Config) -> tuple[Any, Multitask]:
    """-> the configuration, fed with audio, and the tasks as they were trained."""
    cfg = OmegaConf.create(about.config)
    cfg.spectrogram = {"_target_": "ricercar.data.batches.spectrograms.Fresh"}
    tasks = assemble.make_tasks(cfg)
    tasks.restore(about.vocabulary)
    for name, task in tasks.items():
        task.decoding.update(about.decoding[name])
    return cfg, tasks


def _about(path: Path, metadata: Mapping[str, str], trust: Sequence[str]) -> tuple[Config, dict[str, Result]]:
    if KEY not in metadata:
        raise InputError(f"{path} is a network of something else: only files that export.py wrote say what they hear.")
    try:
        content = parse(metadata[KEY])
        about = typed(Config, content["about"])
        results = {name: typed(Result, each) for name, each in content["results"].items()}
    except (InputError, KeyError, TypeError) as error:
        raise InputError(f"{path}: what it says of itself is damaged, or of another version: {error}") from error
    check_classes(about.config, PACKAGES, list(trust))
    return about, results


def _runner(session: Any) -> Run:
    names = [each.name for each in session.get_inputs()]

    def run(audio: Tensor, valid: Tensor) -> list[Tensor]:
        given = dict(
            zip(names, (audio.cpu().numpy(), valid.cpu().numpy()), strict=False)
        )  # the second where it has one
        return [torch.from_numpy(each) for each in session.run(None, given)]

    return run
