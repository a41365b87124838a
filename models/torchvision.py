"""torchvision beside a torch built for the CPU: packages that import it, and never call it here, can be imported."""

import importlib
import sys

import torch

# The schemas of torchvision's compiled operators, kept alive here.
_operators: torch.library.Library | None = None


def mend_torchvision() -> None:
    """Imports torchvision, where it is installed; to be called before a package that does.

    Its wheel for CUDA cannot load its operators beside a torch built for the CPU, and dies on the first missing one.
    Nothing here calls them: declared without an implementation, they do. Declaring them first would clash with a
    torchvision in good health.
    """
    global _operators
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _operators = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            _operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        importlib.import_module("torchvision")
