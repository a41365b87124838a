"""Plugins of our own for Hydra: launchers and sweepers."""

import sys
from importlib import import_module
from types import ModuleType

from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin

_MODULE = "hydra_plugins.ricercar"


def register(*plugins: type[Plugin]) -> None:
    """Hydra takes for a plugin what a package hydra_plugins has, which is there where a plugin of others is."""
    try:
        import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        package.__path__ = []
    module = sys.modules.setdefault(_MODULE, ModuleType(_MODULE))
    for plugin in plugins:
        plugin.__module__ = _MODULE
        setattr(module, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
