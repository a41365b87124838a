"""Encoders through the commands: what a run on one keeps and says, and what a user is told of a bad one."""

import json
import resource
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from configs import TINY, choices, composed
from conftest import Command, Here
from encoder_examples import write_model
from ricercar.harness import assemble
from ricercar.harness.command import expanded
from ricercar.models.encoders.encoder import content_hash

NET = ["frontend=hf", "frontend.window_s=2", "frontend.overlap_s=0.5", "compression=none", "augmentation=none"]
CACHED = [*NET, "spectrogram=cached", "backbone=layer_mix", "task=key"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("hubert") / "hubert", seed=1)


@pytest.fixture
def own(hubert: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be spoilt."""
    return Path(shutil.copytree(hubert, tmp_path / "own"))


def result_of(folder: Path) -> dict[str, object]:
    [path] = folder.glob("outputs/*/result.json")
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_features_are_made_once_and_the_result_says_of_what(
    hubert: Path, on_tones: list[str], tmp_path: Path, run_here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    about = ["frontend.about.trained_on=[LibriSpeech]", "frontend.about.licence=MIT"]
    (tmp_path / "a").mkdir()
    assert run_here("train.py", *CACHED, *on_tones, f"frontend.model={hubert}", *about, folder="a") == (0, "")
    printed = capsys.readouterr().out
    assert "4 tracks, 0.00356 h x 3 x 16 x 2 bytes x 50 frames per second: 6.23e-05 GB" in printed
    drawn = [line.split() for line in printed.splitlines() if "\u2588" in line]
    first = result_of(tmp_path / "a")
    mix = first["encoder"].pop("mix")  # type: ignore[attr-defined]
    assert sum(mix) == pytest.approx(1)
    assert [(layer, share) for layer, share, _ in drawn] == [(str(n), f"{share:.3f}") for n, share in enumerate(mix)]
    assert max(len(bar) for _, _, bar in drawn) == 30
    assert first["encoder"] == {
        "name": "hubert", "revision": None, "weights": first["config"]["content"]["frontend.model"],  # type: ignore[index]
        "layers": [0, 1, 2], "licence": "MIT", "trained_on": ["LibriSpeech"], "url": None,
    }  # fmt: skip
    training = first["training"]
    assert isinstance(training, dict)
    assert training["data"][-1] == "LibriSpeech"
    assert training["works"] == "unknown"
    [checkpoint] = tmp_path.glob("a/outputs/*/checkpoints/best.pt")
    weights = torch.load(checkpoint, weights_only=True)["net"]
    assert {name.split(".")[0] for name in weights} == {"backbone", "heads"}

    # A copy of the model elsewhere is the same, and another task on it needs no analysis; other weights are others.
    copied = shutil.copytree(hubert, tmp_path / "copied")
    (tmp_path / "b").mkdir()
    assert run_here("train.py", *CACHED, *on_tones, f"frontend.model={copied}", folder="b") == (0, "")
    assert "analysing" not in capsys.readouterr().out
    second = result_of(tmp_path / "b")
    assert second["run_id"] == first["run_id"]
    assert second["metrics"] == first["metrics"]
    save_file(
        {name: 1.1 * each for name, each in load_file(copied / "model.safetensors").items()},
        copied / "model.safetensors",
        {"format": "pt"},
    )
    (tmp_path / "c").mkdir()
    assert run_here("train.py", *CACHED, *on_tones, f"frontend.model={copied}", folder="c") == (0, "")
    assert "analysing" in capsys.readouterr().out
    assert result_of(tmp_path / "c")["run_id"] != first["run_id"]


@pytest.mark.parametrize("backbone", choices("backbone"))
def test_every_backbone_takes_an_encoder(backbone: str, hubert: Path) -> None:
    if backbone == "harmonic_cnn":
        return  # needs pitches
    cfg = composed(*expanded("task=[onset,key]"), *TINY, *NET, f"frontend.model={hubert}", f"backbone={backbone}")
    net = assemble.make_net(cfg, assemble.make_tasks(cfg)).train()
    audio = 0.1 * torch.randn(2, (cfg.window_frames - 1) * cfg.hop_length, generator=torch.Generator().manual_seed(0))
    sum((values.square().mean() for values in net(audio).values()), torch.zeros(())).backward()
    gradients = [parameter.grad for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert all(each is None or each.isfinite().all() for each in gradients)
    assert any(each is not None and each.any() for each in gradients)


def test_run_is_an_encoder(on_tones: list[str], tmp_path: Path, run_here: Here) -> None:
    small = ["frontend=mel", "backbone=dense", "backbone.num_params=20000", "task=key", "hydra.run.dir=first"]
    assert run_here("train.py", *small, *on_tones) == (0, "")
    on_it = ["frontend=run", "frontend.model=first", "compression=none", "augmentation=none", "spectrogram=cached"]
    assert run_here("train.py", *on_it, "backbone=linear", "task=onset", *on_tones) == (0, "")
    found = result_of(tmp_path)
    assert found["encoder"]["name"] == "first"  # type: ignore[index]
    assert found["training"]["works"] == "known"  # type: ignore[index]
    code, error = run_here("train.py", *on_it, "backbone=linear", *on_tones, "hop_length=160")
    assert (code, error) == (1, "error: frontend.hop_length=160: the run has hop_length=320.\n")


def test_fine_tuned_adapters_are_all_that_is_kept(
    own: Path, on_tones: list[str], tmp_path: Path, run_here: Here
) -> None:
    """Their training is evaluated and gone on with from the checkpoint."""
    given = [
        *NET,
        f"frontend.model={own}",
        "frontend.trainable=true",
        "frontend.lora_rank=2",
        "backbone=linear",
        "task=key",
    ]
    groups = ["optimizer.groups={frontend:{lr:0.1},frontend.network.encoder.layers.0:{lr:0.05}}", "freeze=[frontend]"]
    assert run_here("train.py", *given, *groups, "unfreeze_at=1steps", *on_tones, "hydra.run.dir=run") == (0, "")
    weights = torch.load(tmp_path / "run" / "checkpoints" / "best.pt", weights_only=True)["net"]
    kept = {name for name in weights if name.startswith("frontend.")}
    assert len(kept) == 8
    assert all("lora_" in name for name in kept)
    assert any(weights[name].any() for name in kept if "lora_B" in name)  # they have learnt
    assert run_here("eval.py", "run=run", "hydra.run.dir=again") == (0, "")
    first, again = (json.loads((tmp_path / each / "result.json").read_text()) for each in ("run", "again"))
    assert again["metrics"] == first["metrics"]
    assert again["encoder"] == first["encoder"]
    changed(own, "layer_norm.weight", 0.5)
    code, error = run_here("eval.py", "run=run", "hydra.run.dir=changed")
    assert code == 1
    assert error.startswith("error: frontend.model: the files of the encoder own have changed (hash ")


# Bad input


def test_compression_of_magnitudes_is_refused(hubert: Path, on_tones: list[str], run_here: Here) -> None:
    given = ["frontend=hf", f"frontend.model={hubert}", "backbone=linear", *on_tones]
    assert run_here("train.py", *given) == (
        1,
        "error: compression: Log takes magnitudes, and an encoder's features are signed: give compression=none "
        "(normalisation=whitening goes with it).\n",
    )


NEEDED = "a folder with config.json, preprocessor_config.json and model.safetensors, as save_pretrained writes them"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", f"there is no config.json in it: give {NEEDED}."),
        ("preprocessor_config.json", f"there is no preprocessor_config.json in it: give {NEEDED}."),
        ("model.safetensors", f"there are no weights (model.safetensors) in it: give {NEEDED}."),
    ],
)
def test_folder_that_lacks_something(
    missing: str, message: str, own: Path, on_tones: list[str], run_here: Here
) -> None:
    (own / missing).unlink()
    assert run_here("train.py", *CACHED, f"frontend.model={own}", *on_tones) == (
        1,
        f"error: frontend.model={own}: {message}\n",
    )


def test_model_of_text_and_one_with_code_of_its_own(
    own: Path, on_tones: list[str], tmp_path: Path, run_here: Here
) -> None:
    bert = write_model(tmp_path / "bert", "bert")
    shutil.copy(own / "preprocessor_config.json", bert)
    code, error = run_here("train.py", *CACHED, f"frontend.model={bert}", *on_tones)
    assert (code, error) == (
        1,
        f"error: frontend.model={bert} is of the kind 'bert': known are those that take samples through strided "
        "convolutions (wav2vec2, hubert, wavlm, data2vec-audio ...), whisper and audio-spectrogram-transformer.\n",
    )
    config = json.loads((own / "config.json").read_text())
    code_of = {"AutoConfig": "modelling.OwnConfig", "AutoModel": "modelling.OwnModel"}
    (own / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": code_of}))
    (own / "modelling.py").write_text(OWN_CODE)
    code, error = run_here("train.py", *CACHED, f"frontend.model={own}", *on_tones)
    assert (code, error) == (
        1,
        f"error: frontend.model={own}: brings code of its own (modelling.py): read it, and allow it by "
        "frontend.trust_remote_code=true.\n",
    )
    options = [*CACHED, f"frontend.model={own}", "frontend.trust_remote_code=true", *on_tones]
    assert run_here("train.py", *options)[0] == 0
    assert (own / "has_run").exists()
    assert result_of(tmp_path)["encoder"]["weights"] == content_hash(own)  # type: ignore[index]


# As a model that is no part of transformers brings it.
OWN_CODE = """
from pathlib import Path
from transformers import HubertConfig, HubertModel


class OwnConfig(HubertConfig):
    model_type = "own"


class OwnModel(HubertModel):
    config_class = OwnConfig

    def forward(self, *args, **options):
        Path(self.config._name_or_path, "has_run").touch()
        found = super().forward(*args, **options)
        found.hidden_states = tuple(2 * each for each in found.hidden_states)
        return found
"""


def changed(model: Path, part: str, value: float | None) -> None:
    """Sets the weights with that part in their names, or takes them out of the file."""
    weights = load_file(model / "model.safetensors")
    for name in [name for name in weights if part in name]:
        if value is None:
            del weights[name]
        else:
            weights[name].fill_(value)
    save_file(weights, model / "model.safetensors", {"format": "pt"})


def test_layer_that_is_not_finite(own: Path, on_tones: list[str], run_here: Here) -> None:
    changed(own, "encoder.layers.1.", float("nan"))
    assert run_here("train.py", *CACHED, f"frontend.model={own}", *on_tones) == (
        1,
        "error: track t0: hidden layer 2 of the encoder is not finite: choose others by frontend.layers, or take sound "
        "weights.\n",
    )
    assert run_here("train.py", *CACHED, f"frontend.model={own}", "frontend.layers=[0,1]", *on_tones) == (0, "")


def test_weights_that_are_left_to_chance(
    own: Path, on_tones: list[str], run_here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(own, "intermediate_dense.weight", None)
    code, error = run_here("train.py", *CACHED, f"frontend.model={own}", *on_tones)
    assert (code, error) == (
        1,
        "error: track t0: the encoder, loaded twice, gives other features each time (hidden layer 1): a part of its "
        "weights is missing in the files, or is not initialised by the library that reads them.\n",
    )
    assert (
        "lacks weights, which are random: encoder.layers.0.feed_forward.intermediate_dense.weight"
        in capsys.readouterr().out
    )


def test_name_of_the_hub_needs_a_commit(on_tones: list[str], run_here: Here) -> None:
    code, error = run_here("train.py", *CACHED, "frontend.model=some/model", "frontend.revision=main", *on_tones)
    assert (code, error) == (
        1,
        "error: frontend.revision=main: give the commit of some/model (40 hexadecimal digits, on its page under Files "
        "and versions, History): a model that may change gives results that nobody can make again.\n",
    )
    code, error = run_here("train.py", *CACHED, "frontend.model=nowhere", *on_tones)
    assert (code, error) == (
        1,
        f"error: frontend.model=nowhere: there is no such folder. Give {NEEDED}, or a name of the hub: OWNER/NAME.\n",
    )


class Hub(BaseHTTPRequestHandler):
    """A hub that has the model, but not the commit."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RevisionNotFound")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_commit_that_is_not_there(hub: str, on_tones: list[str], run_command: Command) -> None:
    given = [*CACHED, "frontend.model=some/model", f"frontend.revision={COMMIT}", *on_tones]
    done = run_command("train.py", *given, HF_ENDPOINT=hub)
    assert (done.returncode, done.stderr) == (1, f"error: frontend.revision={COMMIT}: some/model has no such commit.\n")


