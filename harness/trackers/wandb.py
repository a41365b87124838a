"""Weights & Biases (W&B). The only module that imports wandb."""

import logging
import math
import netrc
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import wandb
from numpy.typing import NDArray

from ricercar.errors import InputError
from ricercar.harness.trackers.tracker import Image, RunLabel, Tracker

log = logging.getLogger(__name__)

_MODES = ("auto", "online", "offline", "disabled")
_WORDS = {"dryrun": "offline", "run": "online"}  # of WANDB_MODE, as wandb has them too
_PROJECT = "ricercar"
_CONNECT_S = 20.0  # wandb's own limit, 90 s, is spent in silence where there is no network
_TAG_LENGTH = 64  # wandb refuses longer ones
_UPLOAD_S = 600.0  # at the end; what is not uploaded by then stays on disk


_taken: set[str] = set()  # ids of agents' runs that this process has begun
_unreachable: set[str] = set()  # servers that did not answer this process, or refused: later jobs do not wait again


class Wandb(Tracker):
    """One W&B run for each job, its files in <run folder>/wandb, or in $WANDB_DIR/wandb. It never asks for a key.

    project   None: the environment's WANDB_PROJECT, else ricercar
    entity    None: WANDB_ENTITY, else the key's own
    mode
      auto       disabled by WANDB_DISABLED=true; else WANDB_MODE; without it online where there is a key, else offline
      online     InputError without a key. Where the server does not answer within 20 s, or refuses: a warning, and
                 offline, as are the later runs of this process, at once. Uploading is given up 10 minutes after the
                 end; `wandb sync` of the run's folder goes on
      offline    to be uploaded later by `wandb sync`
      disabled   nothing is kept

    A resumed run goes on under the same W&B id. Offline that is a second folder beside the first one;
    `wandb sync` of both, in one command, makes one run of them.

    Started by `wandb agent`, it is the run that the agent's sweep has made, in the sweep's project.
    """

    def __init__(
        self, *, project: str | None, entity: str | None, group: str | None, tags: list[str], mode: str
    ) -> None:
        if mode not in _MODES:
            raise InputError(f"tracker.mode={mode!r} is not known: choose one of {', '.join(_MODES)}.")
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise InputError(f"tracker.tags={tags!r} must be a list of texts, such as tracker.tags=[maps,draft].")
        self.project: str | None = project or os.environ.get("WANDB_PROJECT") or _PROJECT
        self.entity = entity or os.environ.get("WANDB_ENTITY") or None
        self.group, self.tags = group, tags
        self.mode = _resolved(mode)
        if _agent():  # whose sweep has both: wandb would warn of others
            self.project = self.entity = None
        self._run: wandb.Run | None = None
        self._folder = Path()
        self._axes: set[str] = set()

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        assert self._run is None
        if (of_agent := _agent()) and of_agent in _taken:
            raise InputError(
                "wandb agent starts a command for each run: in its sweep, do without -m and seeds_per_job."
            )
        _taken.add(of_agent or "")
        self._folder = _folder(run_dir, self.mode)
        fixed = {
            "dir": str(self._folder),
            "name": label.name,
            "config": {**config, "run_id": label.id},
            "group": self.group or label.group,
            "job_type": label.kind,
            "tags": [*self.tags, *(tag[:_TAG_LENGTH] for tag in label.tags if tag not in self.tags)],
        }
        mode = self.mode
        server = wandb.setup().settings.base_url if mode == "online" else ""
        if mode == "online" and server in _unreachable:
            log.info("W&B at %s failed an earlier run of this process: this one is kept offline", server)
            mode = "offline"
        try:
            try:
                self._run = self._init(mode=mode, **_identity(run_dir, mode, resumed), **fixed)
            except wandb.errors.UsageError:
                raise
            except wandb.errors.Error as error:
                if mode != "online":
                    raise
                _unreachable.add(server)
                log.warning("W&B does not start online, the run is kept offline: %s", str(error).partition("\n")[0])
                # The id of the failed attempt is taken in this process.
                self._run = self._init(mode="offline", **_identity(run_dir, "offline", False), **fixed)
        except (wandb.errors.UsageError, ValueError) as error:
            raise InputError(f"W&B does not take these options of tracker: {error}") from error
        if not self._run.offline and not self._run.disabled:
            log.info("W&B run: %s", self._run.url)

    def _init(self, **options: Any) -> wandb.Run:
        quiet = not sys.stdout.isatty()
        settings = wandb.Settings(
            reinit="create_new",  # a run of its own, whatever other run is open
            init_timeout=_CONNECT_S,
            finish_timeout=_UPLOAD_S,
            silent=quiet,
            console="off" if quiet else "auto",
            disable_git=True,  # it would look in the run's folder; result.json names the commit
        )
        return wandb.init(settings=settings, project=self.project, entity=self.entity, **options)

    def configure(self, config: dict[str, Any]) -> None:
        self._started().config.update(config, allow_val_change=True)  # type: ignore[no-untyped-call]

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._log(step, values)

    def log_histogram(self, step: int, name: str, counts: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        self._log(step, {name: wandb.Histogram(np_histogram=(counts.tolist(), edges.tolist()))})

    def _log(self, step: int, values: Mapping[str, Any]) -> None:
        # An axis of our own: W&B's counter only grows, a resumed run goes back to its last checkpoint.
        run = self._started()
        for name in values:
            family = f"{name.split('/')[0]}/*" if "/" in name else name
            if family not in self._axes:
                run.define_metric(family, step_metric="step")
                self._axes.add(family)
        run.log({"step": step, **values})

    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns: list[str | int] = list(dict.fromkeys(column for row in rows for column in row))
        data = [[_cell(row.get(str(column))) for column in columns] for row in rows]
        with _staging(self._folder):
            self._started().log({name: wandb.Table(columns=columns, data=data)})

    def log_image(self, name: str, image: Image) -> None:
        self._started().log({name: wandb.Image(str(image) if isinstance(image, Path) else image)})

    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        self._started().log({name: wandb.Audio(audio, sample_rate=sample_rate, caption=caption)})

    def log_files(self, name: str, paths: Sequence[Path]) -> None:
        """An artifact of that name and type, with the files; pages (.html) are shown besides."""
        run = self._started()
        artifact = wandb.Artifact(name, type=name)
        with _staging(self._folder):
            for path in paths:
                artifact.add_file(str(path))
                if path.suffix == ".html":
                    run.log({path.stem: wandb.Html(str(path), inject=False)})
            run.log_artifact(artifact)

    def summary(self, values: Mapping[str, float | str]) -> None:
        self._started().summary.update(dict(values))

    def close(self, exit_code: int) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        run.finish(exit_code=exit_code)
        if run.offline and not run.disabled:
            parts = sorted(Path(run.settings.wandb_dir).glob(f"offline-run-*-{run.id}*"))  # -1, of one second
            log.info("W&B run kept offline; to upload it: wandb sync %s", shlex.join(map(str, parts)))

    def _started(self) -> wandb.Run:
        assert self._run is not None, "start comes first"
        return self._run


def _resolved(mode: str) -> str:
    """What `auto` means here. InputError where online is asked for without a key, which wandb would prompt for."""
    if mode == "auto" and os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on"):
        return "disabled"
    asked = os.environ.get("WANDB_MODE") if mode == "auto" else mode
    if not asked:
        return "online" if _has_key() else "offline"
    asked = _WORDS.get(asked, asked)
    if asked not in _MODES[1:]:
        raise InputError(f"WANDB_MODE={asked!r} is not known: choose one of {', '.join([*_MODES[1:], *_WORDS])}.")
    if asked == "online" and not _has_key():
        raise InputError(
            "tracker.mode=online (or WANDB_MODE) needs an API key, and there is none: run `wandb login` once, "
            "set WANDB_API_KEY, or choose tracker.mode=offline."
        )
    return asked


def _has_key() -> bool:
    """Where wandb looks for a key: the environment, its settings, and netrc."""
    settings = wandb.setup().settings
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or settings.api_key:
        return True
    given = os.environ.get("NETRC")
    candidates = [Path(given)] if given else [Path("~/.netrc"), Path("~/_netrc")]
    host = urlsplit(settings.base_url).netloc
    return any(_has_password(path.expanduser(), host) for path in candidates)


def _has_password(path: Path, host: str) -> bool:
    try:
        credentials = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return False
    return credentials is not None and bool(credentials[2])


def _folder(run_dir: Path, mode: str) -> Path:
    """Where W&B's files go: it would take a temporary folder in place of one that is not there."""
    given = os.environ.get("WANDB_DIR")
    if not given or mode == "disabled":
        return run_dir
    try:
        Path(given).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"WANDB_DIR={given} cannot be used: {error.strerror}. Unset it, or name a folder.") from error
    return Path(given)


def _identity(run_dir: Path, mode: str, resumed: bool) -> dict[str, Any]:
    """The W&B id, new or as the run had it. Runs that repeat each other share run_id, so it cannot serve as one."""
    if mode == "disabled":
        return {}
    path = run_dir / "wandb" / "id"
    try:
        if resumed and path.exists() and not _agent():
            return {"id": path.read_text().strip(), "resume": "allow"}
        wandb_id = _agent() or secrets.token_hex(6)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wandb_id + "\n")
    except OSError as error:
        raise InputError(f"cannot use the run's folder {run_dir}: {error.strerror}.") from error
    return {} if _agent() else {"id": wandb_id}


def _agent() -> str | None:
    """The id of the run that `wandb agent` has started this process for, and that wandb takes whatever it is told."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


@contextmanager
def _staging(folder: Path) -> Iterator[None]:
    """Tables wait for their upload beside W&B's files, not in the home folder, which may be read-only or another's."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str((folder / "wandb").absolute())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
