"""A file from the web, which a second attempt goes on with where the first was interrupted."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ricercar.errors import InputError

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_COMPLETE = 416  # "range not satisfiable": all of it is here already


def download(url: str, path: Path, md5: str) -> None:
    """Downloads `url` to `path`; what is there of it lies in <path>.part until it is whole and its MD5 is `md5`.

    A server that cannot send the rest of a file sends it from the beginning. InputError says what to do.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, path.name)
        found = md5_of(part)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{url} cannot be downloaded ({reason}). Check the connection and run the same command again: it goes on "
            f"from what has come. Or get the file by other means and save it as {path}."
        ) from error
    except OSError as error:
        raise InputError(f"{part} cannot be written: {error.strerror or error}.") from error
    if found != md5:
        part.unlink()
        raise InputError(
            f"{url} is not the file that mirdata knows: its MD5 is {found}, not {md5}. It was deleted. Try again; "
            f"if it stays so, get the file by other means and save it as {path}."
        )
    part.replace(path)


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _receive(url: str, part: Path, name: str) -> None:
    there = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "ricercar"} | ({"Range": f"bytes={there}-"} if there else {})
    try:
        response: Any = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if there and error.code == _COMPLETE:
            return
        raise
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        there = there if goes_on else 0
        length = response.headers["Content-Length"]
        total = there + int(length) if length else None
        with (
            part.open("ab" if goes_on else "wb") as file,
            tqdm(desc=name, total=total, initial=there, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"it broke off after {part.stat().st_size:,} of {total:,} bytes")
