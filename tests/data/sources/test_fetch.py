"""Downloads of mirdata's data sets, from a server in this process: whole, broken off, damaged, and not at all."""

import hashlib
import http.server
import importlib
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mirdata", reason="needs the extra: pip install 'ricercar[mirdata]'")

from mirdata.core import Index
from mirdata.download_utils import RemoteFileMetadata

from configs import ROOT
from mirdata_standins import Standin, silence, written
from ricercar.data.fetch import main
from ricercar.data.sources.mirdata import Mirdata


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, {path: content}. `asked` are the requests: path, and from which byte on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.breaks_off_after: int | None = None
        self.knows_ranges = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its server's settings say."""

    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        content = self.server.files.get(name)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.asked.append((name, start))
        if content is None:
            self.send_error(404)
            return
        start = start if self.server.knows_ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        rest = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.breaks_off_after])

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class Mirror:
    """A stand-in, packed as its authors do, behind the server; mirdata is made to look for it there."""

    def __init__(self, dataset: str, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dataset, self.server, self.home = dataset, server, folder / "home"
        self.made: Standin = written(dataset, folder / "made", folder / "made_index")
        self.module: Any = importlib.import_module(f"mirdata.datasets.{dataset}")
        self.monkeypatch = monkeypatch
        index = (folder / "made_index" / self.made.index_file).read_bytes()
        server.files["index.json"] = index
        entry = Index(self.made.index_file, server.url("index.json"), hashlib.md5(index).hexdigest())
        entry.indexes_dir = entry.remote.destination_dir = str(folder / "indexes")
        monkeypatch.setattr(self.module, "INDEXES", {"default": "1", "1": entry})
        monkeypatch.setattr(self.module, "REMOTES", {})

    def offer(self, key: str, name: str, content: bytes, **details: Any) -> None:
        self.server.files[name] = content
        checksum = hashlib.md5(content).hexdigest()
        self.module.REMOTES[key] = RemoteFileMetadata(name, self.server.url(name), checksum, **details)

    def packed(self, folder: str, root: str, pattern: str) -> bytes:
        """A zip of what is in a folder of the stand-in, below `root`."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(path for path in (self.made.home / folder).glob(pattern) if path.is_file()):
                archive.write(path, f"{root}{path.relative_to(self.made.home / folder)}")
        return content.getvalue()

    def fetch(self) -> int:
        return main([self.dataset, "--home", str(self.home)])


@pytest.fixture
def orchset(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = Mirror("orchset", server, tmp_path, monkeypatch)
    mirror.offer("all", "Orchset_dataset_0.zip", mirror.packed("", "Orchset/", "**/*"), unpack_directories=["Orchset"])
    return mirror


def missing(words: list[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


def test_everything_from_nothing(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchset.fetch() == 0
    assert f"orchset: all 10 files are in {orchset.home}, and whole." in capsys.readouterr().out
    source = Mirdata(
        dataset="orchset",
        home=orchset.home,
        version="default",
        annotator=1,
        folds_file=None,
        as_one_split=None,
        missing_audio="error",
        seed=0,
    )
    assert source.tracks("test")[0].audio.decode(16000).tolist() == silence().tolist()


def test_second_call_only_checks(orchset: Mirror) -> None:
    assert (orchset.fetch(), orchset.fetch()) == (0, 0)
    assert [name for name, _ in orchset.server.asked] == ["index.json", "Orchset_dataset_0.zip"]


@pytest.mark.parametrize(("knows_ranges", "starts"), [(True, [0, 5000]), (False, [0, 5000])])
def test_goes_on_where_it_broke_off(
    knows_ranges: bool, starts: list[int], orchset: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    orchset.server.knows_ranges = knows_ranges
    orchset.server.breaks_off_after = 5000
    assert orchset.fetch() == 1
    text = capsys.readouterr().err
    words = ["Orchset_dataset_0.zip cannot be downloaded", "5,000 of", "run the same command again"]
    assert missing(words, text) == []
    assert text.startswith("error: ")
    assert (orchset.home / "Orchset_dataset_0.zip.part").stat().st_size == 5000
    assert not (orchset.home / "Orchset_dataset_0.zip").exists()
    orchset.server.breaks_off_after = None
    assert orchset.fetch() == 0
    assert [start for name, start in orchset.server.asked if name.endswith("zip")] == starts


def test_all_of_it_had_come(orchset: Mirror) -> None:
    orchset.home.mkdir()
    (orchset.home / "Orchset_dataset_0.zip.part").write_bytes(orchset.server.files["Orchset_dataset_0.zip"])
    assert orchset.fetch() == 0


def test_another_file_than_mirdata_knows(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    orchset.server.files["Orchset_dataset_0.zip"] = b"<html>moved</html>"
    assert orchset.fetch() == 1
    assert missing(["error: ", "is not the file that mirdata knows", "MD5"], capsys.readouterr().err) == []
    assert list(orchset.home.iterdir()) == []


def test_link_that_is_dead(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    del orchset.server.files["Orchset_dataset_0.zip"]
    assert orchset.fetch() == 1
    archive = orchset.home / "Orchset_dataset_0.zip"
    assert missing(["error: ", "Not Found", f"save it as {archive}"], capsys.readouterr().err) == []


def test_archive_by_other_means(orchset: Mirror) -> None:
    """What a user put where the message said is unpacked."""
    orchset.home.mkdir()
    (orchset.home / "Orchset_dataset_0.zip").write_bytes(orchset.server.files.pop("Orchset_dataset_0.zip"))
    assert orchset.fetch() == 0


def test_no_network(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    orchset.module.INDEXES["1"].remote.url = "http://127.0.0.1:9/index.json"
    assert orchset.fetch() == 1
    out, err = capsys.readouterr()
    assert missing(["error: http://127.0.0.1:9/index.json cannot be downloaded", "Check the connection"], err) == []
    assert (out, err.count("\n")) == ("", 1)


def test_damaged_file(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchset.fetch() == 0
    path = orchset.home / "GT" / "Beethoven-S5-I-ex1.mel"
    path.write_text("0 0")
    assert orchset.fetch() == 1
    assert missing(["error: orchset: 1 of 10 files are damaged", str(path)], capsys.readouterr().err) == []


def test_archive_that_cannot_be_unpacked(orchset: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    orchset.offer("all", "Orchset_dataset_0.zip", b"PK", unpack_directories=["Orchset"])
    assert orchset.fetch() == 1
    assert missing(["error: orchset: unpacking in", "not a zip file"], capsys.readouterr().err) == []


@pytest.fixture
def beatles(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = Mirror("beatles", server, tmp_path, monkeypatch)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path in sorted((mirror.made.home / "annotations").iterdir()):
            archive.add(path, path.name)
    mirror.offer("annotations", "Annotations.tar.gz", content.getvalue(), destination_dir="annotations")
    return mirror


def test_recordings_that_cannot_be_downloaded(beatles: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    assert (beatles.fetch(), beatles.fetch()) == (1, 1)
    words = [
        "error: beatles: 3 of 15 files are missing, such as",
        ".wav",
        "put your own",
        "mirdata says",
        str(beatles.home),
    ]
    assert missing(words, capsys.readouterr().err) == []
    assert [name for name, _ in beatles.server.asked] == ["index.json", "Annotations.tar.gz"]


def test_recordings_of_ones_own(beatles: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    for path in beatles.made.home.glob("audio/*/*.wav"):
        own = beatles.home / path.relative_to(beatles.made.home)
        own.parent.mkdir(parents=True)
        own.write_bytes(path.read_bytes() + b"\0")
    assert beatles.fetch() == 0
    assert "3 recordings are not byte for byte those that mirdata knows" in capsys.readouterr().out


def test_only_what_is_read_is_downloaded(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror("guitarset", server, tmp_path, monkeypatch)
    for key, folder in (("annotations", "annotation"), ("audio_mic", "audio_mono-mic"), ("audio_mix", "mix")):
        content = mirror.packed(folder, "", "*")
        mirror.offer(key, f"{key}.zip", content, destination_dir=folder)
    assert mirror.fetch() == 0
    assert [name for name, _ in server.asked] == ["index.json", "annotations.zip", "audio_mic.zip"]


def test_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maestr"]) == 1
    assert missing(["error: ", "'maestr'", "did you mean maestro?", "orchset"], capsys.readouterr().err) == []


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mirdata"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mirdata", None)
    assert main(["orchset"]) == 1
    assert "pip install 'ricercar[mirdata]'" in capsys.readouterr().err


def test_command(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "ricercar.data.fetch", "maestr", "--home", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith("error: "), done.stderr.count("\n")) == (1, True, 1)
