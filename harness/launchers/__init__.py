"""Launchers: hydra/launcher=NAME says where the jobs of a sweep run. Here Hydra comes to know of them.

It takes for a launcher what a package hydra_plugins has, which is there where a plugin of others is.
"""

import sys
from importlib import import_module
from types import ModuleType

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from ricercar.harness.launchers.before import check_jobs
from ricercar.harness.launchers.joblib import Joblib
from ricercar.harness.launchers.ray import Ray
from ricercar.harness.launchers.slurm import Slurm


def _register() -> None:
    module = ModuleType("hydra_plugins.ricercar")
    sys.modules[module.__name__] = module
    try:
        import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        package.__path__ = []
    for launcher in (Joblib, Slurm, Ray):
        launcher.__module__ = module.__name__
        setattr(module, launcher.__name__, launcher)
        Plugins.instance().register(launcher)


_register()
Sweeper.validate_batch_is_legal = check_jobs  # type: ignore[assignment, method-assign]  # which composes all of them
