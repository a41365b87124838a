"""The rules of the house: who may import what, one class per yaml, defaults in yaml only."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from configs import CONF, ROOT, option

ONLY_PLACES = {
    "nnAudio": ["models/frontends/"],
    "timm": ["models/backbones/"],
    "mir_eval": ["tasks/", "metrics/"],
    "wandb": ["harness/trackers/"],
    "tinysoundfont": ["data/sources/rendering/renderer.py"],
    "hydra": ["train.py", "eval.py", "data/check.py", "harness/assemble.py", "harness/command.py"],
}
COMMANDS = (Path("data/check.py"),)  # stands above everything, as train.py and eval.py do
STARTS_PROCESSES = ("ProcessPoolExecutor", "DataLoader", "Pool", "Process")
FOLDERS = ("comparison", "data", "harness", "metrics", "models", "significance", "tasks")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCES += [Path("train.py"), Path("eval.py"), Path("leaderboard.py"), Path("errors.py"), Path("checks.py")]


def imported(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_imports_stay_in_their_places(source: Path) -> None:
    for package in {name.split(".")[0] for name in imported(source)} & set(ONLY_PLACES):
        assert any(str(source).startswith(place) for place in ONLY_PLACES[package]), f"{source} imports {package}"


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
    for source in SOURCES:
        if source.parts[0].removesuffix(".py") == package and source not in COMMANDS:
            ours = {name.split(".")[1] for name in imported(source) if name.startswith("ricercar.")}
            assert ours <= {package, *above}, f"{source} imports {ours}"


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_processes_are_spawned(source: Path) -> None:
    """A fork copies the locks of threads that are alive: the copy may wait for ever."""
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in STARTS_PROCESSES:
            how = [ast.unparse(keyword.value) for keyword in node.keywords if str(keyword.arg).endswith("context")]
            assert len(how) == 1, f"{source}, line {node.lineno}"
            assert "'spawn'" in how[0], f"{source}, line {node.lineno}"


def targets() -> list[tuple[Path, str]]:
    found = []
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name == "experiment":
            continue
        node = option(path.parent.name, path.stem)
        if "_target_" in node and str(node._target_).startswith("ricercar."):
            found.append((path.relative_to(CONF), str(node._target_)))
    return found


@pytest.mark.parametrize(("path", "target"), targets(), ids=str)
def test_yaml_names_every_parameter(path: Path, target: str) -> None:
    """The constructor has no defaults, and the yaml gives every value that is not known only at run time."""
    module, name = target.rsplit(".", 1)
    parameters = inspect.signature(getattr(import_module(module), name)).parameters
    given = {str(key) for key in option(path.parent.name, path.stem)} - {"_target_"}
    assert [key for key, parameter in parameters.items() if parameter.default is not inspect.Parameter.empty] == []
    at_run_time = {"spectrogram", "num_bins", "num_channels"}
    assert given <= set(parameters)
    assert set(parameters) - given <= at_run_time


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_yaml_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("#")


@pytest.mark.parametrize("path", sorted(CONF.glob("*/*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_groups_stand_alone(path: Path) -> None:
    """No choice of a group names one of another: an experiment is the place where choices meet."""
    if path.parent.name == "experiment":
        return
    named = [each for each in OmegaConf.load(path).get("defaults", []) if each != "_self_"]
    own = [each for each in named if isinstance(each, str) and (path.parent / f"{each}.yaml").exists()]
    assert [each for each in named if each not in [*own, {"/studio@studio": "sampled"}]] == []
