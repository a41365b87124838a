"""hydra/sweeper=optuna: what is tried, what becomes of it, and who trains it when commands die or work together."""

import json
import math
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from configs import ROOT, choices, composed, frontends, option
from conftest import Command, Here, Start
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.lock import RunLock
from ricercar.harness.loop import Loop
from ricercar.harness.results import Result
from ricercar.harness.search.report import Report, format_report, read_report, tuning_of
from ricercar.harness.search.space import check_options, space_of, value_of
from ricercar.harness.search.study import Asking, Place, Sampling, _storage, report_of, tell

NET = ["frontend=mel", "backbone=dense", "backbone.width=16", "backbone.context=0", "task=onset"]
SEARCH = ["-m", "hydra/sweeper=optuna", *NET]
LR = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
# train.py, which takes its time to put what it has written into its place.
SLOW = """
import pathlib, runpy, sys, time
replace = pathlib.Path.replace
def slow(path, target):
    if path.name.endswith((".search.json.tmp", "result.json.tmp")):
        time.sleep(0.3)
    return replace(path, target)
pathlib.Path.replace = slow
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def report_in(folder: Path) -> Report:
    [path] = folder.glob("*.search.json")
    return read_report(path)


def space(*texts: str) -> Any:
    found, _ = space_of({}, OverridesParser.create().parse_overrides(list(texts)))
    return found


def test_a_search_is_the_same_again_and_its_best_is_tested(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, by its run that was a trial, and with another seed; the others never see the test split."""
    command = [*SEARCH, *on_tones, LR, "backbone.dropout=choice(0,0.2)", "hydra.sweeper.num_random=1"]
    reports = []
    for name, total, seeds in (("a", 2, "null"), ("b", 3, "[0,1]")):
        more = [f"hydra.sweeper.num_trials={total}", f"hydra.sweeper.seeds={seeds}", f"sweep.name={name}"]
        assert run_here("train.py", *command, *more)[0] == 0
        reports.append(report_in(tmp_path / "multirun" / name))
    other, one = ([(each.values, each.score, each.run) for each in report.trials] for report in reports)
    assert other == one[:2]
    assert len({str(values) for values, _, _ in one}) == 3
    printed = capsys.readouterr().out
    assert "3 of 3 trials of study onset-folder-mel-dense-s0-" in printed
    assert re.search(r"^seed=1 +finished", printed, re.MULTILINE)

    folder = tmp_path / "multirun" / "b"
    looked = sorted(path.parent.name for path in folder.glob("*/looks.csv"))
    results = {result.seed: result for result in map(Result.read, folder.glob("*/result.json"))}
    assert looked == sorted(path.parent.name for path in folder.glob("*/result.json"))
    best = reports[1].trials[reports[1].best or 0]
    assert best.score == max(score for _, score, _ in one) > 0
    assert best.run in looked
    assert sorted(results) == [0, 1]
    for result in results.values():
        assert result.tuning is not None
        assert [trial.values for trial in result.tuning.trials] == [each.values for each in reports[1].trials]
        assert result.tuning.trials[result.tuning.chosen].values == best.values
        assert result.config is not None
        assert result.config["optimizer"]["lr"] == best.values["optimizer.lr"]

    capsys.readouterr()
    assert run_here("sweep.py", "status", str(folder), "--json") == (0, "")
    rows = json.loads(capsys.readouterr().out)
    assert sorted(row["state"] for row in rows) == ["finished", "finished", "validated", "validated"]
    assert run_here("sweep.py", "search", str(folder), "--json") == (0, "")
    assert json.loads(capsys.readouterr().out)[0]["best"] == best.number

    # More trials of the same study; what is tested already says how many there were.
    assert run_here("train.py", *command, "hydra.sweeper.num_trials=4", "sweep.name=b")[0] == 0
    report = report_in(folder)
    assert [each.values for each in report.trials[:3]] == [values for values, _, _ in one]
    chosen = Result.read(folder / str(report.trials[report.best or 0].run) / "result.json")
    assert chosen.tuning is not None
    assert len(chosen.tuning.trials) == 4
    assert chosen.looks == 1


