"""Recordings in files -> files of what a model hears in them."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import soundfile
import torch

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.data.files import NO_ROOM
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.command import user_error
from ricercar.harness.processes import end_with
from ricercar.use import page, playing
from ricercar.use.model import Model, load

log = logging.getLogger(__name__)
AUDIO = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64",
         ".rf64", ".sph")  # fmt: skip
PLAYED, PAGE = ".play.wav", ".html"


@dataclass(frozen=True)
class Recording:
    """An audio file, and what the files of its estimates are called: a path without an ending, below the output."""

    path: Path
    name: Path


def recordings(given: Sequence[str]) -> list[Recording]:
    """Of files, whatever their endings, and of the audio files in folders and the folders in them, whose tree is kept.

    InputError where there is nothing, or two would have estimates of one name.
    """
    found = []
    for each in given:
        path = Path(each).expanduser()
        if "://" in each:
            raise InputError(f"{each} is an address: download the file first, and give its path.")
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in AUDIO and file.is_file())
            if not inside:
                raise InputError(f"{each}: there is no audio in this folder: no file ends in {', '.join(AUDIO)}.")
            found += [Recording(file, file.relative_to(path).with_suffix("")) for file in inside]
        elif path.exists():
            found.append(Recording(path, Path(path.stem)))
        else:
            raise InputError(f"{each}: there is no such file or folder.")
    names: dict[Path, Path] = {}
    for recording in found:
        other = names.setdefault(recording.name, recording.path)
        if other.resolve() != recording.path.resolve():
            raise InputError(
                f"{other} and {recording.path}: the estimates of both would be called {recording.name}. "
                "Rename one, or give each an --output of its own."
            )
    return list({recording.name: recording for recording in found}.values())


@dataclass(frozen=True)
class Wanted:
    """What is written for each recording.

    output          the folder; of several tasks each has one in it
    formats         names, as of Annotation.formats; empty: each kind's own
    skip_existing   recordings that have all of their files are left out
    play            also a sound file with the recording to the left and what was heard to the right
    page            also a page with the recording and what was heard, of all tasks, at the output's root
    """

    output: Path
    formats: tuple[str, ...]
    skip_existing: bool
    play: bool
    page: bool

    def check(self, model: Model) -> None:
        """InputError for a format that no task of the model has, and for a folder that cannot be written to."""
        kinds = [task.annotation for task in model.tasks.values()]
        for each in self.formats:
            if not any(each in kind.formats() for kind in kinds):
                there = list(dict.fromkeys(name for kind in kinds for name in kind.formats()))
                raise InputError(f"--format {each}: {model.name} writes {', '.join(there)}.")
        if self.play and not any(playing.can_play(kind) for kind in kinds):
            raise InputError(f"--play: there is no sound for {', '.join(kind.name for kind in kinds)}.")
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritten(self.output, error) from error
        if not os.access(self.output, os.W_OK):
            raise InputError(f"--output {self.output}: writing there is not allowed. Give another folder.")

    def paths(self, model: Model, name: Path) -> dict[str, list[Path]]:
        """{task: the files of its estimate}."""
        folders = assemble.folders(self.output, model.tasks)
        return {task: self._of_task(folders[task] / name, each.annotation) for task, each in model.tasks.items()}

    def page_path(self, name: Path) -> Path | None:
        """The page; None where none is wanted."""
        return Path(f"{self.output / name}{PAGE}") if self.page else None

    def _of_task(self, stem: Path, kind: type[Annotation]) -> list[Path]:
        there = kind.formats()
        names = self.formats or (next(iter(there)),)
        endings = [there[each] for each in names if each in there]
        return [Path(f"{stem}{each}") for each in endings + [PLAYED] * (self.play and playing.can_play(kind))]


@dataclass(frozen=True)
class Done:
    """What became of a recording. problem: what its user can mend; empty where all went well."""

    recording: Recording
    duration_s: float = 0.0
    skipped: bool = False
    problem: str = ""


def predicted(model: Model, recording: Recording, wanted: Wanted) -> Done:
    """Writes the estimates of a recording, each file whole or not at all. What is wrong with the recording itself is no
    error here; InputError where the output cannot be written.
    """
    paths, paged = wanted.paths(model, recording.name), wanted.page_path(recording.name)
    every = [*(path for own in paths.values() for path in own), *([paged] if paged else [])]
    if wanted.skip_existing and all(path.exists() for path in every):
        return Done(recording, skipped=True)
    try:
        sound = model.sound(recording.path)
        [estimates] = model.batch([sound])
    except (InputError, MemoryError, RuntimeError) as error:
        mended = user_error(error)
        if mended is None:
            raise
        named = str(mended) if str(recording.path) in str(mended) else f"{recording.path}: {mended}"
        return Done(recording, problem=named)
    if not sound.samples.any():
        log.warning("%s is silent.", recording.path)
    for task, own in paths.items():
        for path in own:
            _write(path, partial(_write_estimate, estimates[task], sound))
    if paged:
        if sound.duration_s > page.LONGEST_S:
            log.warning(
                "%s: %.1f s are too long for a page, which shows the first %g.",
                recording.path, sound.duration_s, page.LONGEST_S,
            )  # fmt: skip
        text = page.page(model, recording.path.name, sound, estimates)
        _write(paged, lambda path: path.write_text(text, encoding="utf-8"))
    return Done(recording, sound.duration_s)


@dataclass(frozen=True)
class Loading:
    """How each process gets the model: see `load`."""

    given: str
    accelerator: str | None
    trust: Sequence[str]
    engine: str | None

    def load(self) -> Model:
        return load(self.given, self.accelerator, self.trust, self.engine)


def predict_all(
    model: Model, loading: Loading, found: Sequence[Recording], wanted: Wanted, num_processes: int
) -> Iterator[Done]:
    """Each recording as soon as it is done: in this process, or in several, which share the cores, in any order.

    InputError where the output cannot be written, or a process was killed.
    """
    num_processes = min(num_processes, len(found))
    if num_processes == 1:
        yield from (predicted(model, recording, wanted) for recording in found)
        return
    with ProcessPoolExecutor(
        num_processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(os.getpid(), loading, max(1, (os.cpu_count() or 1) // num_processes)),
    ) as pool:
        futures = [pool.submit(_work, recording, wanted) for recording in found]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                f"a process that predicts was killed, for want of memory? Give fewer than --jobs {num_processes}; "
                "--skip-existing goes on after what is written."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_model: Model | None = None  # of a process that predicts


def _begin(parent: int, loading: Loading, num_threads: int) -> None:
    global _model
    torch.set_num_threads(num_threads)
    end_with(parent)
    _model = loading.load()


def _work(recording: Recording, wanted: Wanted) -> Done:
    assert _model is not None
    return predicted(_model, recording, wanted)


def _write_estimate(estimate: Annotation, sound: Sound, path: Path) -> None:
    if path.name.endswith(PLAYED):
        both = playing.beside(sound.samples, estimate, sound.sample_rate)
        soundfile.write(path, both, sound.sample_rate, subtype="PCM_16")
    else:
        estimate.write(path, sound.duration_s)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """A file, whole or not at all. write: of what is in it, to a path. InputError where it cannot be written."""
    partly = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partly)
        os.replace(partly, path)
    except (OSError, soundfile.SoundFileError) as error:
        partly.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    except BaseException:
        partly.unlink(missing_ok=True)
        raise


def _unwritten(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    full = isinstance(error, OSError) and error.errno in NO_ROOM
    advice = "Make room" if full else "Allow writing there, or give another --output"
    return InputError(
        f"cannot write {path}: {reason}. {advice}; what is written stays, and --skip-existing goes on after it."
    )


def summary(done: Iterable[Done], elapsed_s: float) -> str:
    """How many recordings went well, in what time, and by name those that did not."""
    every = list(done)
    failed = [each for each in every if each.problem]
    skipped = sum(each.skipped for each in every)
    heard_s = sum(each.duration_s for each in every)
    speed = f", {heard_s / 60:.1f} min of audio in {elapsed_s:.1f} s" if heard_s else ""
    lines = [f"{len(every) - len(failed) - skipped} of {len(every)} recordings{speed}"]
    lines += [f"{skipped} were there already"] * (skipped > 0)
    lines += [f"failed: {each.problem}" for each in failed]
    return "\n".join(lines)
