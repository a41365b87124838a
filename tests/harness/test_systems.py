"""Systems from elsewhere, run by eval.py: what they write, what goes wrong with them, and where they are installed."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from configs import ROOT, choices
from conftest import Command, Here, Start
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.systems.recordings import hand_over, handed_as
from ricercar.harness.systems.system import System

CONF = ROOT / "conf" / "system"
# Writes a key for each recording, and its name into `asked`; what is in `trouble` happens to t1.
PROGRAM = f"""#!{sys.executable} -IS
import os, sys, time
from pathlib import Path
recording, output = map(Path, sys.argv[1:])
folder = Path(__file__).parent
with (folder / "asked").open("a") as asked:
    print(recording.name, file=asked)
trouble = (folder / "trouble").read_text() if recording.stem == "t1" and (folder / "trouble").exists() else ""
if trouble == "hangs":
    time.sleep(100)
if trouble == "crashes":
    print("half way", end="\\r")
    print("the model is missing")
    sys.exit(3)
if trouble == "is killed":
    os.kill(os.getpid(), 9)
if trouble == "writes elsewhere":
    output = output.with_name("elsewhere.txt")
if trouble != "writes nothing":
    output.write_text("H sharp" if trouble == "writes rubbish" else "C major")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


@pytest.fixture
def on_keys(tones: Path, tmp_path: Path) -> list[str]:
    """Overrides for two tracks, t0 and t1; what is kept of systems is the test's own."""
    return ["task=key", "data=folder", f"data.root={tones}", "split=train", f"cache_dir={tmp_path}"]


RUN = ["system=mirex", "system.command=./keys %input %output"]


def asked(program: Path) -> list[str]:
    """The recordings that the program was run on, and since the last time."""
    path = program.parent / "asked"
    names = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def test_a_program_is_run_once_for_each_recording(
    run_here: Here, program: Path, on_keys: list[str], tmp_path: Path
) -> None:
    assert run_here("eval.py", *RUN, *on_keys, "name=keys", "hydra.run.dir=a") == (0, "")
    assert asked(program) == ["t0.wav", "t1.wav"]
    found = result(tmp_path / "a")
    assert found["choices"] == {"task": "key", "data": "folder", "system": "keys"}
    assert found["system"] == {
        "paper": None, "url": None, "trained_on": [], "works_known": False, "licence": None, "packages": None,
    }  # fmt: skip
    assert {track["id"]: track["metrics"]["key/Weighted_Score"] for track in found["tracks"]} == {"t0": 1.0, "t1": 0.0}
    assert found["cost"]["real_time_factor"] > 0
    assert found["cost"]["peak_memory_bytes"] > 1e6
    assert {path.name for path in (tmp_path / "a" / "predictions").iterdir()} == {"t0.txt", "t1.txt"}
    assert (tmp_path / "a" / "baselines" / "majority" / "result.json").exists()

    assert run_here("eval.py", *RUN, *on_keys, "name=keys", "hydra.run.dir=b") == (0, "")
    assert asked(program) == []
    assert {key: result(tmp_path / "b")[key] for key in ("run_id", "tracks", "cost")} == {
        key: found[key] for key in ("run_id", "tracks", "cost")
    }
    assert run_here("eval.py", *RUN, *on_keys, "again=true", "num_jobs=2", "hydra.run.dir=c") == (0, "")
    assert asked(program) == ["t0.wav", "t1.wav"]
    program.write_text(PROGRAM.replace("C major", "D major"))
    assert run_here("eval.py", *RUN, *on_keys, "hydra.run.dir=d") == (0, "")
    assert asked(program) == ["t0.wav", "t1.wav"]
    assert result(tmp_path / "d")["tracks"] != found["tracks"]


def test_a_program_that_is_told_the_task_predicts_each(
    run_here: Here, program: Path, on_keys: list[str], tmp_path: Path
) -> None:
    """Both tasks are written as .txt."""
    by_task = PROGRAM.replace("sys.argv[1:]", "sys.argv[2:]")
    program.write_text(by_task.replace('"C major"', '"C major" if sys.argv[1] == "key" else "0.5"'))
    words = ["system=mirex", "system.command=./keys %task %input %output"]
    assert run_here("eval.py", *words, *on_keys, "hydra.run.dir=key") == (0, "")
    assert run_here("eval.py", *words, *on_keys[1:], "task=onset", "hydra.run.dir=onset") == (0, "")
    assert (tmp_path / "onset" / "predictions" / "t0.txt").read_text() == "0.5"


