"""Exported graphs say what the network says: frontends written anew, files of ONNX, and what has no graph."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ricercar
from configs import TINY, composed, frontends
from conftest import Here
from ricercar.data.annotations.onsets import Onsets
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.use.graph import Graph, unrolled
from trainings import ONSETS, trained

pytest.importorskip("onnx")


# Also sizes that are no powers of two: 2 * 601 has no other factors.
_SIZES = [[f"frontend={name}"] for name in frontends()]
_SIZES += [["frontend=stft", "frontend.n_fft=2000", "frontend.win_length=1000", "frontend.freq_min_hz=100"]]
_SIZES += [["frontend=mel", "frontend.n_fft=1202", "frontend.win_length=1000", "frontend.num_bins=40"]]


@pytest.mark.parametrize("options", _SIZES, ids=" ".join)
def test_frontends_give_the_same(options: list[str]) -> None:
    frontend = assemble.make(composed(*options).frontend)
    audio = 0.3 * torch.randn(2, 39 * 320, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(unrolled(frontend)(audio), frontend(audio), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    "options", [["task=[onset,key]", "frontend=mel", "backbone=crnn"], ["frontend=stft", "backbone=lstm"]]
)
def test_the_graph_is_the_network(options: list[str]) -> None:
    """Frames and clips."""
    from ricercar.harness.command import expanded

    cfg = composed(
        *(part for each in options for part in expanded(each)),
        "window_frames=40",
        "backbone.num_params=null",
        "backbone.width=16",
    )
    net = assemble.make_net(cfg, assemble.make_tasks(cfg)).eval()
    audio = 0.3 * torch.randn(3, 39 * 320)
    valid = torch.arange(40) < torch.tensor([[40], [20], [1]])
    with torch.no_grad():
        for ours, own in zip(Graph(net)(audio, valid), net(audio, valid).values(), strict=True):
            torch.testing.assert_close(ours, own, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["frontend=cqt", "backbone.width=4", "head=tokens"], "head=tokens says one token after the other"),
        (["frontend=crepe", "backbone=linear", "compression=none", "hop_length=160"], "is a pretrained encoder"),
    ],
)
def test_what_has_no_graph_is_refused(options: list[str], told: str) -> None:
    if "frontend=crepe" in options:
        pytest.importorskip("torchcrepe")
    cfg = composed("window_frames=40", "border_frames=5", *options)
    net = assemble.make_net(cfg, assemble.make_tasks(cfg))
    with pytest.raises(InputError, match=told):
        Graph(net)


@pytest.fixture(scope="module")
def exported(onset_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As export.py writes it."""
    from ricercar.export import main

    path = tmp_path_factory.mktemp("export") / "onsets.onnx"
    assert main([str(onset_run), "--output", str(path)]) == 0
    return path


def test_a_file_of_onnx_hears_the_same(exported: Path, onset_run: Path, tones: Path) -> None:
    """The proof beside it says how nearly."""
    proof = json.loads(exported.with_name("onsets.onnx.json").read_text())
    assert proof["largest_difference"]["onset/onset"] < 1e-3
    [score] = proof["scores"].values()
    assert score["network"] == pytest.approx(score["exported"], abs=1e-3)
    assert (proof["split"], proof["num_tracks"], proof["bytes"]) == ("valid", 1, exported.stat().st_size)
    own, other = ricercar.load(onset_run, "cpu"), ricercar.load(exported)
    song = tones / "audio" / "t3.wav"
    heard, expected = other(song), own(song)
    assert isinstance(heard, Onsets)
    assert isinstance(expected, Onsets)
    np.testing.assert_allclose(heard.time_s, expected.time_s, atol=1e-3)
    for each in ("tasks", "num_params", "window_s"):
        assert other.describe()[each] == own.describe()[each]
    assert own.describe()["num_params"] == sum(each.numel() for each in own.trained.net.parameters())
    [activations] = other.activations(song).values()
    np.testing.assert_allclose(activations, own.activations(song)["onset"], atol=1e-3)


