"""A trained model in use: audio in, annotations out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound, Sounds
from ricercar.data.batches.crops import to_float
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.predict import Logits, Pieces, Predict
from ricercar.harness.trained import Trained
from ricercar.use import hub, package
from ricercar.use.engine import SUFFIX, of_graph

log = logging.getLogger(__name__)
ENGINES = ("torch", "onnx")
Audio = str | Path | Sound | ArrayLike


def load(
    given: str | Path, accelerator: str | None = None, trust: Sequence[str] = (), engine: str | None = None
) -> "Model":
    """The model of a finished run, of a package, or of a file of ONNX that export.py wrote.

    given         the run's folder, or the package's; or OWNER/NAME[@REVISION] of the hub, or hub:OWNER/NAME; or a file
                  that export.py wrote (.onnx)
    accelerator   cpu, gpu or auto; None: the kind that it was trained on, or the CPU where there is none here
    trust         packages of Python, beside Ricercar, whose classes a package may name: their code is run
    engine        torch, or onnx: the graph that export.py wrote of a run, RUN/export/model.onnx, by onnxruntime on the
                  CPU; None: onnx of a file of ONNX, else torch
    Of a run, code of your own that it names is imported, as train.py did: load the runs of people whom you trust.
    InputError where there is neither, or it does not fit this version of the code.
    """
    if engine == "onnx" or (engine is None and Path(given).suffix == SUFFIX):
        if accelerator not in (None, "auto", "cpu"):
            raise InputError(f"accelerator {accelerator}: graphs of ONNX are computed on the CPU.")
        return Model(of_graph(Path(given).expanduser(), trust), "cpu")
    if (place := hub.Place.found_in(str(given))) is not None:
        try:
            pulled = hub.pull(place)
        except InputError as error:
            raise InputError(f"{given}: there is no such folder, and as a name of the hub: {error}") from error
        return Model(package.trained(pulled, trust), accelerator)
    folder = Path(given).expanduser()
    if package.is_package(folder):
        return Model(package.trained(folder, trust), accelerator)
    if not folder.is_dir():
        raise InputError(
            f"{given}: there is no such folder. Give that of a finished run or of a package, or OWNER/NAME of the hub."
        )
    return Model(Trained.of_run(folder), accelerator)


class Model:
    """Audio -> annotations, the same that the run itself would be scored by.

        model = ricercar.load("outputs/notes-synth-hcqt-harmonic_cnn-s0-1a2b3c4d")
        notes = model("song.mp3")
        notes.write(Path("song.mid"))

    Several threads may use one model: the network computes for one at a time.

    name          of the run
    tasks         {name: task}
    sample_rate   Hz, what the network hears: all else is resampled to it
    fps           frames per second
    """

    def __init__(self, trained: Trained, accelerator: str | None) -> None:
        cfg = trained.cfg
        self.trained = trained
        self.name, self.tasks = trained.name, trained.tasks
        self.sample_rate: int = cfg.sample_rate
        self.fps: float = cfg.sample_rate / cfg.hop_length
        self.device = assemble.device_of(cfg.hardware, accelerator)
        self._net = trained.net.to(self.device).eval()
        self._make_windows = assemble.passing_windows(cfg, self._net.frontend, Sounds(self.sample_rate), self.device)
        self._lock = Lock()

    def __call__(self, audio: Audio, sample_rate: int | None = None) -> Annotation | dict[str, Annotation]:
        """What the model hears in a file, or in an array of that sample rate; of several tasks {task: annotation}.

        audio   a path, or (samples,) or (samples, channels) as soundfile gives them
        """
        [estimates] = self.batch([self.sound(audio, sample_rate)])
        return estimates if len(self.tasks) > 1 else next(iter(estimates.values()))

    def batch(self, sounds: Sequence[Sound]) -> list[dict[str, Annotation]]:
        """{task: annotation} of each. Short ones share the network's batches, which is faster than one by one."""
        return list(self.each(sounds))

    def each(self, sounds: Sequence[Sound]) -> Iterator[dict[str, Annotation]]:
        """As `batch`, each as soon as it is there."""
        for logits in self._logits(sounds):
            yield self.decode(logits)

    def activations(self, audio: Audio, sample_rate: int | None = None) -> "Activations":
        """What the network says before it is decoded."""
        logits = self.logits(self.sound(audio, sample_rate))
        if len(self.tasks) == 1:
            logits = self.tasks.of(next(iter(self.tasks)), logits)
        return Activations(logits, self.fps)

    def logits(self, sound: Sound) -> Logits:
        """{task/output: as the network says it}."""
        [logits] = self._logits([sound])
        return logits

    @torch.no_grad()
    def window(self, samples: NDArray[np.int16]) -> Logits:
        """{task/output: (T, K)} of one window of audio, whose frames all count."""
        assert len(samples) == (self.trained.cfg.window_frames - 1) * self.trained.cfg.hop_length
        valid = torch.ones(1, self.trained.cfg.window_frames, dtype=torch.bool, device=self.device)
        with self._lock:
            found = self._net(to_float(torch.from_numpy(samples.copy())[None].to(self.device)), valid)
        return {name: values[0].cpu().numpy() for name, values in found.items()}

    def sound(self, audio: Audio, sample_rate: int | None = None) -> Sound:
        """Audio as the network hears it. InputError where it is none; what does not hold of its length is logged."""
        if isinstance(audio, Sound):
            if audio.sample_rate != self.sample_rate:
                raise InputError(f"a sound at {audio.sample_rate} Hz: this model hears {self.sample_rate} Hz.")
            return audio
        if not isinstance(audio, str | Path):
            return Sound.make(audio, sample_rate, self.sample_rate)
        if sample_rate is not None:
            raise InputError(f"sample_rate={sample_rate}: a file says its own; the option is for arrays.")
        sound = Sound.read(audio, self.sample_rate)
        if sound.flaw:
            log.warning("Audio file %s: %s. What is there is used.", audio, sound.flaw)
        return sound

    def describe(self) -> dict[str, Any]:
        """What it is, in plain values: tasks, scores, window, size."""
        cfg, results = self.trained.cfg, self.trained.results
        first = next(iter(results.values()))
        return {
            "name": self.name,
            "run_id": first.run_id,
            "tasks": {
                name: {
                    "annotation": task.annotation.name,
                    "primary": results[name].primary,
                    "score": results[name].metrics[results[name].primary],
                    "data": results[name].dataset.name,
                    "split": results[name].dataset.split,
                }
                for name, task in self.tasks.items()
            },
            "sample_rate": self.sample_rate,
            "frames_per_second": self.fps,
            "window_s": (cfg.window_frames - 1) / self.fps,
            "border_s": cfg.border_frames / self.fps,
            "num_params": first.cost.params,
            "device": str(self.device),
            "version": first.versions.get("ricercar"),
        }

    @property
    def batch_size(self) -> int:
        """Windows that the network takes at once."""
        size: int = self.trained.cfg.trainer.batch_size
        return size

    def pieces(self, sound: Sound) -> Pieces:
        """A sound in windows, to be taken through the network by `through` beside those of others."""
        return self._predict().pieces(self._net, sound.track())

    def through(self, chunk: Sequence[tuple[Pieces, int]]) -> None:
        """Takes windows of pieces through the network, which is this thread's alone meanwhile."""
        with self._lock:
            self._predict().through(self._net, chunk)

    def decode(self, logits: Logits) -> dict[str, Annotation]:
        """The logits of a whole recording -> {task: annotation}"""
        return {name: task.decode(self.tasks.of(name, logits), self.fps) for name, task in self.tasks.items()}

    def _logits(self, sounds: Sequence[Sound]) -> Iterator[Logits]:
        """Of each, while the network is this thread's alone."""
        found = self._predict()(self._net, [sound.track() for sound in sounds])
        while True:
            with self._lock:
                track_and_logits = next(found, None)
            if track_and_logits is None:
                return
            yield track_and_logits[1]

    def _predict(self) -> Predict:
        cfg = self.trained.cfg
        return Predict(
            windows=self._make_windows(),
            num_frames=cfg.window_frames,
            border_frames=cfg.border_frames,
            batch_size=self.batch_size,
            device=self.device,
        )


@dataclass(frozen=True)
class Activations(Mapping[str, NDArray[np.float32]]):
    """{output: (T, K) logits}, of several tasks {task/output: ...}; (K,) of an output about the whole recording.

    They are what the task's loss was computed of: a sigmoid or a softmax away from probabilities. Tokens are (W, S).

    fps   frames per second
    """

    outputs: Mapping[str, NDArray[Any]]
    fps: float

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def time_s(self, name: str) -> NDArray[np.float64]:
        """(T,) the times of an output's frames, in seconds."""
        return np.arange(len(self[name])) / self.fps