def test_another_program_of_the_same_name_predicts_anew(
    run_here: Here, program: Path, on_keys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is found by PATH, too: what it is counts, and not what it is called."""
    (tmp_path / "bin").mkdir()
    program = program.rename(tmp_path / "bin" / "keys")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    found = []
    for number, key in enumerate(("C major", "D major")):
        program.write_text(PROGRAM.replace("C major", key))
        words = ["system=mirex", "system.command=keys %input %output", f"hydra.run.dir={number}"]
        assert run_here("eval.py", *words, *on_keys) == (0, "")
        found.append(result(tmp_path / str(number))["tracks"])
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("crashes", "t1: ended with exit code 3. It said:\n    the model is missing"),
        ("is killed", "t1: was killed by signal 9. It said nothing."),
        ("hangs", "t1: took longer than 1.5 s (timeout_s). It said nothing."),
        ("writes nothing", "t1: wrote no t1.txt."),
        ("writes elsewhere", "t1: wrote no t1.txt, but elsewhere.txt."),
        ("writes rubbish", "t1: wrote what cannot be read: t1.txt"),
    ],
)
def test_what_goes_wrong_is_said_of_the_track_and_the_rest_is_kept(
    run_here: Here, program: Path, on_keys: list[str], tmp_path: Path, trouble: str, words: str
) -> None:
    (tmp_path / "trouble").write_text(trouble)
    code, error = run_here("eval.py", *RUN, *on_keys, "timeout_s=1.5", "hydra.run.dir=run")
    assert code == 1
    assert "system=mirex failed on 1 of 2 tracks; nothing is scored:" in error
    assert words in error
    assert not (tmp_path / "run" / "result.json").exists()
    asked(program)
    (tmp_path / "trouble").unlink()
    assert run_here("eval.py", *RUN, *on_keys, "timeout_s=1.5", "hydra.run.dir=run") == (0, "")
    assert asked(program) == ["t1.wav"]
    assert len(result(tmp_path / "run")["tracks"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["system=mirex"], "system=mirex says how predictions came about, and not how they are made"),
        (["system=mirex", "system.command=./keys %input"], "command is './keys %input': it must name %input"),
        (["system=mirex", "system.command=keys %inputs %output"], "it must name %input"),
        (["system=mirex", "system.command=./none %input %output"], "/none, or it may not be executed."),
        (["system=mirex", "system.command='./keys \"%input %output'"], "No closing quotation"),
        (["system=transkun"], "system=transkun does not do task=key; it does: notes."),
        (["system=chroma"], "system=chroma is not installed: ricercar systems install chroma"),
        (["system=none_such"], "Could not find 'system/none_such'"),
        (["system=none_such.yaml"], "system=none_such.yaml cannot be read: No such file or directory."),
        ([*RUN, "num_jobs=0"], "num_jobs=0: must be a whole number, at least 1"),
        ([*RUN, "timeout_s=-1"], "timeout_s=-1: must be a number above 0"),
        ([*RUN, "baseline=majority"], "system= is given with predictions=, or alone."),
        ([*RUN, "task=[key,tempo]"], "are scored for one task at a time"),
        (["system=lone.yaml", "system.options.mod=minor"], "unknown option system.options.mod. There are: mode."),
        (["system=lone.yaml", "system.lisense=MIT"], "the file has the unknown field 'lisense'"),
        ([*RUN, "predictions=p"], "system.command= is of system=, and does nothing with predictions="),
        (["system=own.yaml"], "system=own.yaml: has script and command: give one of them."),
    ],
)
def test_what_cannot_be_run_is_said(
    run_here: Here, program: Path, on_keys: list[str], tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "own.yaml").write_text("{name: a, trained_on: [], script: a.py, command: './keys %input %output'}")
    (tmp_path / "lone.yaml").write_text(
        "{name: a, trained_on: [], script: a.py, options: {mode: major}, writes: {key: .txt}}"
    )
    code, error = run_here("eval.py", *on_keys, *options)
    assert code == 1
    assert words in error
    assert asked(program) == []


OWN = """
name: Own
trained_on: [tones]
works: [g1]
licence: MIT
params: 7
writes: {key: _key.txt}
script: own.py
options: {mode: major}
reads: [.wav]
environment: {ours: false}
"""
SCRIPT = """
import sys
print("loading", sys.prefix)

def load(task, mode):
    if mode == "broken":
        raise ValueError("no such mode")
    def transcribe(recording, output):
        print("noise")
        with open(output, "w") as file:
            file.write("C " + mode)
    return transcribe
"""


def test_options_change_a_yaml_that_is_a_file(run_here: Here, on_keys: list[str], tmp_path: Path) -> None:
    """As they do those of a choice; the others stay as the yaml says."""
    (tmp_path / "own.py").write_text(SCRIPT.replace("task, mode)", "task, mode, tonic)").replace('"C "', "tonic"))
    own = OWN.replace("environment: {ours: false}\n", "").replace("mode: major", "mode: major, tonic: 'C '")
    (tmp_path / "own.yaml").write_text(own)
    options = ["system.options.mode=minor", "system.licence=none", "hydra.run.dir=minor"]
    assert run_here("eval.py", "system=own.yaml", *options, *on_keys) == (0, "")
    assert result(tmp_path / "minor")["system"]["licence"] == "none"
    assert {path.read_text() for path in (tmp_path / "minor" / "predictions").iterdir()} == {"C minor"}


def test_a_script_of_ones_own_in_its_own_environment(
    run_here: Here, on_keys: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("RICERCAR_CACHE", str(tmp_path))
    (tmp_path / "conf" / "system").mkdir(parents=True)
    (tmp_path / "conf" / "system" / "own.yaml").write_text(OWN)
    (tmp_path / "conf" / "system" / "own.py").write_text(SCRIPT)
    config = ["--config-dir", "conf"]
    run = ["eval.py", *config, "system=own", *on_keys]
    assert "system=own is not installed: ricercar systems install own" in run_here(*run)[1]
    assert run_here("systems.py", *config, "install", "own") == (0, "")
    assert run_here("systems.py", *config, "install", "own") == (0, "")
    assert run_here("systems.py", *config, "list") == (0, "")
    printed = capsys.readouterr().out
    assert f"own: installed in {tmp_path}/systems/own\nown: is installed already\n" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith("own ")] == [
        ["own", "key", "MIT", "installed"]
    ]
    assert run_here(*run, "hydra.run.dir=major") == (0, "")
    found = result(tmp_path / "major")
    assert (found["choices"]["system"], found["cost"]["params"]) == ("Own", 7)
    assert found["system"]["packages"] == []
    assert found["training"]["shared"] == ["g1"]
    assert {path.name for path in (tmp_path / "major" / "predictions").iterdir()} == {"t0.txt", "t1.txt"}
    assert run_here(*run, "system.options.mode=minor", "hydra.run.dir=minor") == (0, "")
    assert result(tmp_path / "minor")["tracks"] != found["tracks"]
    code, error = run_here(*run, "system.options.mode=broken")
    assert code == 1
    assert "the system cannot be loaded: it ended with exit code 1. It said:" in error
    assert "ValueError: no such mode" in error

    # Described by the file, and half built.
    (tmp_path / "systems" / "own" / "installed.json").unlink()
    assert "is not installed" in run_here(*run)[1]
    assert run_here("systems.py", *config, "install", "own") == (0, "")
    (tmp_path / "conf" / "system" / "own.yaml").write_text(OWN.replace("ours: false", "ours: true"))
    assert "was installed from another description: ricercar systems install own" in run_here(*run)[1]
    assert run_here("systems.py", *config, "remove", "own") == (0, "")
    assert not (tmp_path / "systems" / "own").exists()
    code, error = run_here("systems.py", *config, "remove", "nobody")
    assert code == 1
    assert "there is no system 'nobody': choose one of all_in_one, basic_pitch" in error


def test_pip_that_finds_nothing_is_quoted(run_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICERCAR_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "far.yaml").write_text("{name: a, trained_on: [], environment: {no_deps: [no-such-package==1]}}")
    code, error = run_here("systems.py", "install", "far.yaml")
    assert code == 1
    assert "system=far.yaml: pip cannot install no-such-package==1" in error
    assert "No matching distribution found for no-such-package==1" in error
    assert "Without a network nothing can be installed." in error


def test_a_command_for_a_whole_folder(run_here: Here, program: Path, on_keys: list[str], tmp_path: Path) -> None:
    program.write_text(
        f"#!{sys.executable} -IS\nimport pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    if path.stem not in sys.argv[3:]:\n"
        "        (pathlib.Path(sys.argv[2]) / (path.stem + '.txt')).write_text('C major')\n"
    )
    command = "./keys %inputs %outputs"
    code, error = run_here("eval.py", "system=mirex", f"system.command={command} t1", *on_keys)
    assert code == 1
    assert "failed on 1 of 2 tracks; nothing is scored:\n  t1: wrote no t1.txt, but t0.txt." in error or (
        "  t1: wrote no t1.txt." in error
    )
    assert run_here("eval.py", "system=mirex", f"system.command={command}", *on_keys, "hydra.run.dir=run") == (0, "")
    assert len(result(tmp_path / "run")["tracks"]) == 2


def test_two_at_once_share_the_work_and_nothing_outlives_a_kill(
    start: Start, run_command: Command, program: Path, on_keys: list[str], tmp_path: Path
) -> None:
    (tmp_path / "trouble").write_text("hangs")
    killed = start("eval.py", *RUN, *on_keys, "hydra.run.dir=killed")
    path, until = tmp_path / "asked", time.monotonic() + 60
    while not (path.exists() and len(path.read_text().split()) == 2):
        assert time.monotonic() < until
        time.sleep(0.05)
    killed.send(signal.SIGKILL)
    killed.wait()
    (tmp_path / "trouble").unlink()
    assert asked(program) == ["t0.wav", "t1.wav"]
    both = [start("eval.py", *RUN, *on_keys, f"hydra.run.dir={name}") for name in ("a", "b")]
    assert [each.wait() for each in both] == [0, 0]
    assert asked(program) == ["t1.wav"]
    assert result(tmp_path / "a")["tracks"] == result(tmp_path / "b")["tracks"]
    left = [each for each in Path("/proc").glob("[0-9]*/cmdline") if str(program) in _text(each)]
    assert left == []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


class Sine:
    """A rendering."""

    def key(self) -> str:
        return "sine"

    def decode(self, sample_rate: int) -> Any:
        return np.sin(np.arange(sample_rate) * 0.1).astype(np.float32)


def test_recordings_are_handed_over_as_they_are_or_as_wav(tmp_path: Path) -> None:
    stereo = np.stack([np.linspace(-1, 1, 800), np.zeros(800)], axis=1)
    soundfile.write(tmp_path / "a.flac", stereo, 8000)
    store = AudioStore(tmp_path / "cache", 16000)
    flac, sine = (Track("x", "test", "g", audio) for audio in (AudioFile(tmp_path / "a.flac"), Sine()))
    base = {"name": "a", "trained_on": []}
    own, wav, resampled = (
        System.of({**base, "reads": reads, "sample_rate": rate}, "a")
        for reads, rate in ((["." + "flac"], None), ([".wav"], None), ([], 4000))
    )
    for number, (system, track, expected) in enumerate(
        [
            (own, flac, (".flac", 8000, 800, 2)), (wav, flac, (".wav", 8000, 800, 2)),
            (resampled, flac, (".wav", 4000, 400, 2)), (own, sine, (".wav", 16000, 16000, 1)),
            (resampled, sine, (".wav", 4000, 4000, 1)),
        ]
    ):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        path = hand_over(system, track, store, tmp_path / str(number))
        info = soundfile.info(path)
        assert (path.suffix, info.samplerate, info.frames, info.channels) == expected
        assert path.stem == "x"
    assert {handed_as(each, flac, store) for each in (own, wav, resampled)} == {"own", "wav own", "wav 4000"}


@pytest.mark.parametrize("name", [name for name in choices("system") if name != "file"])
def test_a_yaml_is_whole(name: str) -> None:
    """Its script is there, and defines what is asked of it; its endings are read by the annotation of the task."""
    from configs import make_task

    system = System.read(CONF / f"{name}.yaml")
    assert system.script is None or "\ndef load(task" in (CONF / system.script).read_text()
    for task, ending in (system.writes or {}).items():
        assert ending[ending.rindex(".") :] in make_task(task).annotation.suffixes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "is not YAML"),
        ("- a", "must be an object"),
        ("trained_on: []", "no field 'name'"),
        ("{name: a, trained_on: maps}", 'trained_on is "maps", it must be a list'),
        ("{name: '', trained_on: []}", "name is empty"),
        ("{name: a, trained_on: [], author: b}", "unknown field 'author'"),
        ("{name: a, trained_on: [], works: [1]}", r"works\[0\] is 1, it must be text"),
        ("{name: a, trained_on: [], script: a.py}", "writes is empty"),
        ("{name: a, trained_on: [], writes: {key: txt}}", "writes.key is 'txt', it must be an ending"),
        ("{name: a, trained_on: [], reads: [wav]}", "reads has 'wav': endings begin with a point"),
        ("{name: a, trained_on: [], sample_rate: 0}", "sample_rate is 0"),
        ("{name: a, trained_on: [], environment: {pip: [a]}}", "unknown field 'pip'"),
    ],
)
def test_yamls_name_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        System.read(path)
    assert "system.yaml" in str(error.value)
