"""What a run is: what its id, folder, group and system follow from, and what may go on in its place."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from configs import choices, composed
from conftest import Here
from ricercar.comparison.systems import key_of
from ricercar.errors import InputError
from ricercar.harness import assemble, identity
from ricercar.harness.command import expanded
from ricercar.harness.identity import dataset_name, named, run_id, system_id
from ricercar.harness.lock import RunLock, discard
from ricercar.harness.results import Result
from ricercar.harness.run import Record, Run, check_free
from ricercar.harness.settled import settled
from ricercar.train import train
from trainings import CHOICES, ONSETS, SMALL, informative

MIXED = [*expanded("data=[folder,midi]"), "data.parts.folder.root=a/maps", "data.parts.midi.root=b/asap"]


def id_of(*overrides: str) -> str:
    return run_id(composed(*overrides))


# --- the id ---


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.num_workers=3"], ["trainer.log_every_steps=7"], ["trainer.checkpoint_minutes=1"],
        ["spectrogram=cached", "spectrogram.limit_gb=1"], ["hardware.accelerator=gpu"], ["hardware.strategy=ddp_spawn"],
        ["trainer.profile=9steps"], ["trainer.find_lr=9steps"], ["init.strict=false"],
        ["tracker=none"], ["cache_dir=x"], ["num_threads=2"], ["resume=anyway"], ["seeds_per_job=3"],
    ],
)  # fmt: skip
def test_what_does_not_determine_a_result(overrides: list[str]) -> None:
    assert id_of(*overrides) == id_of(*(each for each in overrides if each == "spectrogram=cached"))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1", "trainer.batch_size=4", "hardware.devices=2", "hardware.precision=bf16-mixed",
        "trainer.budget=9steps", "data.seed=1", "data.studio.soundfonts=[a.sf2]", "backbone.width=3",
        "task.protocol.pedal=ignore",
    ],
)  # fmt: skip
def test_what_determines_a_result(override: str) -> None:
    assert id_of(override) != id_of()


@pytest.mark.parametrize("devices", ["2", "[0,3]", "'2'", "'1,3'"])
def test_the_batch_is_that_of_all_devices(devices: str) -> None:
    assert id_of(f"hardware.devices={devices}", "trainer.batch_size=4") == id_of("trainer.batch_size=8")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["trainer.budget=80steps"], []),
        (["trainer.budget=80.0 step"], []),
        (["trainer.budget=.5epoch"], ["trainer.budget=0.50 epochs"]),
        (["freeze=[backbone]", "unfreeze_at=9steps"], ["freeze=[backbone]", "unfreeze_at='9 steps'"]),
        (["freeze=[backbone]", "unfreeze_at=[9steps]"], ["freeze=[backbone]", "unfreeze_at=['9 steps']"]),
    ],
)
def test_a_budget_may_be_spelled_in_two_ways(one: list[str], other: list[str]) -> None:
    assert id_of(*one) == id_of(*other)


GROUPS = ("head", "task", "data", "frontend", "backbone", "augmentation", "schedule", "optimizer", "trainer")


@pytest.mark.parametrize("overrides", [*([f"{group}={each}"] for group in GROUPS for each in choices(group))], ids=str)
def test_what_is_made_leaves_its_configuration_as_it_is(overrides: list[str]) -> None:
    """Hydra writes into what it is given, and into what an interpolation of that names."""
    task = ["task=instruments"] if "instrument" in overrides[0] else []
    cfg = composed(*task, *overrides)
    before, group = run_id(cfg), overrides[0].partition("=")[0]
    if "_target_" in cfg[group] and not OmegaConf.missing_keys(cfg[group]):
        assemble._recipe(cfg[group])
    assert run_id(cfg) == before


@pytest.mark.parametrize("devices", ["-1", "auto"])
def test_all_devices_are_counted(devices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = composed("hardware=gpu", f"hardware.devices={devices}")
    assert settled(cfg, Path()).hardware.devices == {"-1": -1, "auto": "auto"}[devices], "there are none to count"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert settled(cfg, Path()).hardware.devices == 4
    assert run_id(settled(cfg, Path())) == id_of("hardware=gpu", "trainer.batch_size=32")


# Of runs from before there were the options of identity.LATER, as results were published with them.
BEFORE = {
    ("experiment=maps_harmonic",): "a6ef19b92094f484",
    ("experiment=maps_table",): "fc3499096bd54e1f",
    ("experiment=rendered_melody",): "1a5713d7273c8278",
    ("optimizer=adam",): "c1cda1ce3c3e6b48",
    ("optimizer=sgd",): "256c0d77fc8f0dae",
    ("tune=lr",): "4ac8d24557f3717b",
    (): "1b2c122a89d0af8c",
}


@pytest.mark.parametrize("overrides", BEFORE, ids=str)
def test_options_that_came_later_leave_runs_what_they_were(overrides: tuple[str, ...]) -> None:
    """Whether a configuration has them, with the values that mean so, or has not."""
    cfg = composed(*overrides)
    assert run_id(cfg) == BEFORE[overrides]
    without = OmegaConf.to_container(cfg)
    assert isinstance(without, dict)
    for key in identity.LATER:
        group, _, name = key.rpartition(".")
        (without.get(group, {}) if group else without).pop(name, None)
    assert run_id(OmegaConf.create(without)) == BEFORE[overrides]
    assert assemble.completed(OmegaConf.create(without)) == cfg


@pytest.mark.parametrize(
    "override",
    [
        "init.from=a.pt", "freeze=[heads]", "unfreeze_at=3steps", "optimizer.decay_biases_and_norms=false",
        "++optimizer.groups={heads: {lr: 0.1}}",
    ],
)  # fmt: skip
def test_options_that_came_later_count(override: str) -> None:
    assert id_of(override) != id_of()


def at(root: Path, *overrides: str) -> DictConfig:
    return settled(composed("data=folder", f"data.root={root.name}", *overrides), root.parent)


def test_a_copy_of_the_data_is_the_same_and_another_index_is_not(tones: Path, tmp_path: Path) -> None:
    """Elsewhere, under another name, with another system's line ends."""
    copy = tmp_path / "of tones"
    shutil.copytree(tones, copy)
    index = (tones / "index.csv").read_bytes()
    (copy / "index.csv").write_bytes(b"\xef\xbb\xbf" + index.replace(b"\n", b"\r\n"))
    here, there = at(tones, "seed=0"), at(copy, "seed=1")
    assert here.data.root == str(tones)
    assert there.data.root == str(copy)
    assert run_id(here) == run_id(at(copy, "seed=0")) != run_id(there)
    assert system_id(here) == system_id(there)
    groups = {identity.label(cfg, "", "", CHOICES, None).group for cfg in (here, there)}
    assert len(groups) == 1
    shutil.copyfile(copy / "audio" / "t1.wav", copy / "audio" / "t3.wav")
    assert system_id(at(copy)) != system_id(here), "the same names of other sound"
    shutil.copyfile(tones / "audio" / "t3.wav", copy / "audio" / "t3.wav")
    (copy / "index.csv").write_bytes(index.replace(b"F major", b"A minor"))
    assert system_id(at(copy)) != system_id(here)


