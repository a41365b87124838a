"""Ricercar: a benchmark harness for music information retrieval."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds, and whoever asks for the version does without
    from collections.abc import Sequence
    from pathlib import Path

    from ricercar.use.model import Model

__version__ = "0.1.0"


def load(
    given: "str | Path", accelerator: str | None = None, trust: "Sequence[str]" = (), engine: str | None = None
) -> "Model":
    """The model of a finished run, or of a package, to be used: see ricercar.use.model.load."""
    from ricercar.use import model

    return model.load(given, accelerator, trust, engine)
