"""The runs of one job: one for each seed that is trained in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.data.files import write_text
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.identity import stable_hash
from ricercar.harness.origin import CODE, class_hashes, source_hash
from ricercar.harness.results import fingerprint_of
from ricercar.harness.run_folder import Record, run_folder
from ricercar.tasks.multitask import Multitask


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
        choices = identity.named(run.choices, own)
        folder = run.folder.parent / run_folder(run.folder.parent, choices, seed, id, cfg.resume)
        overrides = [*(each for each in run.overrides if not each.startswith("seed=")), f"seed={seed}"]
        entries.append((own, replace(run, folder=folder, id=id, overrides=overrides)))
    return entries


def describe(folder: Path, cfg: DictConfig, overrides: Sequence[str] | None, hydra: Any) -> None:
    """Writes what is known of a run into its folder .hydra, as Hydra does. hydra: its own configuration, or None.

    Hydra itself does not (hydra.output_subdir): it would do so before anyone has looked whether the folder is free.
    """
    parts: dict[str, Any] = {
        "config": cfg,
        "overrides": overrides,
        "hydra": None if hydra is None else {"hydra": hydra},
    }
    try:
        for name, content in parts.items():
            if content is not None:
                write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(OmegaConf.create(content)))
    except OSError as error:
        raise InputError(f"cannot write into the run's folder {folder}: {error}") from error


def record_of(
    cfg: DictConfig,
    id: str,
    tasks: Multitask,
    tracks: Mapping[str, Sequence[Track]],
    audio_key: Callable[[AudioSource], str],
) -> Record:
    """What a training of this configuration would begin with now."""
    data = {
        split: stable_hash(
            [
                fingerprint_of(every, task.taught if split == "train" else task.reference, audio_key)
                for task in tasks.values()
            ]
        )
        for split, every in tracks.items()
    }
    return Record(id, data, source_hash(*CODE), class_hashes(identity.determining(cfg)))
