"""The rules of the house: who may import what, one class per yaml, defaults in yaml only."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import Container, DictConfig, OmegaConf

from configs import CONF, HYDRA_S_MERGE, HYDRA_S_READ, ROOT, choices, composed, hydra_composed, merge_once, option
from ricercar.harness.command import expanded
from ricercar.harness.composing import HYDRA_S_JOB, forget, load_job

ONLY_PLACES = {
    "nnAudio": ["models/frontends/"],
    "timm": ["models/backbones/"],
    "transformers": ["models/encoders/hf.py"],
    "huggingface_hub": ["models/encoders/hf.py", "use/hub.py"],
    "peft": ["models/encoders/hf.py"],
    "onnxruntime": ["models/encoders/onnx.py", "use/engine.py", "use/export.py"],
    "onnx": ["use/export.py"],
    "onnxscript": ["use/export.py"],
    "fastapi": ["use/serve/"],
    "starlette": ["use/serve/"],
    "uvicorn": ["use/serve/command.py"],
    "torchcrepe": [],
    "torchvision": [],
    "mir_eval": ["tasks/", "metrics/"],
    "wandb": ["harness/trackers/"],
    "tinysoundfont": ["data/sources/rendering/renderer.py"],
    "hydra": [
        "train.py", "eval.py", "data/check.py", "comparison/frozen/freeze.py", "harness/assemble.py",
        "harness/command.py", "harness/composing.py", "harness/jobs.py", "harness/launchers/", "harness/plugins.py",
        "harness/search/",
    ],
}  # fmt: skip
COMMANDS = (Path("data/check.py"),)  # stands above everything, as train.py and eval.py do
STARTS_PROCESSES = ("ProcessPoolExecutor", "DataLoader", "Pool", "Process")
FOLDERS = ("comparison", "data", "harness", "metrics", "models", "significance", "tasks", "use")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
COMMAND_FILES = ("train", "eval", "predict", "export", "leaderboard", "sweep", "frozen", "systems", "errors", "checks")
SOURCES += [Path(f"{name}.py") for name in COMMAND_FILES]


@cache
def nodes(source: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / source).read_text())))


@cache
def imported(source: Path) -> set[str]:
    names = set()
    for node in nodes(source):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", ONLY_PLACES)
def test_imports_stay_in_their_places(package: str) -> None:
    importing = [source for source in SOURCES if package in {name.split(".")[0] for name in imported(source)}]
    assert [str(each) for each in importing if not str(each).startswith(tuple(ONLY_PLACES[package]))] == []


@pytest.mark.parametrize(
    ("package", "above"),
    [
        ("errors", []),
        ("checks", ["errors"]),
        ("models", ["errors", "checks"]),
        ("data", ["errors", "checks"]),
        ("metrics", ["errors", "checks"]),
        ("significance", []),
        ("tasks", ["errors", "checks", "data", "metrics", "models"]),
    ],
)
def test_data_flows_one_way(package: str, above: list[str]) -> None:
    own = [each for each in SOURCES if each.parts[0].removesuffix(".py") == package and each not in COMMANDS]
    ours = {
        str(source): {name.split(".")[1] for name in imported(source) if name.startswith("ricercar.")} for source in own
    }
    assert {source: names - {package, *above} for source, names in ours.items() if names - {package, *above}} == {}


def test_processes_are_spawned() -> None:
    """A fork copies the locks of threads that are alive: the copy may wait for ever."""
    wrong = []
    for source in SOURCES:
        for node in nodes(source):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in STARTS_PROCESSES:
                contexts = [each.value for each in node.keywords if str(each.arg).endswith("context")]
                how = ast.unparse(contexts[0] if contexts else node.func)  # get_context('spawn').Process(...)
                if "'spawn'" not in how:
                    wrong.append(f"{source}, line {node.lineno}")
    assert wrong == []


def targets() -> list[tuple[Path, str]]:
    found = []
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name == "experiment":
            continue
        node = option(path.parent.name, path.stem)
        if "_target_" in node and str(node._target_).startswith("ricercar."):
            found.append((path.relative_to(CONF), str(node._target_)))
    return found


def test_yaml_names_every_parameter() -> None:
    """The constructor has no defaults, and the yaml gives every value that is not known only at run time."""
    at_run_time = {"spectrogram", "num_bins", "num_channels", "segment_s"}
    wrong = {}
    for path, target in targets():
        module, name = target.rsplit(".", 1)
        parameters = inspect.signature(getattr(import_module(module), name)).parameters
        given = {str(key) for key in option(path.parent.name, path.stem)} - {"_target_", "_partial_"}
        found = {
            "has a default": [key for key, each in parameters.items() if each.default is not inspect.Parameter.empty],
            "is no parameter": sorted(given - set(parameters)),
            "is not in the yaml": sorted(set(parameters) - given - at_run_time),
        }
        wrong |= {(str(path), what): names for what, names in found.items() if names}
    assert wrong == {}


def test_yaml_says_what_it_is() -> None:
    silent = [path for path in sorted(CONF.rglob("*.yaml")) if not path.read_text().startswith("#")]
    assert [str(path.relative_to(CONF)) for path in silent] == []


def test_groups_stand_alone() -> None:
    """No choice of a group names one of another, but for what is part of it: choices meet in an experiment."""
    parts: list[dict[str, str]] = [{"/studio@studio": "sampled"}, {"/codec@_global_.codec": "compact"}]
    parts += [{"override /codec@_global_.codec": "compact_instruments"}]
    wrong = {}
    for path in sorted(CONF.glob("*/*.yaml")):
        named = [each for each in OmegaConf.load(path).get("defaults", []) if each != "_self_"]
        own = [each for each in named if isinstance(each, str) and (path.parent / f"{each}.yaml").exists()]
        others = [each for each in named if each not in [*own, *parts]]
        if others and path.parent.name != "experiment":
            wrong[str(path.relative_to(CONF))] = others
    assert wrong == {}


def test_tests_compose_as_hydra_does() -> None:
    """The last choice of every group at once, those with defaults of their own, and values."""
    last = [f"{path.name}={choices(path.name)[-1]}" for path in sorted(CONF.iterdir()) if path.name in composed()]
    nested = ["task=beat", "data=midi", "augmentation=masking", "data.seed=3", "task.protocol.skip_s=1", "seed=2"]
    several = [*expanded("task=[notes,key]"), "frontend=cqt", "data.seed=2"]
    experiment = ["experiment=ablation_transposition", "backbone=cnn", "augmentation=standard"]
    for overrides in map(tuple, (last, nested, several, experiment)):
        assert composed(*overrides) == hydra_composed(overrides, "config")


@pytest.mark.parametrize(
    "options",
    [
        ["experiment=ablation_transposition", "frontend=cqt,mel", "hydra/launcher=joblib", "+hydra.job.env_set={A:1}"],
        ["~augmentation"], ["backbone={width:3}"],
    ],
)  # fmt: skip
def test_merged_once_is_merged_each_time(options: list[str], tmp_path: Path) -> None:
    """Also the flags: what may be added, and what may be set."""
    found = []
    with pytest.MonkeyPatch.context() as patch, initialize_config_dir(str(CONF), version_base="1.3"):
        patch.setattr(config_loader_impl, "create_defaults_list", create_defaults_list)
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", HYDRA_S_MERGE)
        patch.setattr(FileConfigSource, "load_config", HYDRA_S_READ)
        loader = GlobalHydra.instance().config_loader()
        for _ in range(3):  # as Hydra does, made once, and read
            try:
                cfg = loader.load_configuration("config", list(options), RunMode.MULTIRUN)
            except HydraException as error:
                found.append([str(error)])
            else:
                found.append([cfg, *((path, cfg._metadata.flags) for path, cfg in _containers(cfg, ""))])
            if len(found) == 1:
                merge_once(tmp_path)
    assert found[0] == found[1] == found[2]
    assert len(list(tmp_path.iterdir())) in (0, 2)


@pytest.mark.parametrize(
    "job",
    [
        ["optimizer.lr=0.1", "seed=2", "backbone=cnn", "+optimizer.more=1", "name='a b, c'", "hydra.sweeper.job=3"],
        ["~optimizer.weight_decay", "++a.b=[1,2,{c:d}]", "window_frames=${hop_length}"],
        [*expanded("task=[notes,key]"), "task.parts.key.protocol.x=1"], ["search=[training]", "hydra.job.name=own"],
        ["experiment=ablation_transposition", "seed=1"], ["~tracker", "backbone={width:3}"],
        ["+seed=4"], ["nothing.there=3"], ["backbone=nonesuch"], ["~nothing"], ["seed=1,2"],
    ],
)  # fmt: skip
def test_jobs_are_composed_as_hydra_does(job: list[str]) -> None:
    """Also the flags and errors; the second of each kind, which shares what was merged, with another value besides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        forget()
        master = loader.load_configuration("config", ["backbone=lstm", "hydra/sweeper=optuna"], RunMode.MULTIRUN)
        for more in ([], ["trainer.budget=7steps"]):
            found = []
            for load in (HYDRA_S_JOB, load_job):
                try:
                    cfg = load(loader, master, [*job, *more])
                except HydraException as error:
                    found.append([str(error)])
                else:
                    found.append([cfg, *((path, cfg._metadata.flags) for path, cfg in _containers(cfg, ""))])
            assert found[0] == found[1]


def test_a_job_is_composed_where_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """There Hydra looks for its plugins, and with them loads the class anew that the sent configuration is made of."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        forget()
        master = loader.load_configuration("config", [], RunMode.MULTIRUN)
        monkeypatch.setattr(basic_sweeper, "BasicSweeperConf", type("BasicSweeperConf", (), {}))
        assert load_job(loader, master, ["seed=1"]) == HYDRA_S_JOB(loader, master, ["seed=1"])


def _containers(cfg: Container, path: str) -> Iterator[tuple[str, Container]]:
    yield path, cfg
    for key in cfg if isinstance(cfg, DictConfig) else []:
        if isinstance(node := cfg._get_node(key), Container) and not (node._is_none() or node._is_interpolation()):
            yield from _containers(node, f"{path}.{key}")
