"""Bad input: one message that names the place and the value, exit code 1, no traceback; and odd input that works."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from numpy.typing import NDArray
from omegaconf import DictConfig

from configs import TINY, composed
from conftest import Here, Start
from ricercar.checks import check_between, check_pair, check_whole
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import expanded, quoted
from ricercar.harness.identity import run_id
from trainings import SMALL, trained

Told = Callable[..., str]


@pytest.fixture
def told(run_here: Here) -> Told:
    """told("train.py", ...) -> what the command says when it refuses; in this process, which saves its imports."""

    def run(script: str, *arguments: str) -> str:
        code, error = run_here(script, *arguments)
        assert code == 1
        assert error.startswith("error: "), error
        assert "Traceback" not in error
        return error

    return run


# --- options ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frontend=mel", "frontend.fmin=3"], ["unknown option frontend.fmin", "freq_min_hz"]),
        (["+window_frame=3"], ["unknown option window_frame", "did you mean window_frames?"]),
        (["+trainer.epochs=3"], ["unknown option trainer.epochs", "budget"]),
        (["frontend=null"], ["frontend=null"]),
        (["~frontend"], ["no frontend", "frontend=NAME"]),
        (["frontend=mel,cqt"], ["Ambiguous", "frontend=mel,cqt", "--multirun"]),
        (["-m", "backbone=dense,resnet"], ["backbone/resnet", "mlp_mixer"]),
        (["data=folder"], ["data.root is needed"]),
        (["data=folder", "data.root=2024"], ["data.root=2024", "quoted"]),
        (["data=folder", "data.root=~/ménu (1)/a=b"], ["There is no folder", "/ménu (1)/a=b"]),
        (["hydra.run.dir=taken"], ["File exists: ", "taken", "make room"]),
        (["hardware.accelerator=quantum", *TINY[2:]], ["hardware: ", "accelerator='quantum'"]),
    ],
    ids=lambda value: value[-1] if value else "nothing",
)
def test_train_refuses(arguments: list[str], words: list[str], told: Told, on_tones: list[str], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    data = [] if "data=folder" in arguments else on_tones[-3:]
    error = told("train.py", *data, *arguments)
    assert [word for word in words if word not in error] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["run=FOLDER", "predictions=FOLDER"]),
        (["run=a", "predictions=b"], ["run=FOLDER", "predictions=FOLDER"]),
        (["run=nowhere"], ["run=nowhere", "Give the folder"]),
        (["run=3"], ["run=3"]),
        (["run=a", "hardware=cpu"], ["unknown option hardware"]),
        (["predictions=nowhere"], ["predictions=nowhere", "no such folder"]),
        (["predictions=empty"], ["predictions=empty", "'t3'", ".tsv"]),
        (["predictions=bad"], ["t3.tsv, line 2", "-1"]),
        (["predictions=empty", "split=dev"], ["'dev'", "valid"]),
        (["predictions=empty", "sample_rate=0"], ["sample_rate=0"]),
        (["predictions=empty", "cache_dir=null"], ["cache_dir=null"]),
        (["predictions=empty", "again=true"], ["again= is of system=, and does nothing with predictions="]),
        (["predictions=empty", "data_root=x"], ["data_root= is of run=, and does nothing with predictions="]),
        (["run=a", "num_jobs=2"], ["num_jobs= is of system=, and does nothing with run="]),
        (["run=a", "sample_rate=8000"], ["sample_rate= is of system= or predictions= or baseline="]),
        (["baseline=majority", "name=x"], ["name= is of system= or predictions=, and does nothing with baseline="]),
        (["predictions=empty", "baseline=majority"], ["give one of", "baseline=NAME"]),
        (["baseline=best"], ["baseline=best", "choose one of common_pitches, spectral_peaks"]),
        (["baseline=common_pitches", "task=[notes,key]"], ["one task at a time"]),
    ],
    ids=lambda value: value[-1] if value else "nothing",
)
def test_eval_refuses(arguments: list[str], words: list[str], told: Told, on_tones: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "t3.tsv").write_text("onset\toffset\tpitch\tvelocity\n-1\t1\t60\t64\n")
    error = told("eval.py", "task=notes", *on_tones[-3:], *arguments)
    assert [word for word in words if word not in error] == []


@pytest.mark.parametrize(("group", "given"), [("task", "data=synth"), ("data", "task=key")])
def test_eval_needs_task_and_data(group: str, given: str, told: Told, on_tones: list[str]) -> None:
    assert f"{group}= is needed" in told("eval.py", "baseline=majority", given, on_tones[-1])


def assembled(cfg: DictConfig) -> None:
    assemble.check(cfg)
    assemble.make_net(cfg, assemble.make_tasks(cfg))
    assemble.make(cfg.data)


@pytest.mark.parametrize(
    "override",
    [
        "trainer.batch_size=0", "trainer.batch_size=2.5", "trainer.num_workers=-1", "trainer.log_every_steps=0",
        "trainer.patience=0", "trainer.clip_norm=-1", "trainer.ema_decay=1", "trainer.budget=soon",
        "hop_length=0", "sample_rate=-1", "window_frames=1", "border_frames=20", "border_frames=1.5", "seed=-1",
        "seed=null", "num_threads=0", "cache_dir=null", "schedule.warmup=1", "schedule.final=2",
        "augmentation.gain_db=-1", "augmentation.noise_db=[5]", "augmentation.reverb_share=2",
        "augmentation.reverb_db=[3,1]", "augmentation.time_mask=[1]", "augmentation.pitch_shift_semitones=-1",
        "augmentation.mix_examples=0", "augmentation.mix_db=[3,1]",
        "task.num_pitches=88.5", "task.outputs.onset.prior=0", "task.outputs.frame.weight=-1",
        "task.decoding.max_duration_s=-1", "task.decoding.offset_weight=null", "task.tuning.survival_exponent=0.5",
        "task.tuning.onset_threshold=[0.3,2]", "task.protocol.pedal=foo",
        "task.protocol.multipitch_hop_s=1e-12", "data.num_train=null", "data.studio.reverb_share=2",
        "data.composer.timing_s=-1", "data.seed=-1", "frontend.num_bins=0", "backbone.num_params=1",
        "backbone.width=0", "backbone.num_layers=0", "backbone.context=-1",
    ],
)  # fmt: skip
def test_value_is_refused_by_name(override: str) -> None:
    key, _, _ = override.partition("=")
    with pytest.raises(InputError) as error:
        assembled(composed(*TINY, *SMALL, override))
    assert str(error.value).startswith(key)


@pytest.mark.parametrize("override", ["optimizer.lr=-1", "optimizer.lr=null", "optimizer.betas=[0.9]"])
def test_value_that_torch_refuses_is_told(override: str) -> None:
    key, _, value = override.partition("=")
    with pytest.raises(InputError) as error:
        assemble.make_optimizer(composed(override).optimizer, [torch.nn.Parameter(torch.zeros(1))])
    assert str(error.value).startswith("optimizer: ")
    assert f"{key.split('.')[1]}={value.replace('null', 'None')}" in str(error.value)


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_whole(0, x=-1),
        lambda: check_whole(x=True),
        lambda: check_between(0, 1, x=1.1),
        lambda: check_between(0, float("inf"), x=float("inf")),
        lambda: check_between(0, 1, x=float("nan")),
        lambda: check_between(0, 1, x=None),
        lambda: check_pair(0, 9, x=3),
        lambda: check_pair(0, 9, x=[3, "4"]),
        lambda: check_pair(0, 9, x=[4, 3]),
    ],
)
def test_checks(check: Callable[[], None]) -> None:
    with pytest.raises(InputError, match=r"^x"):
        check()


@pytest.mark.parametrize(
    "path",
    ["~/music", "/a/ünï", "/a=b", "/a (1)", "/it's", "a/b#c", "/a b/c", "/a/b", "./2024"],
)
def test_paths_reach_hydra_as_they_are(path: str) -> None:
    parsed = OverridesParser.create().parse_override(quoted(f"data.root={path}"))
    assert parsed.key_or_group == "data.root"
    assert parsed.value() == path


@pytest.mark.parametrize("argument", ["trainer={batch_size:2", "seed==3", "'a/b'", "--help", "seed=1,2", "a='b/c"])
def test_other_arguments_are_left_alone(argument: str) -> None:
    assert quoted(argument) == argument


# --- runs that others have damaged ---


@pytest.mark.parametrize(
    ("content", "words"), [("{", ["cannot be read"]), ("a: 1", ["has no task, data"]), ("[1]", ["has no task"])]
)
def test_configuration_of_a_run(content: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(content)
    with pytest.raises(InputError) as error:
        assemble.trained_config(tmp_path, composed(config="eval"))
    assert str(error.value).startswith(str(tmp_path / ".hydra" / "config.yaml"))
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize("name", ["last", "best"])
def test_checkpoint_of_another_network(name: str, on_tones: list[str], tmp_path: Path) -> None:
    """As after a change of the code: the configuration is the same, the weights are not."""
    trained(tmp_path, *SMALL, *on_tones)
    (tmp_path / "result.json").unlink()
    checkpoints = Checkpoints(tmp_path, run_id(composed(*SMALL, *on_tones)))
    state = checkpoints.load(name)
    assert state is not None
    weights = state["net"] if name == "best" else state["nets"][0]
    other = {key: torch.zeros(1) for key in weights}
    checkpoints.save(name, {**state, **({"net": other} if name == "best" else {"nets": [other]})})
    with pytest.raises(InputError, match=rf"{name}\.pt does not fit this configuration"):
        trained(tmp_path, *SMALL, *on_tones, "resume=true")


# --- odd audio ---


def noise(*shape: int) -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize(
    ("samples", "sample_rate", "subtype"),
    [
        (np.zeros(16000), 16000, "PCM_16"),
        (noise(16000, 2), 16000, "PCM_16"),
        (noise(8000), 8000, "PCM_U8"),
        (noise(96000), 192000, "PCM_24"),
        (noise(10), 16000, "PCM_16"),
        (noise(1), 192000, "PCM_16"),
    ],
    ids=["silent", "stereo", "8 bit", "192 kHz", "10 samples", "1 sample"],
)
def test_odd_audio_works(
    samples: NDArray[np.float64], sample_rate: int, subtype: str, tones: Path, on_tones: list[str], tmp_path: Path
) -> None:
    """As the only track of the test split, and among those of the training; for outputs of frames, and of a clip."""
    root = tmp_path / "data"
    shutil.copytree(tones, root)
    for name in ("t0", "t3"):
        soundfile.write(root / "audio" / f"{name}.wav", samples, sample_rate, subtype=subtype)
    tasks = expanded("task=[notes,key]")
    for result in trained(tmp_path / "run", *tasks, *SMALL, *on_tones, f"data.root={root}", "augmentation=standard"):
        assert [track.id for track in result.tracks] == ["t3"]
        assert np.isfinite(result.metrics[result.primary])


# --- a whole run ---


def test_home_folder_and_odd_names(
    run_here: Here, on_tones: list[str], tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(tones, tmp_path / "my müsic (1)")
    assert run_here("train.py", *SMALL, *on_tones, "data.root=~/my müsic (1)", "cache_dir=~/cache") == (0, "")
    assert len(list((tmp_path / "cache").glob("*/*.npy"))) == 4


def test_interrupt(start: Start, on_tones: list[str], tmp_path: Path) -> None:
    """Ctrl-C ends at once, with a line that says how to go on, and leaves the checkpoint."""
    arguments = [*SMALL, *on_tones, "trainer.budget=100000steps", "trainer.num_validations=10000"]
    with (tmp_path / "error").open("w") as errors:
        process = start("train.py", *arguments, stderr=errors)
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob("outputs/*/checkpoints/last.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send(signal.SIGINT)
    code = process.wait(60)
    error = (tmp_path / "error").read_text()
    assert code == 130
    assert error.strip().splitlines()[-1] == "interrupted: resume=true goes on from the last checkpoint."
    assert "Traceback" not in error
