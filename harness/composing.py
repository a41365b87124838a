"""Jobs of a sweep are composed as Hydra does it, but what the yamls of the same choices give is merged once."""

import os
import pickle

import hydra
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

HYDRA_S_JOB = ConfigLoaderImpl.load_sweep_config  # which takes a third of a second
_MOST = 256  # kept of a process, each 40 kB
_kinds: dict[tuple[object, ...], bytes] = {}  # what is composed of the choices alone, pickled


def merge_once() -> None:
    """From now on `load_job` composes the jobs of sweeps. It knows Hydra 1.3; others compose their own."""
    if hydra.__version__.startswith("1.3."):
        ConfigLoaderImpl.load_sweep_config = load_job  # type: ignore[method-assign]


def load_job(self: ConfigLoaderImpl, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
    """The configuration of a job, in place of Hydra's own `load_sweep_config`.

    Its choices make a configuration that many jobs share; its other overrides are put into a copy of that, in their
    order, as Hydra does. What cannot be done so is left to Hydra, and so are errors.
    """
    try:
        overrides = OverridesParser.create().parse_overrides(sweep_overrides)
        if any(map(_is_for_hydra, overrides)):
            return HYDRA_S_JOB(self, master_config, sweep_overrides)
        choices = [each for each in overrides if _chooses(self, each)]
        cfg = _of_choices(self, master_config, [str(each.input_line) for each in choices])
        self._apply_overrides_to_config([each for each in overrides if each not in choices], cfg)
    except (HydraException, OmegaConfBaseException):
        return HYDRA_S_JOB(self, master_config, sweep_overrides)
    own = [each for each in overrides if not each.is_hydra_override()]
    of_hydra = [each.input_line for each in overrides if each.is_hydra_override()]
    cfg.hydra.overrides.task = [each.input_line for each in own]
    cfg.hydra.overrides.hydra = [*master_config.hydra.overrides.hydra, *of_hydra]
    options = cfg.hydra.job.config.override_dirname
    cfg.hydra.job.override_dirname = config_loader_impl.get_overrides_dirname(
        overrides=own, kv_sep=options.kv_sep, item_sep=options.item_sep, exclude_keys=options.exclude_keys
    )
    OmegaConf.copy_cache(from_config=master_config, to_config=cfg)
    return cfg


def forget() -> None:
    """Yamls are read again, of which another sweep of this process may have others."""
    _kinds.clear()


def _of_choices(loader: ConfigLoaderImpl, master: DictConfig, choices: list[str]) -> DictConfig:
    sources = [(each.provider, each.path) for each in loader.get_sources()]
    key = (master.hydra.job.config_name, *master.hydra.overrides.hydra, None, *choices, *sources, os.getcwd())
    if key not in _kinds:
        composed = HYDRA_S_JOB(loader, master, choices)
        try:
            content = pickle.dumps(composed)
        except pickle.PicklingError:
            return (
                composed  # in a process that a job was sent to: `master` has classes that Hydra has loaded anew since
            )
        if len(_kinds) == _MOST:
            del _kinds[next(iter(_kinds))]
        _kinds[key] = content
    cfg: DictConfig = pickle.loads(_kinds[key])
    return cfg


def _is_for_hydra(override: Override) -> bool:
    """Whether Hydra itself has to see an override: what sweeps, and its own options, but where a search has its."""
    key = override.key_or_group
    return override.is_sweep_override() or (key.startswith("hydra") and not key.startswith("hydra.sweeper."))


def _chooses(loader: ConfigLoaderImpl, override: Override) -> bool:
    """As Hydra tells a choice of a group from a value."""
    exists: bool = loader.repository.group_exists(override.key_or_group)
    return exists and not isinstance(override.value(), dict)
