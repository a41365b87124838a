"""Streamed events are those of the whole recording, and come in time."""

import io
import json
import re
import struct
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
from ricercar.data.audio.sound import Sound
from ricercar.errors import InputError
from ricercar.tasks.multitask import Multitask
from ricercar.use.events import Event, Events
from ricercar.use.pcm import Pcm
from ricercar.use.stream import Stream

FPS, HOP = 50.0, 320
USUAL = {"sample_rate": 16000, "num_channels": 1, "sample_format": "s16"}


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


def of_samples(said: Any, num_frames: int, block: int) -> list[Event]:
    """Streamed, none of them too late."""
    stream = Stream(said)
    silence = np.zeros((num_frames - 1) * HOP, dtype=np.int16)
    events = []
    for first in range(0, len(silence), block):
        heard_s = min(first + block, len(silence)) / 16000
        for event in stream.push(silence[first : first + block]):
            events.append(event)
            assert event["event"] == "off" or heard_s - event["time_s"] <= stream.latency_s + block / 16000
    return events + list(stream.close())


def of_frames(said: Any, num_frames: int, block: int) -> list[Event]:
    """As a service tells them, of the frames of several windows at once."""
    events = Events(said.tasks, FPS)
    told = []
    for first in range(0, num_frames, block):
        some = {f"it/{key}": values[first : first + block] for key, values in said.said.items()}
        told += list(events.add(some, first + block >= num_frames))
    return told


@pytest.mark.parametrize("num_frames", [1, 30, 46, 47, 500, 900])
@pytest.mark.parametrize("name", ["onset", "notes"])
@pytest.mark.parametrize(("tell", "block"), [(of_samples, 999), (of_samples, 40_000), (of_frames, 150)])
def test_events_are_those_of_the_whole(name: str, num_frames: int, tell: Any, block: int) -> None:
    task = make_task(name)
    logits = random_logits(task, max(num_frames, 100), num_frames)
    logits = {key: values[:num_frames].copy() for key, values in logits.items()}
    logits["onset"][-10:] = -9.0  # a note that begins in the last frames has an end beyond the recording, of any length
    events = tell(_Saying(task, logits), num_frames, block)
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
    """Of a WAV as it is."""
    song = tones / "audio" / "t3.wav"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(song.read_bytes())))
    code, told = run_here("predict.py", f"run={onset_run}", "--stream")
    assert code == 0
    assert "told 1.00 s after it sounds at most, by windows of 0.8 s every 0.6 s" in told
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    onsets = ricercar.load(onset_run, "cpu")(song)
    assert isinstance(onsets, Onsets)
    np.testing.assert_allclose([each["time_s"] for each in events], onsets.time_s, atol=1e-4)


def test_events_have_their_classes() -> None:
    task = make_task("drums")
    random = np.random.default_rng(0)
    logits = {"drums": random.normal(-2.0, 2.0, (500, len(task.classes))).astype(np.float32)}
    whole = task.decode(logits, FPS)
    told = [(each["time_s"], each["label"]) for each in of_frames(_Saying(task, logits), 500, 150)]
    assert len(set(whole.label)) == len(task.classes)
    assert sorted(told) == sorted(zip(whole.time_s.tolist(), whole.label, strict=True))


SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, (5000, 2))
RAW = {"sample_rate": 44100, "num_channels": 2}


def wav(kind: str, subtype: str, samples: Any = SOUND) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 44100, format=kind, subtype=subtype)
    return file.getvalue()


def taken(content: bytes, given: dict[str, Any], pieces: int = 777) -> Any:
    pcm = Pcm(16000, given, USUAL)
    parts = [pcm.take(content[first : first + pieces]) for first in range(0, len(content), pieces)]
    return np.concatenate([*parts, pcm.take(b"", last=True)])


@pytest.mark.parametrize(
    ("name", "subtype"), [("s16", "PCM_16"), ("s24", "PCM_24"), ("s32", "PCM_32"), ("f32", "FLOAT")]
)
def test_pcm_is_what_a_file_of_it_is(name: str, subtype: str, tmp_path: Path) -> None:
    """Raw, in a WAV of any kind, with another length in its header, and with chunks before and after its samples."""
    content = wav("WAV", subtype)
    at = content.index(b"data")
    (tmp_path / "a.wav").write_bytes(content)
    expected = Sound.read(tmp_path / "a.wav", 16000).samples
    assert len(expected) == 1814
    raw = content[at + 8 : at + 8 + 10_000 * int(name[1:]) // 8]
    extra = b"LIST" + struct.pack("<I", 5) + b"abcdef"
    size = struct.pack("<I", len(raw))
    unknown = [content[: at + 4] + each + raw for each in (b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80")]
    in_wavs = [
        content,
        wav("WAVEX", subtype),
        wav("RF64", subtype),
        content[:at] + extra + content[at:] + extra,
        *unknown,
    ]
    assert size == content[at + 4 : at + 8]
    np.testing.assert_array_equal(taken(raw, {**RAW, "sample_format": name}), expected)
    for number, each in enumerate(in_wavs):
        np.testing.assert_array_equal(taken(each, RAW if number % 2 else {}, 7 + 300 * number), expected)


@pytest.mark.parametrize(
    ("content", "given", "told"),
    [
        (b"", {}, "has no samples"),
        (wav("WAV", "PCM_16", SOUND[:0]), {}, "has no samples"),
        (wav("WAV", "PCM_16")[:30], {}, "begins as a WAV, and has no samples"),
        (wav("WAV", "PCM_16"), {"sample_rate": 16000}, "--sample-rate 16000: the header of the WAV .* says 44100"),
        (wav("WAV", "PCM_16"), {"num_channels": 1}, "--channels 1: the header of the WAV .* says 2"),
        (wav("WAV", "FLOAT"), {"sample_format": "s16"}, "--sample-format s16: the header of the WAV .* says f32"),
        (wav("WAV", "PCM_U8"), {}, "a WAV of 8 bits in 2 bytes for 2 channels, format 1: read are"),
        (wav("WAV", "DOUBLE"), {}, "a WAV of 64 bits"),
        (wav("FLAC", "PCM_16"), {}, "standard input is FLAC: give raw PCM, or a WAV"),
        (wav("WAV", "FLOAT", np.full((9, 2), 3000.0)), {}, "has samples up to 3000, where 1 is full scale"),
        (wav("WAV", "FLOAT", np.full((9, 2), np.nan)), {}, "NaN or infinite samples"),
        (b"", {"num_channels": 0}, "sound of 0 channels"),
        (b"", {"sample_rate": 3}, "at 3 Hz"),
    ],
)
def test_what_is_no_pcm_is_refused(content: bytes, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        taken(content, given)


@pytest.mark.parametrize("content", [wav("WAV", "PCM_16")[:-1000], wav("WAV", "PCM_16")[44:-3]])
def test_what_ends_too_early_is_told(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert len(taken(content, RAW)) > 1700
    assert re.search("is cut short: 0.108 of 0.113 s are there|ends within a sample: is it s16 of 2", caplog.text)


@pytest.mark.parametrize(
    ("name", "told"), [("chord", "its chords depend on the whole recording"), ("beat", "its beats"), ("key", "its key")]
)
def test_what_depends_on_the_whole_is_refused(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Stream(_Saying(make_task(name), {}))  # type: ignore[arg-type]
