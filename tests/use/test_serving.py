"""The service: answers, limits, what goes wrong, and what is left behind."""

import http.client
import io
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import ricercar
from configs import SYNTH, TINY
from conftest import Start
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.harness.command import expanded
from ricercar.use.model import Model
from ricercar.use.serve import answers
from ricercar.use.serve.command import main
from ricercar.use.serve.limits import RefusedError
from serving import Answer, Running, form, served, until
from trainings import SMALL, trained


@pytest.fixture(scope="module")
def onsets(onset_run: Path) -> Model:
    return ricercar.load(onset_run, "cpu")


@pytest.fixture(scope="module")
def several(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("served") / "several"
    trained(folder, *TINY, *SYNTH, f"cache_dir={cache}", *SMALL, *expanded("task=[notes,key]"))
    return ricercar.load(folder, "cpu")


@pytest.fixture(scope="module")
def running(onsets: Model, several: Model) -> Iterator[Running]:
    with served({"onsets": onsets, "several": several}) as found:
        yield found


@pytest.fixture
def song(tones: Path) -> bytes:
    return (tones / "audio" / "t3.wav").read_bytes()


def wav(seconds: float, rate: int = 16_000, channels: int = 1, kind: str = "WAV") -> bytes:
    random = np.random.default_rng(0)
    file = io.BytesIO()
    soundfile.write(file, random.normal(0, 0.1, (int(seconds * rate), channels)), rate, format=kind)
    return file.getvalue()


# --- answers ---


def test_json_is_what_the_model_hears(running: Running, onsets: Model, tones: Path, song: bytes) -> None:
    alone = onsets(tones / "audio" / "t3.wav")
    assert isinstance(alone, Onsets)
    body, kind = form(song)
    path = "/transcribe?model=onsets"
    for answer in (running.ask(path, song), running.ask(path, body, Content_Type=kind)):
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json["model"] == "onsets"
        assert answer.json["seconds"] == 3.2
        events = answer.json["estimates"]["onset"]["events"]
        assert [event["time_s"] for event in events] == np.round(alone.time_s, 6).tolist()


def test_midi_and_jams(running: Running, several: Model, song: bytes, tmp_path: Path) -> None:
    alone = several(*soundfile.read(io.BytesIO(song), dtype="int16"))
    assert isinstance(alone, dict)
    midi = running.ask("/transcribe?model=several", song, Accept="audio/midi")
    assert (midi.status, midi.headers["content-type"]) == (200, "audio/midi")
    (tmp_path / "song.mid").write_bytes(midi.content)
    alone["notes"].write(tmp_path / "alone.mid")
    assert Notes.read(tmp_path / "song.mid").text() == Notes.read(tmp_path / "alone.mid").text()
    jams = running.ask("/transcribe?model=several", song, Accept="application/vnd.jams+json")
    (tmp_path / "song.jams").write_bytes(jams.content)
    assert [each["namespace"] for each in jams.json["annotations"]] == ["note_midi", "key_mode"]
    assert Key.read(tmp_path / "song.jams").text() == alone["key"].text()


def test_what_depends_on_all_comes_at_the_end(running: Running, song: bytes) -> None:
    answer = running.ask("/transcribe?model=several&view=true", song, Accept="text/event-stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    kinds = [kind for kind, _ in answer.events]
    assert kinds[-3:] == ["estimate", "estimate", "end"]
    progress = [content["progress"] for kind, content in answer.events if kind == "progress"]
    assert progress == sorted(progress)
    assert progress[0] >= 0
    assert set(kinds[:-3]) <= {"progress", "event"}
    assert {content["task"] for kind, content in answer.events if kind == "event"} <= {"notes"}
    assert [content["task"] for kind, content in answer.events if kind == "estimate"] == ["notes", "key"]
    end = answer.events[-1][1]
    assert end["view"]["tasks"]["notes"]["kind"] == "notes"
    assert end["view"]["spectrogram"].startswith("data:image/webp")
    assert set(end["files"]) == {"mid", "jams"}


def test_events_come_as_they_are_decoded(
    running: Running, onsets: Model, tones: Path, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last windows wait until an event has come; all events together are the estimate, which is as ever."""
    come, through = threading.Event(), onsets.through

    def waiting(chunk: Any) -> None:
        [*_, (pieces, last)] = chunk
        assert last != pieces.left[-1] or come.wait(20)
        through(chunk)

    monkeypatch.setattr(onsets, "through", waiting)
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    connection.request("POST", "/transcribe?model=onsets", song, {"Accept": "text/event-stream"})
    response, content = connection.getresponse(), b""
    while b"event: event" not in content:
        content += response.read1()
    assert b"event: estimate" not in content
    come.set()
    events = Answer(200, {}, content + response.read()).events
    connection.close()
    [estimate] = [each for kind, each in events if kind == "estimate"]
    told = [each["time_s"] for kind, each in events if kind == "event"]
    np.testing.assert_allclose(told, [each["time_s"] for each in estimate["events"]], atol=2e-6)
    alone = onsets(tones / "audio" / "t3.wav")
    assert isinstance(alone, Onsets)
    np.testing.assert_allclose(told, alone.time_s, atol=1e-4)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("audio/*", "audio/midi"),
        ("audio/x-midi, */*;q=0.1", "audio/midi"),
        ("application/json;q=0.2, text/event-stream;q=0.9", "text/event-stream"),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=much", None),
    ],
)
def test_accept(header: str, expected: str | None) -> None:
    offered = [answers.JSON, answers.MIDI, answers.EVENTS]
    if expected is None:
        with pytest.raises(RefusedError, match="this model answers in application/json"):
            answers.accepted(header, offered)
    else:
        assert answers.accepted(header, offered) == expected


@pytest.mark.parametrize("body", [wav(0.001), wav(1, 192_000), wav(1, 44_100, 8), wav(1, kind="FLAC")])
def test_recordings_of_any_kind(running: Running, body: bytes) -> None:
    assert running.ask("/transcribe?model=onsets", body).status == 200


def test_about_the_service(running: Running) -> None:
    assert running.ask("/health").json["status"] == "ok"
    models = {each["name"]: each for each in running.ask("/models").json}
    assert set(models) == {"onsets", "several"}
    assert models["several"]["answers"] == [answers.JSON, answers.MIDI, answers.JAMS, answers.EVENTS]
    assert models["several"]["told"] == ["notes"]
    assert models["onsets"]["tasks"]["onset"]["primary"] == "onset/F-measure"
    schema = running.ask("/openapi.json").json
    assert set(schema["paths"]) == {"/health", "/models", "/transcribe"}
    docs = running.ask("/docs")
    assert "POST /transcribe" in docs.content.decode()
    assert "http" not in re.sub(r"http://HOST|http://www.w3.org", "", docs.content.decode())


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "told"),
    [
        ("?model=onsets", b"", {}, 400, "The body is empty"),
        ("?model=onsets", b"hello", {}, 400, "the recording: is not audio that libsndfile reads"),
        ("?model=onsets", b"https://example.org/song.mp3", {}, 400, "is not audio"),
        ("?model=onsets", wav(1)[:44], {}, 400, "the recording"),
        ("?model=onsets", wav(1, kind="FLAC")[:60], {}, 400, "the recording"),
        ("?model=onsets", b"x=1", {"Content_Type": "multipart/form-data; boundary=a"}, 400, "form"),
        ("?model=onsets", b"x=1", {"Content_Type": "multipart/form-data"}, 400, "form"),
        ("?model=onsets", form(b"", "file")[0], {"Content_Type": form(b"")[1]}, 400, "empty"),
        ("", wav(1), {}, 400, "Say which model: ?model=NAME, one of onsets, several"),
        ("?model=none", wav(1), {}, 404, "There is no model 'none'"),
        ("?model=onsets", wav(1), {"Accept": "audio/midi"}, 406, "this model answers in application/json"),
        ("?model=onsets&view=perhaps", wav(1), {}, 422, ""),
        ("?model=onsets", wav(80), {}, 413, "larger than 2 MB"),
        ("?model=onsets", wav(35), {}, 413, "longer than 0.5 minutes"),
        ("?model=onsets", iter([wav(1)] * 80), {}, 413, "larger than 2 MB"),
    ],
)  # fmt: skip
def test_bad_requests(running: Running, path: str, body: Any, headers: dict[str, str], status: int, told: str) -> None:
    """One sentence, without a path or a traceback, and nothing is left."""
    try:
        answer = running.ask(f"/transcribe{path}", body, **headers)
    except (ConnectionError, http.client.HTTPException):  # it stopped reading, and had answered before
        assert status == 413
        return
    assert answer.status == status, answer.content
    detail = str(answer.json["detail"])
    assert told in detail
    assert not re.search(r"/proc|/tmp|Traceback|\.py", detail)
    assert running.is_idle()


@pytest.mark.parametrize("path", ["/nothing", "/transcribe/", "/../etc/passwd"])
def test_other_places(running: Running, path: str) -> None:
    assert running.ask(path).status in (307, 404)


def test_a_model_that_fails(running: Running, onsets: Model, song: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told, and the next one is served."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("/secret/place is out of memory")

    for name in ("through", "decode"):
        with monkeypatch.context() as patch:
            patch.setattr(onsets, name, fails)
            answer = running.ask("/transcribe?model=onsets", song)
            assert answer.status == 500
            assert "secret" not in answer.content.decode()
            events = running.ask("/transcribe?model=onsets", song, Accept="text/event-stream").events
            assert events[-1][0] == "error"
            assert events[-1][1]["status"] == 500
        assert running.ask("/transcribe?model=onsets", song).status == 200
    assert running.is_idle()


def test_with_a_token(onsets: Model, song: bytes) -> None:
    with served({"onsets": onsets}, token="sesame") as found:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic sesame"}):
            answer = found.ask("/transcribe", song, **given)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert found.ask("/models", **given).status == 401
        assert found.ask("/transcribe", song, Authorization="Bearer sesame").status == 200
        assert found.ask("/health").status == 200
        assert '"asks_token":true' in found.ask("/").content.decode()


# --- many at once ---


class Slow:
    """Has a model wait before each batch until `go` is set."""

    def __init__(self, model: Model, patch: pytest.MonkeyPatch) -> None:
        self.go, through = threading.Event(), model.through

        def waiting(*arguments: Any) -> None:
            self.go.wait(20)
            through(*arguments)

        patch.setattr(model, "through", waiting)


def test_too_many_at_once(onsets: Model, song: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 for one client with too many, 503 where all are, and both are told when to come again."""
    slow = Slow(onsets, monkeypatch)
    for most, status in (({"num_per_client": 2}, 429), ({"num_requests": 2}, 503)):
        slow.go.clear()
        with served({"onsets": onsets}, **most) as found, ThreadPoolExecutor(2) as pool:
            first = [pool.submit(found.ask, "/transcribe", song) for _ in range(2)]
            until(lambda found=found: found.service.gate.inside.total() == 2)  # type: ignore[misc]
            answer = found.ask("/transcribe", song)
            assert (answer.status, "retry-after" in answer.headers) == (status, True)
            assert found.ask("/health").json["requests"] == 2
            slow.go.set()
            assert [each.result().status for each in first] == [200, 200]
            assert found.ask("/transcribe", song).status == 200


def test_what_takes_too_long(onsets: Model, song: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(onsets, monkeypatch)
    with served({"onsets": onsets}, timeout_s=0.5) as found:
        assert found.ask("/transcribe", song).status == 504
        assert found.ask("/transcribe", song, Accept="text/event-stream").events[-1][1]["status"] == 504
        with socket.create_connection(("127.0.0.1", found.port)) as connection:
            connection.sendall(b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nRIFF")
            assert b" 504 " in connection.recv(1000)
        slow.go.set()
        until(found.is_idle)


def half_sent(port: int, song: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: {len(song)}\r\n\r\n".encode())
    connection.sendall(song[: len(song) // 2])
    return connection


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_a_client_that_goes_leaves_nothing(
    onsets: Model, song: bytes, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Neither work, nor files: half-way through sending, and while its recording is computed."""
    slow = Slow(onsets, monkeypatch)
    with served({"onsets": onsets}) as found:
        with half_sent(found.port, song):
            until(lambda: found.service.gate.inside.total() == 1)
        until(found.is_idle)
        before = open_files()
        with socket.create_connection(("127.0.0.1", found.port)) as connection:
            head = f"POST /transcribe HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(song)}\r\n\r\n"
            connection.sendall(head.encode() + song)
            until(lambda: found.service.batches["onsets"].waiting == 1)
        until(lambda: not found.service.gate.inside.total())
        slow.go.set()
        until(found.is_idle)
        until(lambda: open_files() <= before)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_many_clients(running: Running, onsets: Model, several: Model, tmp_path: Path) -> None:
    """64 requests from 8 clients, some broken, some cancelled: no wrong answer, and nothing left of them."""
    recordings = [wav(0.5 + 0.25 * number) for number in range(6)]
    paths = []
    for number, content in enumerate(recordings):
        paths.append(tmp_path / f"{number}.wav")
        paths[-1].write_bytes(content)
    models = {"onsets": onsets, "several": several}
    alone = {(name, i): model(path) for name, model in models.items() for i, path in enumerate(paths)}
    files, threads = open_files(), threading.active_count()

    def one(number: int) -> str:
        name, i = ("onsets", "several")[number % 2], number % len(recordings)
        if number % 8 == 3:
            half_sent(running.port, recordings[i]).close()
            return "cancelled"
        if number % 8 == 5:
            return str(running.ask(f"/transcribe?model={name}", recordings[i][:40]).status)
        answer = running.ask(f"/transcribe?model={name}", recordings[i])
        expected = alone[name, i]
        whole = expected if isinstance(expected, dict) else {"onset": expected}
        same = all(alike(each, answer.json["estimates"][task]) for task, each in whole.items())
        return "right" if same else "wrong"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(64)))
    assert {each: results.count(each) for each in set(results)} == {"cancelled": 8, "400": 8, "right": 48}
    until(running.is_idle)
    until(lambda: open_files() <= files)
    until(lambda: threading.active_count() <= threads + 4)  # two readers and two decoders, when they are needed


def alike(annotation: Annotation, answered: dict[str, Any]) -> bool:
    """Whether an answer has the same events, but for what rounding in other batches does."""
    expected = answers.plain(annotation)
    if expected.keys() != answered.keys() or len(expected.get("events", ())) != len(answered.get("events", ())):
        return False
    for mine, other in zip(expected.get("events", [expected]), answered.get("events", [answered]), strict=True):
        for key, value in mine.items():
            if isinstance(value, float):
                if abs(value - other[key]) > 1e-3:
                    return False
            elif key != "velocity" and value != other[key]:
                return False
    return True


# --- the command ---


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{run}", "{run}"], "two models are called"),
        (["a={run}", "a={run}"], "two models are called 'a'"),
        (["/no/such"], "there is no such folder"),
        (["{run}", "--max-mb", "0"], "--max-mb=0.0: must be a number above 0"),
        (["{run}", "--port", "-1"], "--port=-1"),
        (["{run}", "--max-requests", "0"], "--max-requests=0"),
        (["{run}", "--host", "256.0.0.1"], "cannot be listened on"),
    ],
)
def test_bad_commands(onset_run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert main([each.format(run=onset_run) for each in arguments]) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ")
    assert told in error


def test_it_ends_when_its_requests_are_answered(onset_run: Path, start: Start, song: bytes, tmp_path: Path) -> None:
    """SIGTERM comes while a recording is half sent: it is answered, nobody else is, and the exit code is 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("w") as log:
        arguments = [f"model={onset_run}", "--port", str(port), "--num-threads", "1", "--accelerator", "cpu"]
        process = start("-m", "ricercar", "serve", *arguments, stdout=log, stderr=log)
    until(lambda: "startup complete" in (tmp_path / "log").read_text(), 150)
    with half_sent(port, song) as connection:
        time.sleep(0.2)
        process.send(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(song[len(song) // 2 :])
        response = b""
        while part := connection.recv(65536):
            response += part
    assert b" 200 OK" in response
    assert json.loads(response.partition(b"\r\n\r\n")[2])["model"] == "model"
    assert process.wait() == 0
    log_text = (tmp_path / "log").read_text()
    assert "Traceback" not in log_text
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
