"""Trackers keep what a run hands them. W&B runs for real, offline, in processes without a key, a home or a terminal."""

import errno
import json
import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from wandb import Settings
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from configs import ROOT
from conftest import WORKERS, Command, Launch
from ricercar.errors import InputError
from ricercar.harness.piano_roll import write_png
from ricercar.harness.trackers.lasting import Lasting
from ricercar.harness.trackers.none import NoTracker
from ricercar.harness.trackers.tensorboard import Tensorboard
from ricercar.harness.trackers.tracker import RunLabel, Tracker
from ricercar.harness.trackers.wandb import Wandb
from trainings import ONSETS, trained

SCRIPT = """
import logging, sys
from pathlib import Path
import numpy as np
from ricercar.harness.trackers.tracker import RunLabel
from ricercar.harness.trackers.wandb import Wandb

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s")

def tracked(folder, mode="auto", resumed=False, project="test"):
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    with Wandb(project=project, entity=None, group="sweep", tags=["tag"], mode=mode) as tracker:
        job = RunLabel("cafe0123", folder.name, "notes-lstm-0123", "train", ("notes", "lstm", "long" * 20))
        tracker.start(folder, job, {"backbone": {"dim": 64}, "seed": 3}, resumed)
        tracker.log(10, {"train/loss": 0.5, "train/rate": 1e-3})
        tracker.log(20, {"train/loss": 0.25, "valid/f1": float("nan")})
        tracker.log_histogram(20, "train/weights/heads", np.array([3, 1]), np.array([-1.0, 0.0, 1.0]))
        tracker.log_tracks("test/tracks", [{"id": "a", "f1": 0.5}, {"id": "b", "f1": float("nan")}])
        tracker.log_image("worst", np.full((4, 6, 3), 200, dtype=np.uint8))
        tracker.log_audio("worst_sound", np.zeros(160, dtype=np.float32), 16000, "the worst track")
        tracker.summary({"test/f1": 0.75})
        if folder.name == "failing":
            raise RuntimeError("diverged")
"""


