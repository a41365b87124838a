"""The runs of one job: one for each seed that is trained in it."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ricercar.data.files import write_text
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.run_folder import run_folder


@dataclass(frozen=True)
class Run:
    """What a run is called and where it lives."""

    folder: Path
    id: str
    choices: dict[str, str]
    overrides: list[str]

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder, self.id)


def check_seeds(cfg: DictConfig) -> None:
    """What several seeds in one job need: they share every step, so nothing may depend on one's validation."""
    if cfg.seeds_per_job == 1:
        return
    if "minute" in str(cfg.trainer.budget):
        raise InputError(
            f"seeds_per_job={cfg.seeds_per_job} with trainer.budget={cfg.trainer.budget}: several seeds share the "
            "time. Give the budget in steps or epochs, such as trainer.budget=300steps."
        )
    if cfg.trainer.patience is not None:
        raise InputError(f"seeds_per_job={cfg.seeds_per_job} needs trainer.patience=null: all seeds end together.")
    if cfg.schedule._target_.endswith(".Plateau"):
        raise InputError(
            f"seeds_per_job={cfg.seeds_per_job}: schedule=plateau follows one seed's validation; choose another one."
        )


def seeds_of(cfg: DictConfig, run: Run) -> list[tuple[DictConfig, Run]]:
    """-> configuration and run of seed, seed + 1, ...: `seeds_per_job` of them, the first of which is `run` itself.

    The others' folders stand beside the first one's, and look as if each had been trained alone.
    """
    entries = [(cfg, run)]
    for seed in range(cfg.seed + 1, cfg.seed + cfg.seeds_per_job):
        own = cfg.copy()
        own.seed = seed
        own.seeds_per_job = 1
        id = identity.run_id(own)
        folder = run.folder.parent / run_folder(run.folder.parent, run.choices, seed, id, cfg.resume)
        overrides = [*(each for each in run.overrides if not each.startswith("seed=")), f"seed={seed}"]
        entries.append((own, replace(run, folder=folder, id=id, overrides=overrides)))
    return entries


def describe(entries: Iterable[tuple[DictConfig, Run]], like: Run) -> None:
    """Writes .hydra/ into the folders of runs that Hydra does not know, after that of the run `like`."""
    for cfg, run in entries:
        folder = run.folder / ".hydra"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg))
            write_text(folder / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(run.overrides)))
            if like.folder != run.folder and (like.folder / ".hydra" / "hydra.yaml").exists():
                shutil.copyfile(like.folder / ".hydra" / "hydra.yaml", folder / "hydra.yaml")
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {run.folder}: {error}") from error
