"""Experiments compose, say how they are run, and every job of those that sweep builds its network."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from configs import CONF, choices, composed
from ricercar.harness import assemble

EXPERIMENTS = choices("experiment")
ABLATIONS = [name for name in EXPERIMENTS if name.startswith("ablation_")]


def swept(name: str) -> dict[str, str]:
    """{option: its values, separated by commas} that the experiment's own file sweeps."""
    params = OmegaConf.select(OmegaConf.load(CONF / "experiment" / f"{name}.yaml"), "hydra.sweeper.params")
    return {str(key): str(values) for key, values in (params or {}).items()}


def jobs(name: str) -> list[list[str]]:
    """The overrides of each job of the sweep."""
    parser = OverridesParser.create()
    overrides = parser.parse_overrides([f"{key}={values}" for key, values in swept(name).items()])
    levels = [[f"{each.key_or_group}={value}" for value in each.sweep_string_iterator()] for each in overrides]
    return [list(job) for job in itertools.product(*levels)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_composes(name: str) -> None:
    cfg = composed(f"experiment={name}")
    assemble.check(cfg)
    assert "hydra" not in cfg


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_says_how_to_run_it(name: str) -> None:
    package, _, command, *_ = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert package == "# @package _global_"
    assert command.startswith(("# python train.py experiment=", "# python train.py -m experiment="))
    assert f"experiment={name}" in command


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_other_commands_compose(name: str) -> None:
    """Those that its first lines tell beside the one that it is run by."""
    _, _, _, *lines = (CONF / "experiment" / f"{name}.yaml").read_text().split("defaults:")[0].splitlines()
    for command in re.findall(r"python train\.py ([^-].*)", "\n".join(lines)):
        cfg = composed(*shlex.split(command))
        assemble.check(cfg)
        assemble.make_tasks(cfg)


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_says_what_it_expects_and_found(name: str) -> None:
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines[3:5]] == ["# Expected", "# Measured"]


@pytest.mark.parametrize("name", ABLATIONS)
def test_sweep_is_part_of_the_experiment(name: str) -> None:
    """Hydra finds it there, and the experiment by itself is its first job."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[f"experiment={name}"], return_hydra_config=True)
    assert dict(cfg.hydra.sweeper.params) == swept(name)
    first = dict(override.split("=", 1) for override in jobs(name)[0])
    assert {key: str(cfg.hydra.runtime.choices.get(key, OmegaConf.select(cfg, key))) for key in first} == first


@pytest.mark.parametrize(
    ("name", "job"), [(name, job) for name in ABLATIONS for job in jobs(name)], ids=lambda each: str(each)
)
def test_job_builds_its_network(name: str, job: list[str], tmp_path: Path) -> None:
    cfg = composed(f"experiment={name}", *job)
    tasks = assemble.make_tasks(cfg)
    assert assemble.make_net(cfg, tasks).backbone.dim > 0
