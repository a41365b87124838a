"""Separation: mir_eval's scores, folders of sources and what can be wrong in them, the baseline, the command."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from configs import option
from ricercar.data.annotations.sources import Sources
from ricercar.data.audio.store import AudioStore
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.index import read_index
from ricercar.errors import InputError
from ricercar.tasks.scoring import Clip
from ricercar.tasks.separation import Separation
from trainings import benchmark

RATE = 8000
NAMES = ("bass", "guitar")


def make(**protocol: Any) -> Separation:
    cfg = option("task", "separation")
    return Separation(scored_names=list(cfg.scored_names), protocol={**cfg.protocol, **protocol})


def noise(seed: int, *shape: int) -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def sources(arrays: Mapping[str, Any]) -> Sources:
    return Sources.make(arrays, RATE)


def pair(num_channels: int = 1, num_samples: int = 4000) -> tuple[Sources, Sources]:
    """Two sources of noise, and estimates with leaks and noise in them."""
    a = {name: noise(seed, num_samples, num_channels) for seed, name in enumerate(NAMES)}
    leaks = {name: 0.3 * a[other] for name, other in zip(NAMES, NAMES[1:] + NAMES[:1], strict=True)}
    b = {name: a[name] + leaks[name] + 0.2 * noise(10 + seed, num_samples, num_channels) for seed, name in enumerate(a)}
    return sources(a), sources(b)


def stacked(of: Sources) -> NDArray[np.float64]:
    return np.stack([of.samples(name) for name in of.names])


def as_mir_eval(measure: str, a: NDArray[np.float64], b: NDArray[np.float64], *, permute: bool) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return list(getattr(mir_eval.separation, f"bss_eval_{measure}")(a, b, compute_permutation=permute))[:-1]


def test_scores_are_those_of_mir_eval() -> None:
    a, b = pair()
    sdr, sir, sar = as_mir_eval("sources", stacked(a)[..., 0], stacked(b)[..., 0], permute=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = make().score(a, b)
    for name, values in (("SDR", sdr), ("SIR", sir), ("SAR", sar)):
        assert scores[f"separation/{name}"] == pytest.approx(values.mean(), abs=1e-9)
        assert scores[f"separation/{name}_bass"] == values[0]
        assert np.isnan(scores[f"separation/{name}_vocals"])  # this track has none


def test_scores_of_images_are_those_of_mir_eval() -> None:
    a, b = pair(num_channels=2)
    expected = as_mir_eval("images", stacked(a), stacked(b), permute=False)
    scores = make(measure="images").score(a, b)
    means = {f"separation/{name}": np.mean(x) for name, x in zip(("SDR", "ISR", "SIR", "SAR"), expected, strict=True)}
    assert {name: scores[name] for name in means} == pytest.approx(means, abs=1e-9)


def test_channels_are_averaged_for_sources() -> None:
    a, b = pair(num_channels=2)
    mono = [sources({name: each.samples(name).mean(axis=1) for name in NAMES}) for each in (a, b)]
    assert make().score(a, b) == pytest.approx(make().score(*mono), abs=1e-9, nan_ok=True)


def test_noise_of_known_level() -> None:
    """Noise 20 dB below the source. The filter of 512 samples may take 0.06 dB of it for the source."""
    source = noise(0, 40000)
    scores = make().score(sources({"bass": source}), sources({"bass": source + 0.1 * noise(1, 40000)}))
    assert scores["separation/SDR"] == pytest.approx(20, abs=0.3)
    assert scores["separation/SDR_bass"] == scores["separation/SDR"]
    assert np.isnan(scores["separation/SIR"])  # nothing can interfere


def test_names_are_what_identifies_sources() -> None:
    a, b = pair()
    swapped = sources(dict(zip(NAMES, (b.samples(name) for name in ("guitar", "bass")), strict=True)))
    assert make().score(a, swapped)["separation/SDR"] < 0
    best, expected = make(permutation="best").score(a, swapped), make().score(a, b)
    assert best == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_perfect_estimate() -> None:
    a, _ = pair()
    assert make(measure="images").score(a, a)["separation/SDR"] == 100.0
    assert make(limit_db=60).score(a, a)["separation/SAR"] == 60.0


# --- what cannot be compared ---


def changed(of: Sources, **arrays: Any) -> Sources:
    """With other sources; None leaves one out."""
    kept = {name: of.samples(name) for name in of.names} | arrays
    return sources({name: samples for name, samples in kept.items() if samples is not None})


def test_missing_and_extra_sources() -> None:
    a, b = pair()
    with pytest.raises(InputError, match=r"lacks guitar and has vocals: .* bass, guitar"):
        make().score(a, changed(b, guitar=None, vocals=b.samples("guitar")))


def test_other_sample_rate() -> None:
    a, b = pair()
    other = Sources.make({name: b.samples(name) for name in NAMES}, 16000)
    with pytest.raises(InputError, match="bass: 16000 Hz, but bass has 8000 Hz"):
        make().score(a, other)


def test_other_channels() -> None:
    (a, _), (_, b) = pair(num_channels=1), pair(num_channels=2)
    with pytest.raises(InputError, match="2 channels, but bass has 1"):
        make(measure="images").score(a, b)
    assert make().score(a, b)["separation/SDR"] < 20


@pytest.mark.parametrize("off", [-800, 800])
def test_other_length(off: int) -> None:
    """0.1 s is within the tolerance: cut, or padded."""
    a, b = pair()
    _, longer = pair(num_samples=4800)
    estimate = longer if off > 0 else sources({name: b.samples(name)[:off] for name in NAMES})
    fitted = {name: np.resize(np.append(estimate.samples(name), np.zeros(800)), 4000) for name in NAMES}
    assert make().score(a, estimate) == pytest.approx(make().score(a, sources(fitted)), nan_ok=True)
    with pytest.raises(InputError, match=f"{4000 + off} samples, but bass has 4000: .*length_tolerance_s=0.05"):
        make(length_tolerance_s=0.05).score(a, estimate)


def test_silent_estimate() -> None:
    a, b = pair()
    with pytest.raises(InputError, match="guitar: the estimate is silent"):
        make(silent_source="exclude").score(a, changed(b, guitar=np.zeros(4000)))


def test_silent_reference() -> None:
    """Left out with its estimate: as if the track had only the others."""
    a, b = pair()
    silent = changed(a, guitar=np.zeros(4000))
    with pytest.raises(InputError, match=r"guitar: this source is silent.*silent_source=exclude"):
        make().score(silent, b)
    scores = make(silent_source="exclude").score(silent, b)
    assert scores == pytest.approx(make().score(changed(a, guitar=None), changed(b, guitar=None)), nan_ok=True)
    nothing = sources({"bass": np.zeros(100)})
    assert np.isnan(list(make(silent_source="exclude").score(nothing, nothing).values())).all()


def test_sources_that_are_the_same() -> None:
    click = np.eye(1, 1000)[0]
    same = sources({"bass": click, "drums": click})
    with pytest.raises(InputError, match="copies of one another"):
        make().score(same, same)


@pytest.mark.parametrize(
    "protocol", [{"measure": "mse"}, {"limit_db": 0}, {"length_tolerance_s": -1}, {"permutation": True}]
)
def test_wrong_options_name_the_value(protocol: dict[str, Any]) -> None:
    [name] = protocol
    with pytest.raises(InputError, match=rf"task\.protocol\.{name}={protocol[name]!r}"):
        make(**protocol)


def test_a_mir_eval_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mir_eval, "separation")
    with pytest.raises(InputError, match=r"no module separation any more: install mir_eval 0\.8\.2"):
        make()


# --- folders ---


def test_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = sources({name: noise(seed, 100, 2) for seed, name in enumerate(NAMES)})
    written.write(tmp_path / "song")
    read = Sources.read(tmp_path / "song")
    assert (read.names, read.sample_rate, read.num_samples, read.num_channels) == (NAMES, RATE, 100, 2)
    np.testing.assert_array_equal(stacked(read), stacked(written).astype(np.float32))
    assert read.text() == written.text()
    assert changed(written, bass=-written.samples("bass")).text() != written.text()


def test_mixture_and_hidden_files_are_no_sources(tmp_path: Path) -> None:
    for name in ("vocals.wav", "mixture.wav"):
        soundfile.write(tmp_path / name, noise(0, 50), RATE)
    (tmp_path / ".hidden").write_text("")
    assert Sources.read(tmp_path).names == ("vocals",)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ["no sources", "one audio file"]),
        ({"a.wav": b"RIFF"}, ["a.wav", "not audio"]),
        ({"a.wav": noise(0, 9), "notes.txt": b""}, ["notes.txt", "not one of the audio files"]),
        ({"a.wav": noise(0, 9), "a.flac": noise(0, 9)}, ["a.wav", "'a' is already in", "a.flac"]),
        ({"a.wav": noise(0, 9), "b.wav": noise(0, 8)}, ["'b' has 8 samples", "'a' has 9 samples"]),
        ({"a.wav": noise(0, 9), "b.wav": noise(0, 9, 2)}, ["2 channels", "1 channels"]),
        ({"a.wav": noise(0, 0)}, ["'a' has no samples"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_bad_folders(files: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            soundfile.write(tmp_path / name, content, RATE)
    with pytest.raises(InputError) as error:
        Sources.read(tmp_path)
    assert [word for word in [str(tmp_path), *words] if word not in str(error.value)] == []


def test_bad_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"a\.wav: has NaN"):
        make().score(Sources.read(tmp_path), Sources.read(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        Sources.read(tmp_path / "b")


def test_flac_that_does_not_know_its_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", noise(0, 5000), RATE)
    before = Sources.read(tmp_path)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert Sources.read(tmp_path).num_samples == 5000
    assert Sources.read(tmp_path).text() == before.text()


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.aiff"])
def test_source_that_was_cut_is_refused(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / name, noise(0, 9000), RATE)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-500])
    with pytest.raises(InputError, match=rf"{name}: is .*cut short"):
        Sources.read(tmp_path).samples("a")


def test_folder_in_an_index(tmp_path: Path) -> None:
    root = tmp_path / "data"
    _, b = pair()
    b.write(root / "songs" / "one")
    soundfile.write(root / "one.wav", noise(0, 9), RATE)
    index = "id,split,group,audio,sources\none,test,one,one.wav,{}\n"
    (root / "index.csv").write_text(index.format("songs/one"))
    [row] = read_index(root)
    assert row.annotations()["sources"].text() == Sources.read(root / "songs" / "one").text()
    for cell, words in (("songs/two", "no such folder"), ("one.wav", "no such folder"), ("../data", "leaves")):
        (root / "index.csv").write_text(index.format(cell))
        with pytest.raises(InputError, match=f"sources '{cell}'.*{words}"):
            read_index(root)
    soundfile.write(tmp_path / "vocals.wav", noise(0, 9), RATE)
    (root / "songs" / "one" / "vocals.wav").symlink_to(tmp_path / "vocals.wav")
    (root / "index.csv").write_text(index.format("songs/one"))
    with pytest.raises(InputError, match=r"'songs/one/vocals\.wav' is a link .*outside"):
        read_index(root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tracks, and estimates of them."""
    rows = ["id,split,group,audio,sources"]
    for number in range(2):
        a, b = pair(num_samples=2000)
        a.write(tmp_path / "data" / f"s{number}")
        b.write(tmp_path / "estimates" / f"t{number}")
        soundfile.write(tmp_path / "data" / f"s{number}" / "mixture.wav", noise(0, 2000), RATE)
        rows.append(f"t{number},test,g,s{number}/mixture.wav,s{number}")
    (tmp_path / "data" / "index.csv").write_text("\n".join(rows))
    return tmp_path