def test_folders_without_an_index_are_known_by_name(tmp_path: Path) -> None:
    for name in ("a/maps", "b/maps", "c/other"):
        (tmp_path / name).mkdir(parents=True)
    a, b, other = (run_id(at(tmp_path / name)) for name in ("a/maps", "b/maps", "c/other"))
    assert a == b != other


def test_sound_fonts_are_known_by_content(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / f"{name}.sf2").write_bytes(b"RIFF0000sfbk" + content.encode())
    cfgs = [
        settled(composed(f"data.studio.soundfonts=[{name}]"), tmp_path) for name in ("a.sf2", "b.sf2", "c.sf2", "a.sf2")
    ]
    assert cfgs[0].data.studio.soundfonts == [str(tmp_path / "a.sf2")]
    assert run_id(cfgs[0]) == run_id(cfgs[1]) == run_id(cfgs[3]) != run_id(cfgs[2])


def test_the_parts_of_mixed_data_count(tones: Path, tmp_path: Path) -> None:
    shutil.copytree(tones, tmp_path / "a" / "maps")
    shutil.copytree(tones, tmp_path / "elsewhere")
    cfg = settled(composed(*MIXED), tmp_path)
    assert cfg.data.parts.folder.root == str(tmp_path / "a" / "maps")
    moved = settled(composed(*MIXED, "data.parts.folder.root=elsewhere"), tmp_path)
    assert run_id(moved) == run_id(cfg)
    other = settled(composed(*MIXED, "data.parts.midi.root=b/pop"), tmp_path)
    assert run_id(other) != run_id(cfg)
    assert dataset_name(other, "folder+midi") == "folder:maps+midi:pop"