def test_predict_takes_it(
    run_here: Here, onset_run: Path, exported: Path, tones: Path, cache: Path, tmp_path: Path
) -> None:
    """By its name, and as the engine of its run, but not of another."""
    song = str(tones / "audio" / "t3.wav")
    run = tmp_path / "run"
    shutil.copytree(onset_run, run)
    code, printed = run_here("predict.py", "run=run", "--engine", "onnx", song)
    assert (code, "make it by `ricercar export run --to onnx`" in printed) == (1, True)
    (run / "export").mkdir()
    shutil.copy(exported, run / "export" / "model.onnx")
    assert run_here("predict.py", f"run={exported}", song, "--output", "a") == (0, "")
    assert run_here("predict.py", "run=run", "--engine", "onnx", song, "--output", "b") == (0, "")
    assert (tmp_path / "a" / "t3.tsv").read_text() == (tmp_path / "b" / "t3.tsv").read_text()
    assert Onsets.read(tmp_path / "a" / "t3.tsv").time_s.size
    assert ricercar.load(run, engine="onnx").name == "run"
    shutil.copytree(run / "export", tmp_path / "other" / "export")
    trained(tmp_path / "other", *ONSETS, *TINY, "data=folder", f"data.root={tones}", f"cache_dir={cache}", "seed=1")
    with pytest.raises(InputError, match=r"model.onnx is not of the run that is in .*other now"):
        ricercar.load(tmp_path / "other", engine="onnx")


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        ("FILE", {"accelerator": "gpu"}, "accelerator gpu: graphs of ONNX are computed on the CPU"),
        ("FILE", {"engine": "torch"}, "there is no such folder"),
        ("no/such.onnx", {}, "no/such.onnx: there is no such file or folder"),
        ("OWNER/NAME", {"engine": "onnx"}, "OWNER/NAME: there is no such file or folder"),
    ],
)
def test_engines_that_cannot_be(exported: Path, given: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ricercar.load(given.replace("FILE", str(exported)), **options)  # type: ignore[arg-type]


def test_other_forms(run_here: Here, onset_run: Path, tones: Path, tmp_path: Path) -> None:
    """PyTorch's own graph, proved; and the weights, in a package."""
    assert run_here("export.py", str(onset_run), "--to", "pt2", "--output", "m.pt2", "--tracks", "1") == (0, "")
    proof = json.loads((tmp_path / "m.pt2.json").read_text())
    assert (proof["precision"], proof["num_tracks"]) == ("fp32", 1)
    assert 0 <= proof["largest_difference"]["onset/onset"] < 1e-3
    assert run_here("export.py", str(onset_run), "--to", "safetensors", "--output", "weights") == (0, "")
    song = tones / "audio" / "t3.wav"
    assert ricercar.load(tmp_path / "weights")(song).text() == ricercar.load(onset_run)(song).text()  # type: ignore[union-attr]


def test_weights_in_16_and_8_bits(exported: Path, tones: Path, tmp_path: Path) -> None:
    """Smaller, and nearly the same."""
    import onnx

    from ricercar.use import export

    song = tones / "audio" / "t3.wav"
    [expected] = ricercar.load(exported).activations(song).values()
    model = onnx.load(exported)
    export._in_16_bits(model)
    onnx.save(model, tmp_path / "16.onnx")
    narrow = export._in_8_bits(onnx.load(exported), tmp_path / "8.onnx")
    export._in_16_bits(narrow, frontend_alone=True)
    onnx.save(narrow, tmp_path / "8.onnx")
    for name, tolerance, share in (("16.onnx", 0.02, 0.6), ("8.onnx", 0.5, 0.6)):
        assert (tmp_path / name).stat().st_size < share * exported.stat().st_size
        [found] = ricercar.load(tmp_path / name).activations(song).values()
        assert 0 < np.abs(found - expected).max() < tolerance
    assert sorted(path.name for path in tmp_path.iterdir()) == ["16.onnx", "8.onnx"]


def _foreign(path: Path) -> None:
    from onnx import TensorProto, helper, save

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cut", "is damaged, or no file of ONNX"),
        ("text", "is damaged, or no file of ONNX"),
        ("foreign", "is a network of something else"),
        ("class", "is not a class of ricercar.models"),
        ("words", "what it says of itself is damaged"),
    ],
)
def test_other_files_are_refused(exported: Path, tmp_path: Path, what: str, told: str) -> None:
    import onnx

    path = tmp_path / "other.onnx"
    if what == "cut":
        path.write_bytes(exported.read_bytes()[:5000])
    elif what == "text":
        path.write_text("hello")
    elif what == "foreign":
        _foreign(path)
    else:
        model = onnx.load(exported)
        [entry] = [each for each in model.metadata_props if each.key == "ricercar"]
        entry.value = entry.value.replace("ricercar.tasks.onset.Onset", "os.system") if what == "class" else "{}"
        onnx.save(model, path)
    with pytest.raises(InputError, match=told):
        ricercar.load(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no/such"], "there is no no/such/.hydra/config.yaml"),
        (["RUN", "--tracks", "-1"], "--tracks -1: give a number of tracks"),
        (["RUN", "--tracks", "0", "--split", "test"], "--tracks 0: without a proof, --split"),
        (["RUN", "--to", "pt2", "--precision", "int8"], "--precision int8: there is of --to onnx"),
        (["RUN", "--to", "safetensors", "--precision", "int8"], "--precision: of graphs, --to onnx or pt2"),
        (["RUN", "--to", "safetensors", "--output", "."], "is there already, and not empty"),
        (["RUN", "--output", "a_file/x.onnx"], "cannot write a_file/x.onnx"),
    ],
)
def test_what_cannot_be_is_one_message(
    run_here: Here, onset_run: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "a_file").write_text("")
    code, printed = run_here("export.py", *(each.replace("RUN", str(onset_run)) for each in arguments))
    assert (code, printed.count("\n")) == (1, 1)
    assert told in printed
