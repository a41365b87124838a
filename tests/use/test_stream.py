"""Streamed events are those of the whole recording, and come in time."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import ricercar
from configs import composed, make_task
from conftest import Here
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.errors import InputError
from ricercar.tasks.multitask import Multitask
from ricercar.use.stream import Pcm, Stream

FPS, HOP = 50.0, 320


class _Saying:
    """In place of a model: says what is written down for each frame of a recording, whatever it hears."""

    sample_rate = 16000
    fps = FPS

    def __init__(self, task: Any, logits: dict[str, Any]) -> None:
        self.trained = SimpleNamespace(cfg=composed("window_frames=60", "border_frames=7", f"hop_length={HOP}"))
        self.tasks = Multitask(parts={"it": task}, weights={})
        self.said, self.num_windows = logits, 0

    def window(self, samples: Any) -> dict[str, Any]:
        first = self.num_windows * 46 - 7
        self.num_windows += 1
        frames = np.arange(first, first + 60)
        num_frames = len(next(iter(self.said.values())))
        clipped = np.clip(frames, 0, num_frames - 1)
        return {f"it/{name}": values[clipped] for name, values in self.said.items()}


def random_logits(task: Any, num_frames: int, seed: int) -> dict[str, Any]:
    """Of random notes, with noise."""
    random = np.random.default_rng(seed)
    onset = np.sort(random.uniform(0.2, num_frames / FPS - 1, num_frames // 8))
    pitch = random.integers(40, 52, len(onset))  # few, so that many begin anew
    if task.annotation is Notes:
        annotation: Any = Notes.make(onset, onset + random.exponential(0.7, len(onset)) + 0.05, pitch)
    else:
        annotation = Onsets.make(onset)
    targets = task.encode(annotation, 0.0, num_frames, FPS)
    return {
        name: (8 * each - 4 + random.normal(0, 1.5, each.shape)).astype(np.float32) for name, each in targets.items()
    }


@pytest.mark.parametrize("num_frames", [1, 30, 46, 47, 500, 900])
@pytest.mark.parametrize("name", ["onset", "notes"])
@pytest.mark.parametrize("block", [999, 40_000])
def test_events_are_those_of_the_whole(name: str, num_frames: int, block: int) -> None:
    task = make_task(name)
    logits = random_logits(task, max(num_frames, 100), num_frames)
    logits = {key: values[:num_frames].copy() for key, values in logits.items()}
    logits["onset"][-10:] = -9.0  # a note that begins in the last frames has an end beyond the recording, of any length
    stream = Stream(_Saying(task, logits))  # type: ignore[arg-type]
    silence = np.zeros((num_frames - 1) * HOP, dtype=np.int16)
    events, heard_s = [], []
    for first in range(0, len(silence), block):
        for event in stream.push(silence[first : first + block]):
            events.append(event)
            heard_s.append(min(first + block, len(silence)) / 16000)
    late_s = [heard - each["time_s"] for heard, each in zip(heard_s, events, strict=True) if each["event"] != "off"]
    assert max(late_s, default=0.0) <= stream.latency_s + block / 16000
    events += stream.close()
    whole = task.decode(logits, FPS)
    if isinstance(whole, Onsets):
        np.testing.assert_allclose([each["time_s"] for each in events], whole.time_s, atol=2e-6)
        return
    begun = {each["number"]: each for each in events if each["event"] == "on"}
    ended = {each["number"]: each["time_s"] for each in events if each["event"] == "off"}
    assert sorted(begun) == sorted(ended)
    found = Notes.make(
        [each["time_s"] for each in begun.values()], [ended[number] for number in begun],
        [each["pitch"] for each in begun.values()], [each["velocity"] for each in begun.values()],
    )  # fmt: skip
    assert len(found) == len(whole)
    order, own = (np.lexsort((each.pitch, np.round(each.onset_s, 4))) for each in (found, whole))
    np.testing.assert_allclose(found.onset_s[order], whole.onset_s[own], atol=2e-6)
    np.testing.assert_allclose(found.offset_s[order], whole.offset_s[own], atol=2e-6)
    np.testing.assert_array_equal(found.pitch[order], whole.pitch[own])
    np.testing.assert_array_equal(found.velocity[order], whole.velocity[own])


def test_the_command_says_what_the_model_does(
    run_here: Here, onset_run: Path, tones: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two channels at another rate, in bytes that come in broken pieces."""
    song = tones / "audio" / "t3.wav"
    samples, _ = soundfile.read(song, dtype="int16")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(samples.tobytes())))
    code, told = run_here("predict.py", f"run={onset_run}", "--stream")
    assert code == 0
    assert "told 1.00 s after it sounds at most, by windows of 0.8 s every 0.6 s" in told
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    onsets = ricercar.load(onset_run, "cpu")(song)
    assert isinstance(onsets, Onsets)
    np.testing.assert_allclose([each["time_s"] for each in events], onsets.time_s, atol=1e-4)


def test_pcm_is_taken_in_any_pieces() -> None:
    import soxr

    sound = (10_000 * np.random.default_rng(0).uniform(-1, 1, (5000, 2))).astype("<i2")
    content, pcm, found = sound.tobytes(), Pcm(44100, 2, 16000), []
    for first in range(0, len(content), 777):
        found.append(pcm.take(content[first : first + 777]))
    found.append(pcm.take(b"", last=True))
    mono = (sound.astype(np.float32) / 32768.0).mean(axis=1, dtype=np.float32)
    expected = np.rint(soxr.resample(mono, 44100, 16000, quality="HQ") * 32768)
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize(
    ("name", "told"), [("chord", "its chords depend on the whole recording"), ("beat", "its beats"), ("key", "its key")]
)
def test_what_depends_on_the_whole_is_refused(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Stream(_Saying(make_task(name), {}))  # type: ignore[arg-type]