def test_what_comes_from_the_environment_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for rate in ("0.1", "0.2"):
        monkeypatch.setenv("RATE", rate)
        cfg = settled(OmegaConf.merge(composed(), {"optimizer": {"lr": "${oc.decode:${oc.env:RATE}}"}}), Path())
        assert OmegaConf.to_container(cfg)["optimizer"]["lr"] == float(rate)  # type: ignore[index,call-overload]
        assert OmegaConf.to_container(cfg)["frontend"]["sample_rate"] == "${sample_rate}"  # type: ignore[index,call-overload]
        ids.append(run_id(cfg))
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("overrides", "name", "folder"),
    [
        (["data=synth"], "synth", "synth"),
        (["data=folder", "data.root=/a/maps"], "folder:maps", "folder"),
        (["data=mirdata", "data.dataset=guitarset"], "mirdata:guitarset", "mirdata_guitarset"),
        (["data=unpacked", "data.dataset=maps", "data.home=/a/MAPS"], "unpacked:maps", "unpacked_maps"),
        (["data=mirdata", "data.dataset=slakh", "data.version=baby"], "mirdata:slakh:baby", "mirdata_slakh_baby"),
        (
            [*expanded("data=[synth,mirdata]"), "data.parts.mirdata.dataset=beatles"],
            "synth+mirdata:beatles",
            "synth+mirdata_beatles",
        ),
        (MIXED, "folder:maps+midi:asap", "folder+midi"),
    ],
)
def test_names_of_data_sets(overrides: list[str], name: str, folder: str) -> None:
    """In results and in looks.csv; and in folders and groups, which do not depend on where the data lie."""
    cfg = composed(*overrides)
    choice = "+".join(cfg.data.parts) if "parts" in cfg.data else overrides[0].removeprefix("data=")
    assert dataset_name(cfg, choice) == name
    assert named({**CHOICES, "data": choice}, cfg)["data"] == folder


def test_where_data_lie_is_no_override_of_a_result() -> None:
    given = ["data.root=/a", "data.parts.x.home=/b", "trainer.num_workers=2", "hardware=cpu", "+data@data.parts.x=midi"]
    assert identity.telling([*given, "data.seed=3"]) == ["hardware=cpu", "+data@data.parts.x=midi", "data.seed=3"]