def test_folders_of_estimates(folder: Path) -> None:
    store = AudioStore(folder / "cache", RATE)
    tracks = Folder(root=folder / "data").tracks("test")
    store.prepare(tracks)
    scores = benchmark(make(), tracks, store).score_folder(folder / "estimates")
    expected = make().score(*pair(num_samples=2000))
    assert [track.id for track in scores] == ["t0", "t1"]
    assert scores[1].metrics == pytest.approx(expected, abs=1e-4, nan_ok=True)  # 32 bits
    (folder / "estimates" / "t1" / "guitar.wav").unlink()
    with pytest.raises(InputError, match="track t1: the estimate lacks guitar"):
        benchmark(make(), tracks, store).score_folder(folder / "estimates")


# --- the baseline ---


@dataclass(frozen=True)
class Told(Clip):
    """A clip of which the names of the sources are known."""

    given: Any = None


def test_mixture_of_what_is_asked_for() -> None:
    a, _ = pair(num_channels=2, num_samples=2000)
    given = make().given(a)
    assert isinstance(given, Sources)
    assert not any(given.samples(name).any() for name in NAMES)
    clip = Told("a", (a.samples("bass") + a.samples("guitar")).mean(axis=1).astype(np.float32), RATE, given)
    estimate = Separation.baselines["mixture"]([])(clip)
    assert make().score(a, estimate)["separation/SIR"] == pytest.approx(0, abs=3)  # both are equally loud


@pytest.mark.parametrize("audio", [noise(0, 16000), np.zeros(10)], ids=["noise", "silence"])
def test_mixture(audio: NDArray[np.float64]) -> None:
    clip = Clip("a", audio.astype(np.float32), 16000)
    training = Sources.make({"voice": noise(0, 50, 2), "piano": noise(0, 50, 2)}, 8000)
    estimate = Separation.baselines["mixture"]([training])(clip)
    assert isinstance(estimate, Sources)
    assert (estimate.names, estimate.sample_rate, estimate.num_channels) == (("piano", "voice"), 8000, 2)
    assert estimate.num_samples == len(audio) // 2
    plain = Separation.baselines["mixture"]([])(clip)
    assert isinstance(plain, Sources)
    assert plain.names == ("bass", "drums", "other", "vocals")
    np.testing.assert_array_equal(plain.samples("drums")[:, 0], audio.astype(np.float32))
