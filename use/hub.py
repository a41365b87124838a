"""Packages on the Hugging Face hub, or any server that speaks its protocol (the environment's HF_ENDPOINT)."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ricercar.errors import InputError
from ricercar.use import package

_PLACE = re.compile(r"(?:hub:)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


class Place(NamedTuple):
    """A repository of the hub. revision: branch, tag or commit; None: the newest."""

    repo: str
    revision: str | None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """InputError where it is no name of the hub."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise InputError(f"{text!r} is no name of the hub: OWNER/NAME, or OWNER/NAME@REVISION.")
        return cls(found["repo"], found["revision"])

    @classmethod
    def found_in(cls, text: str) -> "Place | None":
        """What is no file or folder here, and can be a name of the hub. hub:OWNER/NAME is one in any case."""
        if _PLACE.fullmatch(text) and (text.startswith("hub:") or not Path(text).exists()):
            return cls.parse(text)
        return None


def push(folder: Path, place: Place, private: bool, message: str, trust: Sequence[str] = ()) -> str:
    """Uploads a package, of which nothing but its own files, as one commit -> the commit's address.

    The repository is made where there is none. InputError where the folder is no whole package, and where the
    repository is public and must not be.
    """
    package.read(folder, trust)
    import huggingface_hub as hub  # here: it takes half a second, and load() of a folder does without

    files = sorted(path for pattern in package.FILES for path in folder.glob(pattern))
    added = [hub.CommitOperationAdd(str(path.relative_to(folder)), path) for path in files]
    with _told(place):
        api = hub.HfApi(library_name="ricercar")
        api.create_repo(place.repo, private=private, exist_ok=True)
        is_public = private and not api.repo_info(place.repo).private
    if is_public:
        raise InputError(f"{place}: --private, but the repository is there already, and public.")
    with _told(place):
        if place.revision is not None:
            api.create_branch(place.repo, branch=place.revision, exist_ok=True)
        commit = api.create_commit(place.repo, added, commit_message=message, revision=place.revision)
    return str(commit.commit_url)


def pull(place: Place, folder: Path | None = None) -> Path:
    """Downloads the files of a package, and no others -> their folder; None: where the hub's client keeps them."""
    import huggingface_hub as hub

    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already, and not empty: give a new folder.")
    with _told(place):
        found = hub.snapshot_download(
            place.repo, revision=place.revision, local_dir=folder, allow_patterns=list(package.FILES),
            library_name="ricercar",
        )  # fmt: skip
    if not (Path(found) / package.CONFIG).is_file():
        raise InputError(f"{place} is no package of Ricercar: it has no {package.CONFIG}.")
    return Path(found)


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """What the hub, or the way there, says is an InputError."""
    from huggingface_hub import errors, logging

    logging.set_verbosity_error()  # what it warns of, and more, is told here
    try:
        yield
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{place}: there is no such repository on the hub, or a private one: `hf auth login`, or set HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{place}: the repository has no such revision.") from error
    except errors.LocalTokenNotFoundError as error:
        raise InputError(f"{place}: no token to write with: `hf auth login`, or set HF_TOKEN.") from error
    except (errors.HfHubHTTPError, errors.HFValidationError, errors.HTTPError, ValueError, OSError) as error:
        raise InputError(f"{place}: the hub cannot be used: {' '.join(str(error).split())[:300]}") from error