def test_a_search_that_is_killed_goes_on(
    start: Start, run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    """The trial that was in the middle is asked again, with its values, and goes on from its checkpoint."""
    command = [*SEARCH, *on_tones, LR, "hydra.sweeper.num_trials=3", "hydra.sweeper.sampler=random"]
    command += ["trainer.budget=60steps", "trainer.num_validations=6"]
    with (tmp_path / "log").open("w") as log:
        killed = start("train.py", *command, stdout=log, stderr=log)
        while killed.running() and len(list(tmp_path.glob("multirun/*/checkpoints/last.pt"))) < 2:
            time.sleep(0.02)
        killed.send(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    before = [trial.values for trial in report_in(tmp_path / "multirun").trials]
    done = run_command("train.py", *command)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    report = report_in(tmp_path / "multirun")
    assert [trial.state for trial in report.trials] == ["validated"] * 3
    assert [trial.values for trial in report.trials][: len(before)] == before
    logs = [(tmp_path / "multirun" / str(trial.run) / "train.log").read_text() for trial in report.trials]
    assert len(list(tmp_path.glob("multirun/*/checkpoints"))) == 3
    assert ["resumed from step" in log for log in logs[:2]] == [report.best == 0, True]
    assert [log.count("%  ") for log in logs[::2]] == [6, 6]  # a line for each validation
    assert len(list(tmp_path.glob("multirun/*/looks.csv"))) == 1


@pytest.mark.slow
def test_two_commands_share_a_study(start: Start, on_tones: list[str], tmp_path: Path) -> None:
    command = [*SEARCH, *on_tones, LR, "hydra.sweeper.num_trials=4", "trainer.budget=20steps"]
    files = [(tmp_path / name).open("w+") for name in ("one", "two")]
    both = [start("-c", SLOW, str(ROOT / "train.py"), *command, stdout=file, stderr=file) for file in files]
    codes = [each.wait() for each in both]
    printed = [(file.seek(0), file.read())[1] for file in files]
    assert codes == [0, 0], printed
    report = report_in(tmp_path / "multirun")
    assert [trial.state for trial in report.trials] == ["validated"] * 4
    begun = [len(re.findall("INFO task  ", text)) for text in printed]
    assert min(begun) > 0
    assert sum(begun) == 5  # four trials, and the best once more
    assert len(list(tmp_path.glob("multirun/*/looks.csv"))) == 1


def test_what_is_pruned_is_not_trained_on(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    """Unless it is asked for by itself. The first in the grid is the better one where the second is pruned."""
    command = [*NET, *on_tones, "trainer.budget=30steps", "trainer.num_validations=3", "trainer.ema_decay=0"]
    grid = ["optimizer.lr=1e-9,1e-2", "hydra.sweeper.sampler=grid", "hydra.sweeper.seed=1"]
    search = ["-m", "hydra/sweeper=optuna", *grid, "hydra.sweeper.pruner=median", "hydra.sweeper.num_unpruned=1"]
    for _ in range(2):
        assert run_here("train.py", *command, *search)[0] == 0
        report = report_in(tmp_path / "multirun")
        assert [(trial.state, trial.values) for trial in report.trials] == [
            ("validated", {"optimizer.lr": 1e-9}), ("pruned", {"optimizer.lr": 1e-2})
        ]  # fmt: skip
        folder = tmp_path / "multirun" / str(report.trials[1].run)
        assert json.loads((folder / "pace.json").read_text())["step"] == 10
    assert not (folder / "result.json").exists()
    [result] = map(Result.read, tmp_path.glob("multirun/*/result.json"))
    assert result.tuning is not None
    assert [trial.score for trial in result.tuning.trials] == [trial.score for trial in report.trials]
    assert run_here("train.py", "-m", *command, "optimizer.lr=1e-2")[0] == 0
    assert Result.read(folder / "result.json").cost.steps == 30


def test_the_same_values_are_trained_once(
    run_here: Here, on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, calls = Loop.fit, []
    monkeypatch.setattr(Loop, "fit", lambda *args, **options: calls.append(1) or fit(*args, **options))
    one = ["optimizer.lr=choice(0.003)", "hydra.sweeper.num_trials=3", "hydra.sweeper.sampler=random"]
    assert run_here("train.py", *SEARCH, *on_tones, *one)[0] == 0
    assert len(calls) == 2  # a trial, and its test
    report = report_in(tmp_path / "multirun")
    assert [(trial.state, trial.run) for trial in report.trials] == [("validated", report.trials[0].run)] * 3


def test_what_diverges_or_fails_stops_nothing(
    run_here: Here, on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A divergence is an answer, a failure none: it is tried again on request."""
    validate = Loop._validate

    def broken(*args: Any) -> float:
        folder = args[2].checkpoints.folder.parent
        if "  lr: 0.01\n" in (folder / ".hydra" / "config.yaml").read_text():
            raise OSError("broken")
        return validate(*args)

    command = [*SEARCH, *on_tones, "optimizer.lr=1e-3,1e-2,1e30", "hydra.sweeper.sampler=grid"]
    states = {1e-3: "validated", 1e-2: "failed", 1e30: "diverged"}
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", broken)
        assert run_here("train.py", *command)[0] == 1
    for retry in ("none", "failed"):
        report = report_in(tmp_path / "multirun")
        assert {trial.values["optimizer.lr"]: trial.state for trial in report.trials} == states
        assert [trial.reason for trial in report.trials if trial.reason] == ["broken"]
        assert run_here("train.py", *command, f"sweep.retry={retry}")[0] == (retry == "none")
    report = report_in(tmp_path / "multirun")
    assert {trial.values["optimizer.lr"]: trial.state for trial in report.trials} == states | {1e-2: "validated"}
    [best] = [trial for trial in report.trials if trial.number == report.best]
    result = Result.read(tmp_path / "multirun" / str(best.run) / "result.json")
    assert result.tuning is not None
    assert sorted(math.isnan(trial.score) for trial in result.tuning.trials) == [False, False, True]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "nothing to search: name spaces of conf/search"),
        (["search=[training]", "optimizer.lr=1e-3", "hydra.sweeper.sampler=grid"], "grid: optimizer.weight_decay=tag"),
        (["optimizer.rate=interval(0,1)"], "search has optimizer.rate, which is no option.* There are: .*lr"),
        (["search=[transformer]"], "search has backbone.depth, which is no option"),
        (["search=[nothing]"], "search=nothing: there is no such space. There are: attentive, chroma, cnn"),
        (["data.root=a,b"], "data.root, which is not for a search: all trials share the tracks"),
        (["seed=0,1"], "seed, which is not for a search: a run has one"),
        (["task=onset,notes"], "search has task: scores under different protocols"),
        (["task.protocol.window_s=0.05,0.1"], "search has task.protocol.window_s: scores under different protocols"),
        (["backbone.dropout=interval(0,1.5)"], "search: backbone.dropout=1.5 cannot be trained"),
        (["backbone=dense,nothing"], "search: backbone=nothing cannot be trained: .*Could not find"),
        (["optimizer.lr=tag(log,interval(0,1))"], "logarithmic scale begins above 0, not at 0.0"),
        ([LR, "hydra.sweeper.pruner=median"], "hydra.sweeper.pruner=median judges by .* trainer.num_validations=1"),
        ([LR, "hydra.sweeper.sampler=genetic"], "hydra.sweeper.sampler='genetic': choose one of tpe, random"),
        ([LR, "hydra.sweeper.sampler=cmaes"], "cmaes needs two options"),
        ([LR, "hydra.sweeper.seeds=3"], r"hydra.sweeper.seeds=3: give a list"),
        (["backbone.dropout=0,0.1", "hydra.sweeper.sampler=grid", "hydra.sweeper.num_trials=3"], "grid has 2 points"),
        ([LR, "resume=false"], "resume=false: a search goes on"),
        ([LR, "seeds_per_job=2"], "seeds_per_job=2: a trial has one seed"),
        ([LR, "tune=lr"], "give tune=none"),
        ([LR, "hydra.sweeper.storage=/proc/no/x.journal"], "hydra.sweeper.storage=/proc/no/x.journal cannot be used"),
        ([LR, "hydra.sweeper.storage=nosql://u:secret@h/x"], r"storage=nosql://\*\*\*@h/x cannot be used"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched(options: list[str], told: str, run_here: Here, on_tones: list[str]) -> None:
    code, error = run_here("train.py", *SEARCH, *on_tones, *options)
    assert code == 1
    assert re.search(told, error.splitlines()[-1]), error
    assert "secret" not in error


def test_a_search_needs_its_sweeper_and_optuna(
    run_here: Here, on_tones: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, error = run_here("train.py", *NET, *on_tones, "search=[training]")
    assert (code, "a search is train.py -m hydra/sweeper=optuna" in error) == (1, True)
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, error = run_here("train.py", *SEARCH, *on_tones, LR)
    assert (code, error) == (1, "error: hydra/sweeper=optuna needs Optuna: pip install 'ricercar[search]'.\n")


def test_another_search_is_not_gone_on_with(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    """Of another space, about something else, or on other data."""
    study = [*SEARCH, "hydra.sweeper.study_name=mine"]
    assert run_here("train.py", *study, *on_tones, LR, "hydra.sweeper.num_trials=1")[0] == 0
    code, error = run_here("train.py", *study, *on_tones, LR.replace("1e-1", "1"))
    assert code == 1
    assert "begun with the space optimizer.lr=tag(log, interval(0.0001, 0.1)); this command has optimizer.lr=" in error
    code, error = run_here("train.py", *study, *on_tones, LR, "backbone.width=8")
    assert code == 1
    assert "begun with other options, which differ in backbone.width." in error
    report = tmp_path / "multirun" / "mine.search.json"
    journal = tmp_path / "multirun" / "search.journal"
    journal.write_text(re.sub(r'"train":"\w+"', '"train":"0"', journal.read_text()))
    _storage.cache_clear()
    for _ in range(2):
        code, error = run_here("train.py", *study, *on_tones, LR, "hydra.sweeper.num_trials=2")
        assert code == 1
        assert "study mine was begun with what is no longer the same: the data (train)." in error
        assert [trial.state for trial in read_report(report).trials] == ["validated", "running"]
    assert run_here("train.py", *study, *on_tones, LR, "hydra.sweeper.num_trials=2", "resume=anyway")[0] == 0
    assert [trial.state for trial in read_report(report).trials] == ["validated", "validated"]


@pytest.mark.parametrize("storage", ["{}/a/x.journal", "sqlite:///{}/x.db"], ids=["journal", "database"])
def test_trials_of_the_dead_are_asked_again(storage: str, tmp_path: Path) -> None:
    """Those of commands that live are not, here or elsewhere."""
    place = Place(storage.format(tmp_path), "study", "none", 5, 5)
    searched = space("a=interval(0,1)")
    one, two = (Asking(place, Sampling("tpe", 1, 0), searched, tmp_path) for _ in range(2))
    one.begin({"x": 1})
    two.begin({"x": 1})
    with pytest.raises(InputError, match=f"has its trials in {tmp_path}: give hydra.sweep.dir="):
        Asking(place, one.sampling, searched, tmp_path / "other").begin({"x": 1})
    with one.alive:
        [first] = one.take(1, 3, [])
        with two.alive:
            assert [each.number for each in two.take(9, 3, [])] == [1, 2]
            assert two.take(9, 3, []) == []
            tell(place.open(), 1, "COMPLETE", 0.5, ended="validated", score=0.5)
    three = Asking(place, Sampling("tpe", 1, 0), searched, tmp_path)
    left = place.open().trials[2]
    place.open()._storage.set_trial_user_attr(left._trial_id, "run", "run")
    with three.alive, RunLock(tmp_path / "run"):
        assert [each.number for each in three.take(9, 4, [])] == [0, 3]  # the job of 2 still runs: it comes last
        assert [each.number for each in three.take(9, 4, [])] == [2]
        assert three.take(9, 4, []) == []
    assert three.take(1, 4, []) == [first]
    assert place.open().trials[1].value == 0.5


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "cmaes"])
def test_samplers(sampler: str, tmp_path: Path) -> None:
    """The same values however a search is interrupted, within their bounds; the option that matters is said to."""
    texts = ["a=interval(0,1)", "b=tag(log,int(interval(1,64)))", "c=choice(0,0.2)"]
    if sampler == "grid":
        texts[:2] = ["a=range(0,1,0.1)", "b=1,8"]
    searched = space(*texts)
    runs = []
    for name in ("whole", "parts"):
        place = Place(str(tmp_path / name), "study", "none", 5, 5)
        asked = []
        for number in range(16):
            if number == 0 or name == "parts":
                asking = Asking(place, Sampling(sampler, 3, 0), searched, tmp_path)
            [trial] = asking.take(1, 16, [])
            values = searched.values(place.open().trials[number].params)
            assert 0 <= values["a"] <= 1
            assert 1 <= values["b"] <= 64
            assert isinstance(values["b"], int)
            assert values["c"] in (0, 0.2)
            score = -abs(values["a"] - 0.3)
            tell(place.open(), number, "COMPLETE", score, ended="validated", score=score, metric="m", seconds=1.0)
            asked.append(trial.overrides)
        runs.append(asked)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 12
    told = {"sampler": sampler, "pruner": "none", "fixed": [], "num_trials": 16}
    report = report_of(place.open(), searched, **told)
    assert max(report.importances, key=report.importances.__getitem__) == "a"
    report.write(tmp_path)
    text = format_report(tmp_path / "study.search.json")
    assert re.search(r"^a +0\.\d\d$", text, re.MULTILINE)
    assert tuning_of(tmp_path / "study.search.json").chosen == report.best


def test_a_journal_that_was_cut_short_is_read(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "x.journal"), "study", "none", 5, 5)
    asking = Asking(place, Sampling("random", 1, 0), space("a=interval(0,1)"), tmp_path)
    asking.begin({})
    with (tmp_path / "x.journal").open("a") as file:
        file.write('{"op_code":4,"wor')
    _storage.cache_clear()
    assert [each.number for each in asking.take(2, 2, [])] == [0, 1]
    _storage.cache_clear()
    assert len(place.open().trials) == 2


@pytest.mark.parametrize("name", choices("search"))
def test_spaces(name: str) -> None:
    """Each is of a backbone, a frontend or the training, and all that it may try can be."""
    groups = {"frontend": "hcqt" if name == "harmonic_cnn" else "mel", "backbone": "dense"}
    own = {group: name for group in groups if name in choices(group)}
    cfg = composed(*(f"{group}={choice}" for group, choice in (groups | own).items()))
    if name != "harmonic_cnn" and "width" in cfg.backbone:
        cfg.backbone.width = 64  # spares looking for the one that has as many parameters
    found, _ = space_of(OmegaConf.to_container(option("search", name)), [])
    check_options(found, cfg, {})
    every = {key: [text for each, text in found.ends() if each == key] for key in found.dimensions}
    for number in range(max(map(len, every.values()))):
        trial = cfg.copy()
        for key, texts in every.items():
            OmegaConf.update(trial, key, value_of(texts[number % len(texts)]), merge=False)
        assemble.check(trial)
        assemble.check_parts(trial)


def test_every_backbone_and_frontend_has_a_space() -> None:
    assert {*choices("backbone"), *frontends(), "training"} == set(choices("search"))