def wandb_process(folder: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "home").mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_") and name != "NETRC"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + textwrap.dedent(body)],
        cwd=folder,
        env={**clean, "HOME": str(folder / "home"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def records(run_dir: Path) -> list[dict[str, Any]]:
    """What one W&B run wrote, read back by wandb's own command."""
    (log,) = [*run_dir.glob("wandb/offline-run-*/run-*.wandb"), *run_dir.glob("run-*.wandb")]
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Runs in one process, as in a sweep: one that is gone on with, one without W&B, and a failing one at the end."""
    folder = tmp_path_factory.mktemp("wandb")
    body = """
    tracked("first")
    tracked("second")
    tracked("again")
    tracked("again", resumed=True)
    tracked("disabled", mode="disabled")
    tracked("failing")
    """
    return folder, wandb_process(folder, body)


def test_offline_without_a_key(offline: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = offline
    assert done.stderr.count("RuntimeError: diverged") == 1, done.stderr
    lines = done.stdout.splitlines()
    parts = {
        name: [str(run.relative_to(folder)) for run in sorted(folder.glob(f"{name}/wandb/offline-run-*"))]
        for name in ("first", "second", "again", "failing")
    }
    kept = [parts["first"], parts["second"], parts["again"][:1], parts["again"], parts["failing"]]
    told = [f"INFO W&B run kept offline; to upload it: wandb sync {' '.join(each)}" for each in kept]
    assert lines == told, "wandb is to be quiet where there is no terminal"
    assert {path.name for path in folder.iterdir()} == {"first", "second", "again", "disabled", "failing", "home"}


def test_wandb_keeps_everything(offline: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder = offline[0]
    written = records(folder / "first")
    (run,) = [each["run"] for each in written if each["type"] == "run"]
    config = {name: value for name, value in run["config"]["update"].items() if name != "_wandb"}
    assert config == {"backbone": {"dim": 64}, "seed": 3, "run_id": "cafe0123"}
    assert (run["display_name"], run["project"], run["run_group"], run["job_type"]) == (
        "first",
        "test",
        "sweep",
        "train",
    )
    assert run["tags"] == ["tag", "notes", "lstm", ("long" * 20)[:64]]  # a longer one is refused by wandb

    points = [each["history"]["item"] for each in written if each["type"] == "history"]
    losses = [(point["step"], point["train/loss"]) for point in points if "train/loss" in point]
    assert losses == [(10, 0.5), (20, 0.25)]
    [shown] = [point for point in points if "train/weights/heads._type" in point]
    assert [shown[f"train/weights/heads.{part}"] for part in ("_type", "values", "bins")] == [
        "histogram",
        [3, 1],
        [-1, 0, 1],
    ]
    axes = [
        (each["metric"]["glob_name"], each["metric"]["step_metric"]) for each in written if each["type"] == "metric"
    ]
    assert axes == [("train/*", "step"), ("valid/*", "step")]
    summary: dict[str, Any] = {}
    for each in written:
        if each["type"] == "summary":
            summary |= each["summary"]["update"]
    assert summary["test/f1"] == 0.75

    (files,) = folder.glob("first/wandb/offline-run-*/files")
    table = json.loads((files / summary["test/tracks.path"]).read_text())
    assert (table["columns"], table["data"]) == (["id", "f1"], [["a", 0.5], ["b", None]])
    image, audio = files / summary["worst.path"], files / summary["worst_sound.path"]
    assert image.read_bytes().startswith(b"\x89PNG")
    assert audio.read_bytes().startswith(b"RIFF")
    assert summary["worst_sound.caption"] == "the worst track"
    staged = [each["artifact"]["manifest"]["contents"] for each in written if each["type"] == "artifact"]
    assert [Path(file["local_path"]).is_relative_to(folder / "first") for file in staged[0]] == [True]


@pytest.mark.parametrize(("name", "exit_code"), [("first", 0), ("failing", 1)])
def test_wandb_exit_code(offline: tuple[Path, subprocess.CompletedProcess[str]], name: str, exit_code: int) -> None:
    """W&B may write another record behind it."""
    told = [record["exit"] for record in records(offline[0] / name) if "exit" in record]
    assert [each.get("exit_code", 0) for each in told] == [exit_code]


def test_repeated_runs_have_ids_of_their_own_and_a_resumed_one_keeps_its(
    offline: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    ids = {
        name: [path.stem for path in offline[0].glob(f"{name}/wandb/offline-run-*/*.wandb")]
        for name in ("first", "second", "again")
    }
    assert [len(each) for each in ids.values()] == [1, 1, 2]
    assert [len(set(each)) for each in ids.values()] == [1, 1, 1]
    assert len(set().union(*ids.values())) == 3


def test_disabled_keeps_nothing(offline: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert list((offline[0] / "disabled").iterdir()) == []


@WORKERS
def test_a_sweep_in_wandb(
    workers: str, launch: Launch, run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    """Two jobs, one of which diverges, in two processes; then that one again: a run each, as they ended."""
    sweep = [*ONSETS, *on_tones, "tracker=wandb", "optimizer.lr=0.001,1e30", "sweep.name=rates"]
    assert launch(workers, *sweep).wait(400) == 1
    again = run_command("train.py", "-m", *sweep, "sweep.retry=failed")
    assert again.returncode == 1, again.stderr
    for printed in ((tmp_path / "out").read_text(), again.stdout):
        assert "1 failed, in multirun/rates" in printed
    codes = {}
    for folder in tmp_path.glob("multirun/rates/onset-*"):
        parts = [records(part) for part in sorted(folder.glob("wandb/offline-run-*"))]
        runs = [next(each["run"] for each in part if each["type"] == "run") for part in parts]
        assert {run["run_id"] for run in runs} == {(folder / "wandb" / "id").read_text().strip()}
        assert {run["run_group"] for run in runs} == {"rates"}
        assert runs[0]["tags"] == ["onset", "folder", "mel", "dense"]
        exits = [next(each["exit"].get("exit_code", 0) for each in part if "exit" in each) for part in parts]
        codes[(folder / "result.json").exists()] = exits
    assert codes == {True: [0], False: [1, 1]}


def test_a_run_of_an_agent(on_tones: list[str], run_command: Command, tmp_path: Path) -> None:
    """The example's parameters, as W&B's own code writes them, reach Hydra; the run is the agent's, in its project."""
    example = yaml.safe_load((ROOT / "docs" / "examples" / "wandb_sweep.yaml").read_text())
    drawn = {
        name: each.get("value", each["values"][0] if "values" in each else each.get("max"))
        for name, each in example["parameters"].items()
    }
    told = create_sweep_command_args({"args": {name: {"value": value} for name, value in drawn.items()}})
    assert example["command"][-1] == "${args_no_hyphens}"
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({name: {"value": value} for name, value in drawn.items()}))
    agent = {"WANDB_SWEEP_ID": "s0123", "WANDB_RUN_ID": "r0123", "WANDB_SWEEP_PARAM_PATH": str(path)}
    tiny = [*on_tones, "backbone.num_params=20000", "tracker=wandb", "tracker.mode=offline"]
    done = run_command("train.py", *told["args_no_hyphens"], *tiny, **agent)
    assert (done.returncode, done.stderr) == (0, "")
    [folder] = tmp_path.glob("outputs/*")
    written = records(folder)
    [run] = [each["run"] for each in written if each["type"] == "run"]
    assert (run["run_id"], run["sweep_id"]) == ("r0123", "s0123")
    assert run["config"]["update"]["optimizer"]["lr"] == drawn["optimizer.lr"]
    summaries = [each["summary"]["update"] for each in written if each["type"] == "summary"]
    assert any(example["metric"]["name"] in each for each in summaries)


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """A W&B server that refuses every key."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_offline_where_the_server_refuses(tmp_path: Path, refusing_server: str) -> None:
    """As where none answers, which takes 20 s: the next run of the process does not try."""
    body = """
    tracked("first")
    tracked("second")
    """
    done = wandb_process(tmp_path, body, WANDB_API_KEY="a" * 40, WANDB_BASE_URL=refusing_server)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(("WARNING", "INFO W&B at"))]
    assert len(told) == 2
    assert told[0].startswith("WARNING W&B does not start online, the run is kept offline")
    assert told[1] == f"INFO W&B at {refusing_server} failed an earlier run of this process: this one is kept offline"
    assert records(tmp_path / "second")[-1]["exit"]["exit_code"] == 0


def test_wandb_s_own_variables(tmp_path: Path) -> None:
    """WANDB_DIR has all parts of a resumed run, which one command uploads; what is set comes before the environment."""
    body = """
    tracked("one", project=None)
    tracked("one", project=None, resumed=True)
    tracked("two", project="mine")
    """
    own = {"DIR": "kept here", "PROJECT": "theirs", "ENTITY": "team", "MODE": "dryrun"}
    done = wandb_process(tmp_path, body, **{f"WANDB_{name}": value for name, value in own.items()})
    assert done.returncode == 0, done.stderr
    ids = [(tmp_path / name / "wandb" / "id").read_text().strip() for name in ("one", "two")]
    kept = tmp_path / "kept here" / "wandb"
    one, two = (sorted(kept.glob(f"offline-run-*-{each}*")) for each in ids)
    assert (len(one), len(two)) == (2, 1)
    commands = [shlex.split(line.partition(": ")[2]) for line in done.stdout.splitlines()]
    expected = [
        ["wandb", "sync", *(str(each.relative_to(tmp_path)) for each in parts)] for parts in (one[:1], one, two)
    ]
    assert commands == expected
    runs = [next(each["run"] for each in records(part) if each["type"] == "run") for part in (one[1], two[0])]
    assert [(run["run_id"], run["project"], run["entity"]) for run in runs] == [
        (ids[0], "theirs", "team"),
        (ids[1], "mine", "team"),
    ]
    assert [path.name for path in tmp_path.glob("*/wandb/*") if path.parents[1].name != "kept here"] == ["id", "id"]


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def make_wandb(**options: Any) -> Wandb:
    return Wandb(**{"project": "test", "entity": None, "group": None, "tags": [], "mode": "auto", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "onlin"}, "tracker.mode='onlin' is not known: choose one of auto, online"),
        ({"mode": "online"}, "needs an API key"),
        ({"tags": "maps"}, "tracker.tags='maps'"),
    ],
    ids=["unknown mode", "online without a key", "tags are a list"],
)
def test_wandb_refuses(no_key: None, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_wandb(**options)


def test_wandb_refuses_variables(no_key: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(InputError, match="WANDB_MODE='of' is not known: choose one of online, offline, disabled, dryr"):
        make_wandb()
    monkeypatch.setenv("WANDB_DIR", "/dev/null/here")
    with pytest.raises(InputError, match="WANDB_DIR=/dev/null/here cannot be used: Not a directory"):
        make_wandb(mode="offline").start(tmp_path, RunLabel("cafe0123", "name", "group", "train", ()), {}, False)


@pytest.mark.parametrize(
    ("environment", "netrc", "mode"),
    [
        ({}, "", "offline"),
        ({"WANDB_API_KEY": "a" * 40}, "", "online"),
        ({}, "machine wandb.example login user password secret", "online"),
        ({}, "machine other.example login user password secret", "offline"),
        ({"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "disabled"}, "", "disabled"),
        ({"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "dryrun"}, "", "offline"),
        ({"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "run"}, "", "online"),
        ({"WANDB_API_KEY": "a" * 40, "WANDB_DISABLED": "True", "WANDB_MODE": "online"}, "", "disabled"),
        ({"WANDB_DISABLED": "false"}, "", "offline"),
    ],
    ids=["nothing", "key", "netrc", "netrc of another", "disabled", "dryrun", "run", "DISABLED", "not DISABLED"],
)
def test_auto(
    no_key: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    netrc: str,
    mode: str,
) -> None:
    (tmp_path / "netrc").write_text(netrc)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("wandb.setup", lambda: SimpleNamespace(settings=Settings(base_url="https://wandb.example")))
    assert make_wandb().mode == mode
    assert make_wandb(mode="offline").mode == "offline"


def test_tensorboard_keeps_everything(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    write_png(tmp_path / "image.png", image)
    with Tensorboard() as tracker:
        tracker.start(tmp_path, RunLabel("cafe0123", "name", "group", "train", ()), {"seed": 3}, False)
        tracker.log(10, {"train/loss": 0.5})
        tracker.log(20, {"train/loss": 0.25})
        tracker.log_tracks("test/tracks", [{"id": "a|b", "f1": 0.5}, {"id": "c", "f1": float("nan")}])
        tracker.log_image("file", tmp_path / "image.png")
        tracker.log_image("array", image)
        tracker.log_audio("sound", np.zeros(160, dtype=np.float32), 16000, "the worst track")
        tracker.summary({"test/f1": 0.75, "protocol_id": "beef"})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(10, 0.5), (20, 0.25)]
    assert [(event.step, event.value) for event in events.Scalars("test/f1")] == [(20, 0.75)]
    assert events.Tensors("protocol_id/text_summary")[0].tensor_proto.string_val == [b"beef"]
    texts = {name: events.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in events.Tags()["tensors"]}
    assert texts["test/tracks/text_summary"] == "| id | f1 |\n| --- | --- |\n| a\\|b | 0.5000 |\n| c |  |"
    assert '"seed": 3' in texts["config/text_summary"]
    assert texts["exit_code/text_summary"] == "0"
    for name in ("file", "array"):
        encoded = events.Images(name)[0].encoded_image_string
        np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(encoded))), image)
    assert events.Audio("sound")[0].sample_rate == 16000


def test_choices_are_plain_texts(tmp_path: Path, on_tones: list[str]) -> None:
    """By which a tracker's views can group; they stay when a search has chosen the configuration."""
    search = [
        "tune=lr",
        "tune.space={optimizer.lr:[0.001,0.002]}",
        "trainer.budget=1steps",
        "trainer.num_validations=1",
    ]
    trained(tmp_path, *ONSETS, *on_tones[1:], *search, "tracker=tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    texts = [each.tensor_proto.string_val[0].decode() for each in events.Tensors("config/text_summary")]
    configs = [json.loads(text) for text in texts]
    chosen = {"task": "onset", "data": "folder", "frontend": "mel", "backbone": "dense"}
    assert len(configs) == 2
    assert [config["choices"] for config in configs] == [chosen, chosen]
    assert "_target_" in configs[1]["frontend"]


def test_tensorboard_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        Tensorboard()


@pytest.mark.parametrize("make", [NoTracker, Tensorboard, make_wandb])
def test_a_tracker_that_never_started_closes(make: Callable[[], Tracker]) -> None:
    with make() as tracker:
        pass
    tracker.close(0)


def test_wandb_keeps_the_leaderboard(tmp_path: Path) -> None:
    """Tables and page, and an artifact of both: read back from what wandb wrote."""
    (tmp_path / "page.html").write_text("<!doctype html>")
    done = wandb_process(
        tmp_path,
        """
        from ricercar.harness.trackers.artifact import log_leaderboard
        log_leaderboard("test", Path("out"), {"notes": [{"system": "a", "f1": 0.5}]}, [Path("page.html")])
        """,
    )
    assert done.returncode == 0, done.stderr
    written = records(tmp_path / "out")
    (run,) = [each["run"] for each in written if each["type"] == "run"]
    assert (run["job_type"], run["project"]) == ("leaderboard", "test")
    assert "page.html" in json.dumps([each for each in written if "artifact" in json.dumps(each)])
    (table,) = tmp_path.glob("out/wandb/offline-run-*/files/media/table/notes*.json")
    assert json.loads(table.read_text())["data"] == [["a", 0.5]]


class Both(Wandb):
    """W&B and TensorBoard at once."""

    def __init__(self) -> None:
        super().__init__(project="test", entity=None, group=None, tags=[], mode="offline")
        self.other = Tensorboard()

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        super().start(run_dir, label, config, resumed)
        self.other.start(run_dir, label, config, resumed)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        super().log(step, values)
        self.other.log(step, values)

    def log_histogram(self, step: int, name: str, counts: Any, edges: Any) -> None:
        super().log_histogram(step, name, counts, edges)
        self.other.log_histogram(step, name, counts, edges)

    def close(self, exit_code: int) -> None:
        super().close(exit_code)
        self.other.close(exit_code)


def test_names_are_the_same_everywhere(
    on_tones: list[str], tmp_path: Path, no_key: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the curves and histograms of a training, as read back from what W&B and TensorBoard wrote."""
    monkeypatch.setattr("own_classes.AllKept", Both)
    options = ["tracker._target_=own_classes.AllKept", "trainer.log_every_steps=1", "trainer.find_lr=4steps"]
    trained(tmp_path, *ONSETS, *on_tones, *options)
    points = [each["history"]["item"] for each in records(tmp_path) if each["type"] == "history"]
    written = {name for point in points if "step" in point for name in point if not name.startswith("_")}
    names = {name.partition("._type")[0] for name in written if not name.endswith((".bins", ".values"))} - {"step"}
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = {*events.Tags()["scalars"], *events.Tags()["histograms"]}
    assert {"lr_finder/loss", "train/gradient_norm", "train/gradient_norm/heads", "train/weights/backbone"} <= names
    assert names == {tag for tag in tags if tag.split("/")[0] in ("lr_finder", "train", "valid")}
    assert events.Histograms("train/weights/heads")[0].histogram_value.num > 0


class Filling(NoTracker):
    """Its disk is full from the second call on."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append(f"log {step}")
        if step > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self, exit_code: int) -> None:
        self.calls.append(f"close {exit_code}")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_training_outlives_the_disk_of_its_tracker(caplog: pytest.LogCaptureFixture) -> None:
    full = Filling()
    with Lasting(full) as tracker:
        for step in range(4):
            tracker.log(step, {"train/loss": 1.0})
    assert full.calls == ["log 0", "log 1", "log 2", "close 0"]
    assert caplog.text.count("tracker=filling can no longer write (No space left on device)") == 1
