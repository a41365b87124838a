"""Before the first job of a sweep begins: can all be composed, and is their launcher the one that launches them?"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.jobs import Begun


def check_jobs(sweeper: Sweeper, batch: Sequence[Sequence[str]]) -> None:
    """Composes one of each kind of job: of those with the same choices, other values make no difference.

    Those that can are noted as the sweep's jobs.

    InputError where a job's configuration names another launcher or sweeper, which came too late and would be ignored,
    and where two jobs would train the same seed.
    """
    assert sweeper.config is not None
    _check_seeds(sweeper.config, batch)
    loader = GlobalHydra.instance().config_loader()
    for job in {tuple(map(_kind, each)): each for each in batch}.values():
        cfg = loader.load_sweep_config(sweeper.config, list(job))
        for part in ("launcher", "sweeper"):
            names = identity.differing(_plain(cfg, part), _plain(sweeper.config, part), f"hydra.{part}")
            if not names:
                continue
            chosen, present = (each.hydra.runtime.choices[f"hydra/{part}"] for each in (cfg, sweeper.config))
            told = ", ".join(names) if chosen == present else f"hydra/{part}={chosen}"
            swept = " ".join(
                each for each in job if each not in sweeper.config.hydra.overrides.task and _is_choice(each)
            )
            raise InputError(
                f"{swept} sets {told}, which would be ignored: what is swept over is read when the {part} is at work "
                "already. Set it from the command line, or sweep over other options than this one."
            )
    Begun.add_jobs(batch)


def _check_seeds(cfg: DictConfig, batch: Sequence[Sequence[str]]) -> None:
    """Jobs that differ by their seed alone have to be as many seeds apart as each of them trains."""
    seeds: dict[tuple[int, frozenset[str]], list[int]] = {}
    for job in batch:
        values = {name: OmegaConf.select(cfg, name, default=1) for name in ("seed", "seeds_per_job")}
        values |= {each.partition("=")[0]: each.partition("=")[2] for each in job}
        try:
            seed, number = int(values["seed"]), int(values["seeds_per_job"])
        except (ValueError, TypeError):  # which the job itself will tell
            continue
        seeds.setdefault((number, frozenset(each for each in job if not each.startswith("seed="))), []).append(seed)
    for (number, _), own in seeds.items():
        for seed, following in pairwise(sorted(set(own))):
            if following - seed < number:
                raise InputError(
                    f"seed={','.join(map(str, own))} with seeds_per_job={number}: two jobs would train seed "
                    f"{following}. Each trains {number} seeds: seed={seed} those from {seed} to {seed + number - 1}, "
                    f"seed={seed},{seed + number} those to {seed + 2 * number - 1}."
                )


def _plain(cfg: DictConfig, part: str) -> object:
    return OmegaConf.to_container(cfg.hydra[part], resolve=False)


def _kind(override: str) -> str:
    """What of an override decides whether its job can be composed: a choice, or the name of a value."""
    return override if override.startswith("~") or _is_choice(override) else override.partition("=")[0]


def _is_choice(override: str) -> bool:
    return _is_group(override.partition("=")[0].lstrip("+").partition("@")[0])


@cache
def _is_group(key: str) -> bool:
    return bool(GlobalHydra.instance().config_loader().get_group_options(key))
