"""A configuration that means the same in every folder, on every machine and tomorrow."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from ricercar.data.annotations.formats.rows import read_text
from ricercar.data.sources.index import SOUNDS, scan_index
from ricercar.data.sources.rendering.soundfont import SoundFont
from ricercar.errors import InputError
from ricercar.harness.identity import PINNED, PLACES, class_hashes, determining, stable_hash
from ricercar.harness.initial import content_hash
from ricercar.models.encoders.encoder import content_hash as hash_of_model

_BEGINNING = 1 << 20  # bytes
_FROM_OUTSIDE = re.compile(r"\$\{\s*[\w.]+\s*:")  # an interpolation by a resolver, such as ${oc.env:NAME}


def settled(cfg: DictConfig, base: Path) -> DictConfig:
    """A copy of `cfg` with values in place of what depends on where and when it is read.

    Paths of data begin at the root of the file system, those that were relative being so to `base`. What comes out of
    the environment stands there as its value, and so does the number of devices. `content` has a hash for each folder
    with an index.csv, of that and of the beginnings of its first and last recording, for each SoundFont, and for the
    weights to start from, or of an encoder: cheap to have before any data are read, the same for a copy elsewhere, and
    another for other tracks, other splits, or the same names of other sound. Where it is not there is none.
    """
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    own = {str(key): value for key, value in plain.items() if key not in ("hydra", "content", "classes")}
    resolved = OmegaConf.to_container(OmegaConf.create(own), resolve=True)
    content: dict[str, Any] = {}
    for node, values, key, path in _leaves(own, resolved, ()):
        if _FROM_OUTSIDE.search(str(node[key])):
            node[key] = values[key]
        if path[0] == "data" and key in PLACES and values[key] not in (None, "???", "", []):
            several = isinstance(values[key], list)
            places = [_absolute(base, each) for each in (values[key] if several else [values[key]])]
            node[key] = places if several else places[0]
            hashes = [_content_of(Path(str(place)), key) for place in places]
            if key not in PINNED and all(hashes):
                content[".".join(path)] = hashes if several else hashes[0]
        if path == ("frontend", "model") and isinstance(values[key], str):
            place = Path(str(_absolute(base, values[key])))
            if place.exists():
                node[key] = str(place)
                content["frontend.model"] = hash_of_model(place)
        if path == ("init", "from") and values[key] is not None:
            node[key] = _absolute(base, values[key])
            if (hashed := content_hash(Path(str(node[key])))) is not None:
                content["init.from"] = hashed
    hardware = own.get("hardware")
    if isinstance(hardware, dict) and str(hardware.get("devices")) in ("-1", "auto"):
        hardware["devices"] = _devices_here(str(hardware.get("accelerator")), hardware["devices"])
    classes = class_hashes(determining(own))
    found = OmegaConf.create(
        own | ({"content": content} if content else {}) | ({"classes": classes} if classes else {})
    )
    OmegaConf.set_struct(found, OmegaConf.is_struct(cfg))
    return found


def _absolute(base: Path, path: Any) -> Any:
    """What is no text stays as it is: it is refused elsewhere, by name."""
    return os.path.abspath(base / Path(path).expanduser()) if isinstance(path, str) else path


def _content_of(path: Path, key: str) -> str | None:
    """Hash of a SoundFont, a list of folds, or a folder with an index.csv; None for anything else."""
    try:
        if key == "folds_file":
            return _beginning(path)[:16]
        if not path.is_dir():
            return SoundFont(path).content_hash()[:16]
        rows, _ = scan_index(path)
        ends = [path / row.cells[sound] for row in (rows[0], rows[-1]) for sound in SOUNDS if sound in row.cells]
        return stable_hash([read_text(path / "index.csv").splitlines(), [_beginning(each) for each in ends]])
    except (OSError, InputError, IndexError):
        return None


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.sha256(opened.read(_BEGINNING)).hexdigest()


def _devices_here(accelerator: str, devices: Any) -> Any:
    """How many devices "all of them" are, as Fabric counts; as it is where there are none."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.device_count()
    return 1 if str(devices) == "auto" and accelerator in ("auto", "cpu", "mps") else devices


def _leaves(node: Any, values: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, Any, str, tuple[str, ...]]]:
    """(where an option is, where its resolved value is, its name there, its whole name) of each. A list is one."""
    for key, value in list(node.items()):
        here = (*path, str(key))
        if isinstance(value, dict):
            yield from _leaves(value, values[key], here)
        else:
            yield node, values, key, here