def test_ids_take_neither_torch_nor_hydra() -> None:
    code = (
        "import sys, ricercar.harness.identity, ricercar.harness.results; print({'torch', 'hydra'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


# --- folders ---


def test_nothing_is_left_of_what_did_not_begin(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / ".hydra").mkdir(parents=True)
    for name in ("train.log", ".hydra/config.yaml"):
        (run / name).write_text("")
    with RunLock(run):
        discard(run)  # as the other of two processes that started at once
        assert (run / "train.log").exists()
    (run / "looks.csv").write_text("")
    discard(run)
    assert run.exists()
    (run / "looks.csv").unlink()
    discard(run)
    assert not run.exists()


def test_a_check_that_fails_leaves_the_folder_it_is_in(run_here: Here, tmp_path: Path) -> None:
    (tmp_path / "mine.log").write_text("")
    code, text = run_here("data/check.py", "data=folder", f"data.root={tmp_path / 'nowhere'}")
    assert (code, "There is no folder" in text) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.log"]


@pytest.mark.parametrize("name", ["run.json", "result.json", "checkpoints", "beat/result.json"])
def test_a_folder_with_a_run_is_not_free(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=f"has a run in it already \\({name}\\)"):
        check_free(tmp_path, resume=False)
    check_free(tmp_path, resume="anyway")
    if name != "run.json":
        with pytest.raises(InputError, match="does not say what it was made with"):
            check_free(tmp_path, resume=True)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run_id": 3}')
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        Record.read(tmp_path)


# --- as users meet it ---


def result_in(folder: Path) -> Result:
    return Result.read(folder / "result.json")


def test_resume_looks_at_what_is_there(
    run_here: Here, on_tones: list[str], tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command, code or annotation is refused by name; a finished run stays untouched."""
    shutil.copytree(tones, tmp_path / "data")
    mine = tmp_path / "mine_to_edit.py"
    mine.write_text("from ricercar.models.backbones.dense import Dense\n\n\nclass Own(Dense):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = ["backbone._target_=mine_to_edit.Own", "data.root=data", "hydra.run.dir=run"]
    command = ["train.py", *SMALL, *on_tones, *own]
    assert run_here(*command) == (0, "")
    files = [tmp_path / "run" / name for name in ("result.json", "run.json", ".hydra/config.yaml")]

    def state() -> list[tuple[bytes, int]]:
        return [(each.read_bytes(), each.stat().st_mtime_ns) for each in files]

    def refused(*arguments: str) -> str:
        code, text = run_here(*arguments)
        assert code == 1
        assert state() == before
        return text

    before = state()
    assert "has a run in it already" in refused(*command)
    assert "has a run in it already" in refused("eval.py", "run=run", "hydra.run.dir=run", on_tones[-1])
    assert "differs in optimizer.lr. " in refused(*command, "resume=true", "optimizer.lr=0.5", "trainer.num_workers=1")
    mine.write_text(mine.read_text().replace("pass", "width = 3"))
    identity.sources_of.cache_clear()  # as in the next process
    assert "differs in classes.mine_to_edit.Own. " in refused(*command, "resume=true")
    mine.write_text(mine.read_text().replace("width = 3", "pass"))
    identity.sources_of.cache_clear()
    notes = tmp_path / "data" / "notes" / "t2.tsv"
    notes.write_text("".join(notes.read_text().splitlines(keepends=True)[:-1]))
    for resume in ("true", "anyway"):
        assert run_here(*command, f"resume={resume}") == (0, "")
        assert state() == before
    files.pop(0).unlink()
    before = state()
    assert "no longer the same: the data (valid). " in refused(*command, "resume=true")


def test_other_code_of_our_own_is_told(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that is not finished: it goes on where that is asked for, and says so from then on."""
    (tmp_path / "run").mkdir()
    cfg = composed(*SMALL, *on_tones)
    run = Run(cfg, tmp_path / "run", CHOICES, [])
    monkeypatch.setattr("ricercar.train._test", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(run)
    monkeypatch.undo()
    monkeypatch.setattr("ricercar.harness.run.source_hash", lambda *sources: "another")
    with pytest.raises(InputError, match="no longer the same: the code of Ricercar"):
        train(replace(run, cfg=composed(*SMALL, *on_tones, "resume=true")))
    [result] = train(replace(run, cfg=composed(*SMALL, *on_tones, "resume=anyway")))
    assert result.reproducible is False
    record = Record.read(run.folder)
    assert record is not None
    assert (record.code, record.mixed) == ("another", True)
    train(replace(run, cfg=composed(*SMALL, *on_tones, "resume=true")))


def test_a_sweep_into_the_same_folder_makes_other_runs(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        assert run_here("train.py", "-m", *SMALL, *on_tones, "hydra.sweep.dir=sweep", "resume=false") == (0, "")
    runs = [path.parent for path in sorted(tmp_path.glob("sweep/*/result.json"))]
    assert [result_in(run).looks for run in runs] == [1, 1]
    assert sorted(run.name.removeprefix(runs[0].name) for run in runs) == ["", "-2"]


def test_two_machines_train_one_system(run_here: Here, on_tones: list[str], tones: Path, tmp_path: Path) -> None:
    """Seeds on copies of the data elsewhere, with relative paths: one system, and each is evaluated from any folder."""
    runs: list[Path] = []
    for seed, (machine, root) in enumerate([("here", "tones"), ("there", "of/other")]):
        shutil.copytree(tones, tmp_path / machine / root)
        own = [f"data.root={root}", f"seed={seed}", f"trainer.log_every_steps={7 + seed}"]
        assert run_here("train.py", *ONSETS, *on_tones, *own, folder=machine) == (0, "")
        runs += (tmp_path / machine).glob("outputs/*")
    first, second = map(result_in, runs)
    assert first.run_id != second.run_id
    assert key_of(first) == key_of(second)
    assert first.overrides[:-1] == second.overrides[:-1]
    assert run_here("leaderboard.py", "here", "there", "--output", "board.json")[0] == 0
    [board] = json.loads((tmp_path / "board.json").read_text())["boards"]
    seeds = [[run["seed"] for run in system["runs"]] for system in board["systems"]]
    assert [each for each in seeds if each != [None]] == [[0, 1]]
    assert run_here("eval.py", f"run={runs[1]}", "hydra.run.dir=again", on_tones[-1]) == (0, "")
    assert informative(second)
    assert result_in(tmp_path / "again").tracks == second.tracks


def test_who_learnt_from_other_annotations_is_another_system(
    run_here: Here, on_tones: list[str], tones: Path, tmp_path: Path
) -> None:
    """One note less in training: the same index, the same configuration, the same test split."""
    found = []
    for seed, name in enumerate(("whole", "less")):
        shutil.copytree(tones, tmp_path / name / "tones")
        notes = tmp_path / name / "tones" / "notes" / "t0.tsv"
        notes.write_text("".join(notes.read_text().splitlines(keepends=True)[: None if name == "whole" else -1]))
        own = ["data.root=tones", f"seed={seed}"]
        assert run_here("train.py", *SMALL, *on_tones, *own, folder=name) == (0, "")
        found += [result_in(path) for path in (tmp_path / name).glob("outputs/*")]
    assert found[0].comparable == found[1].comparable
    assert key_of(found[0]) != key_of(found[1])


def test_what_begins_is_kept(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    """A failure in training leaves the folder; one before does not, even of a network that does not fit its input."""
    diverges = ["optimizer=sgd", "optimizer.lr=1e30", "trainer.clip_norm=null", "trainer.log_every_steps=1"]
    more = ["schedule=constant", "trainer.budget=20steps", "trainer.checkpoint_minutes=0"]
    code, text = run_here("train.py", *SMALL, *on_tones, *diverges, *more)
    assert (code, "not finite at step" in text) == (1, True)
    [run] = (tmp_path / "outputs").iterdir()
    saved = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in saved["nets"][0].values())
    record = Record.read(run)
    assert record is not None
    assert sorted(record.data) == ["test", "train", "valid"]
    code, text = run_here("train.py", "frontend=mel", "backbone=harmonic_cnn", *on_tones)
    assert (code, "needs a log-frequency spectrogram" in text) == (1, True)
    assert list((tmp_path / "outputs").iterdir()) == [run]
