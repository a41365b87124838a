"""Configurations for tests."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
TINY = [
    "tracker=none",
    "hardware=cpu",
    "num_threads=1",
    "window_frames=40",
    "border_frames=5",
    "trainer.budget=3steps",
    "trainer.batch_size=2",
    "trainer.num_validations=1",
]


def choices(group: str) -> list[str]:
    """The yaml stems of a group of configurations."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def composed(*overrides: str, config: str = "config") -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config, overrides=list(overrides))
