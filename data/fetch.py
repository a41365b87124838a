"""ricercar fetch NAME: downloads one of mirdata's data sets, unpacks and checks it.

A second call goes on: downloads that were interrupted are continued, archives that are there are not downloaded again,
and where all files are there, they are only checked. Archives are unpacked, and their checksums checked, by mirdata.
"""

import argparse
import logging
import sys
import tarfile
import textwrap
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ricercar.data.sources.mirdata import known, library
from ricercar.data.sources.mirdata.adapter import Adapter
from ricercar.data.sources.mirdata.datasets import ADAPTERS
from ricercar.data.sources.mirdata.remote_file import download, md5_of
from ricercar.errors import InputError, exit_code


class _File(NamedTuple):
    path: Path
    md5: str | None
    is_audio: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """-> 0 if all files of the data set are there and whole."""
    parser = argparse.ArgumentParser(
        prog="ricercar fetch", description="Downloads one of mirdata's data sets, unpacks and checks it."
    )
    parser.add_argument("name", help=", ".join(ADAPTERS))
    parser.add_argument("--home", help="the data set's folder; default: ~/mir_datasets/NAME")
    parser.add_argument("--version", default="default", help="one of mirdata's versions of it, such as baby for slakh")
    given = parser.parse_args(arguments)
    return exit_code(lambda: fetch(given.name, given.home, given.version), ": the same command goes on from here")


def fetch(name: str, home: str | None, version: str) -> None:
    """InputError where something cannot be downloaded, or is missing or damaged in the end."""
    name = known(name)
    adapter = ADAPTERS[name]
    dataset = library.opened(name, home, version)
    _download_index(dataset)
    if any(not file.path.is_file() for file in _files(dataset, adapter) if not (file.is_audio and adapter.brought)):
        _download_data(dataset, adapter)
    _check(dataset, adapter)


def _download_index(dataset: Any) -> None:
    remote = dataset._index_data.remote
    if remote is not None and not Path(dataset.index_path).is_file():
        download(remote.url, Path(dataset.index_path), remote.checksum)


def _download_data(dataset: Any, adapter: Adapter) -> None:
    remotes = {key: remote for key, remote in (dataset.remotes or {}).items() if key != "index"}
    by_itself = dataset._index_data.partial_download or (["all"] if "all" in remotes else list(remotes))
    wanted = list(by_itself if adapter.remotes is None else adapter.remotes)
    home = Path(dataset.data_home)
    for key in wanted:
        remote = remotes[key]
        path = home / (remote.destination_dir or "") / remote.filename
        if not path.is_file():
            print(f"{dataset.name}: downloading {remote.url}")
            download(remote.url, path, remote.checksum)
    if wanted:
        print(f"{dataset.name}: unpacking in {home}")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # mirdata says as a warning what it is doing
        try:
            dataset.download(partial_download=wanted)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
            raise InputError(
                f"{dataset.name}: unpacking in {home} failed ({error}). Make room there, if that is it; otherwise "
                "delete the archive, and run the same command again."
            ) from error
        finally:
            logging.disable(before)


def _check(dataset: Any, adapter: Adapter) -> None:
    """Says what is missing, and what is not the file that mirdata knows."""
    files = list(_files(dataset, adapter))
    missing = [file for file in files if not file.path.is_file()]
    there = [file for file in files if file.md5 and file.path.is_file()]
    other = [file for file in tqdm(there, desc="checking", unit="file", disable=None) if md5_of(file.path) != file.md5]
    mine = [file for file in other if file.is_audio and adapter.brought]
    damaged = [file for file in other if file not in mine]
    if mine:
        print(
            f"{dataset.name}: {len(mine)} recordings are not byte for byte those that mirdata knows, such as "
            f"{mine[0].path}. The annotations may be shifted against them."
        )
    if damaged:
        raise InputError(
            f"{dataset.name}: {len(damaged)} of {len(files)} files are damaged or of another version, such as "
            f"{damaged[0].path}. Delete them, and run the same command again."
        )
    if missing:
        what = f"{len(missing)} of {len(files)} files are missing, such as {missing[0].path}."
        if adapter.brought:
            told = textwrap.dedent((dataset._download_info or "").replace("{}", str(dataset.data_home))).strip()
            what += f" {adapter.brought}" + (f"\nmirdata says:\n{told}" if told else "")
        else:
            what += " Delete the archives in the folder, and run the same command again."
        raise InputError(f"{dataset.name}: {what}")
    print(f"{dataset.name}: all {len(files)} files are in {dataset.data_home}, and whole.")


def _files(dataset: Any, adapter: Adapter) -> Iterator[_File]:
    """The files of the index, each once, without those that nothing here reads."""
    index = library.index_of(dataset)
    home = Path(dataset.data_home)
    seen = set()
    entries: list[tuple[str, Any]] = [("", each) for each in (index.get("metadata") or {}).values()]
    for kind in ("tracks", "multitracks"):
        for track in (index.get(kind) or {}).values():
            entries += [(name, each) for name, each in track.items() if name not in ("tracks", *adapter.skipped)]
    for name, (path, md5) in entries:
        if path is not None and path not in seen:
            seen.add(path)
            yield _File(home / path, md5, name == adapter.audio)


def cli() -> None:
    """The command."""
    sys.exit(main())


if __name__ == "__main__":
    cli()