def test_no_network(on_tones: list[str], run_command: Command) -> None:
    given = [*CACHED, "frontend.model=some/model", f"frontend.revision={COMMIT}", *on_tones]
    done = run_command("train.py", *given, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: frontend.model=some/model cannot be downloaded (")
    assert done.stderr.endswith(
        f"). Where there is a network: hf download some/model --revision {COMMIT} --local-dir FOLDER, and then "
        "frontend.model=FOLDER.\n"
    )


def test_disk_that_fills(hubert: Path, on_tones: list[str], tmp_path: Path, run_here: Here) -> None:
    given = [*CACHED, f"frontend.model={hubert}", *on_tones]
    assert run_here("train.py", *given, "trainer.budget=1steps", "hydra.run.dir=first") == (0, "")  # sound is decoded
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        code, error = run_here("train.py", *given, "frontend.layers=[1]", "frontend.window_s=1.9")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert error.startswith("error: Cached spectrograms cannot be kept in ")
    assert "Free some space there, or name another folder: cache_dir=" in error


def test_more_than_may_be_kept_is_told_before_work(hubert: Path, on_tones: list[str], run_here: Here) -> None:
    given = [*CACHED, f"frontend.model={hubert}", *on_tones, "spectrogram.limit_gb=1e-6", "frontend.window_s=1.8"]
    code, error = run_here("train.py", *given)
    assert code == 1
    assert "4 tracks take 6.23e-05 GB, more than spectrogram.limit_gb=1e-06. Raise it, or take spectrogram=" in error
