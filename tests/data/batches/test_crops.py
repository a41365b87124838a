"""Crops: reproducible item by item, labels in step with the sound, also when pitch is shifted; batches ahead of use."""

import pickle
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.crops import Crops, to_float
from ricercar.data.batches.prefetch import Batch, Prefetched, from_workers
from ricercar.data.batches.windows import AudioWindows, Windows
from ricercar.data.sources.folder import Folder
from ricercar.data.track import Track
from ricercar.errors import InputError

HOP, FPS, FRAMES = 160, 100.0, 60


def crops(
    root: Path,
    cache: Path,
    semitones: int = 0,
    seed: int = 0,
    cents: float = 0.0,
    num_frames: int = FRAMES,
    windows: Windows | None = None,
    mix_examples: int = 1,
    mix_db: tuple[float, float] = (0.0, 0.0),
) -> Crops:
    tracks = Folder(root=str(root)).tracks("train")

    def encode(annotations, start_s, num_frames, fps):  # type: ignore[no-untyped-def]
        """Sounding pitches, written out: what a task does with more care."""
        notes = annotations["notes"]
        roll = np.zeros((num_frames, 128), dtype=np.float32)
        for onset_s, offset_s, pitch in zip(notes.onset_s, notes.offset_s, notes.semitone, strict=True):
            first, last = (round((time_s - start_s) * fps) for time_s in (onset_s, offset_s))
            roll[max(first, 0) : max(last, 0), pitch] = 1.0
        return {"roll": roll}

    return Crops(
        tracks=tracks,
        training_annotations=lambda annotations: {"notes": annotations["notes"]},
        encode=encode,
        windows=windows or AudioWindows(AudioStore(cache, 16000), HOP),
        num_frames=num_frames,
        seed=seed,
        pitch_shift_semitones=semitones,
        detune_cents=cents,
        mix_examples=mix_examples,
        mix_db=mix_db,
        balance=1.0,
    )


def item(made: Crops, index: int) -> Batch:
    """One item, without the axis B."""
    batch = made.batch([index])
    return {
        name: {key: each[0] for key, each in value.items()} if isinstance(value, dict) else value[0]
        for name, value in batch.items()
    }


def assert_equal(one: Batch, other: Batch) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_item_depends_on_seed_and_index_alone(tones: Path, cache: Path) -> None:
    one, other = crops(tones, cache, 4), crops(tones, cache, 4)
    other.batch(range(3))
    assert_equal(item(one, 5), item(other, 5))
    assert not torch.equal(item(one, 5)["input"], item(one, 6)["input"])
    assert not torch.equal(item(one, 5)["input"], item(crops(tones, cache, 4, seed=1), 5)["input"])


@pytest.mark.parametrize("place", range(4))
def test_batch_is_its_items(tones: Path, cache: Path, place: int) -> None:
    made = crops(tones, cache, 4)
    batch = made.batch(range(10, 14))
    assert batch["input"].shape == (4, (FRAMES - 1) * HOP)
    assert batch["input"].dtype == torch.int16
    own = {"targets": {"roll": batch["targets"]["roll"][place]}, "labelled": {"notes": torch.tensor(True)}}
    assert_equal(item(made, 10 + place), {"input": batch["input"][place], **own, "valid": batch["valid"][place]})


def test_memory_of_a_batch_serves_again_only_when_nobody_holds_it(tones: Path, cache: Path) -> None:
    made, other = crops(tones, cache), crops(tones, cache)
    held, part = made.batch(range(4)), made.batch(range(4, 8))["input"][2:]
    place = made.batch(range(8, 12))["input"].data_ptr()  # dropped at once
    assert made.batch(range(12, 16))["input"].data_ptr() == place
    assert_equal(held, other.batch(range(4)))
    assert torch.equal(part, other.batch(range(4, 8))["input"][2:])


@pytest.mark.parametrize("semitones", [0, 5])
@pytest.mark.parametrize("index", range(6))
def test_labels_follow_the_sound(tones: Path, cache: Path, semitones: int, index: int) -> None:
    """In frames well inside a note, the strongest partial of the crop is the labelled pitch, within 20 cents."""
    crop = item(crops(tones, cache, semitones), index)
    audio = to_float(crop["input"]).numpy()
    roll = crop["targets"]["roll"].numpy()
    checked = 0
    for frame in range(6, FRAMES - 6):
        around = roll[frame - 5 : frame + 6]
        pitches = np.flatnonzero(around.all(axis=0))
        if len(pitches) == 1 and around.sum() == 11:
            piece = audio[(frame - 5) * HOP : (frame + 5) * HOP] * np.hanning(10 * HOP)
            spectrum = np.abs(np.fft.rfft(piece, 16 * 16000))
            found = 69 + 12 * np.log2(spectrum.argmax() / 16 / 440)
            assert abs(found - pitches[0]) < 0.2
            checked += 1
    assert checked > 0


def test_mixed_windows_are_sums_with_both_labels(tones: Path, cache: Path) -> None:
    """Each is the sum of windows that other items of one window alone could be, with the union of their labels."""
    made = crops(tones, cache, 2, mix_examples=3, mix_db=(-6.0, 3.0))
    numbers = []
    for index in range(24):
        drawn = made._drawn(index)
        numbers.append(len(drawn))
        windows = [made._window(random, number) for random, number in drawn]
        rolls = [made.encode(each.annotations, each.start_s, FRAMES, FPS)["roll"] for each in windows]
        mixed = item(made, index)
        assert torch.equal(mixed["targets"]["roll"], torch.from_numpy(np.maximum.reduce(rolls)))
        parts = np.stack([each.input.astype(np.float64) for each in windows])
        gains, *_ = np.linalg.lstsq(parts.T, mixed["input"].numpy().astype(np.float64), rcond=None)
        assert np.abs(gains @ parts - mixed["input"].numpy()).max() < 1.0
        levels_db = 20 * np.log10(gains / gains[0])
        assert (levels_db > -6.1).all()
        assert (levels_db < 3.1).all()
    assert set(numbers) == {1, 2, 3}


def test_mixed_windows_depend_on_seed_and_index_alone(tones: Path, cache: Path) -> None:
    one, other = (crops(tones, cache, 4, mix_examples=3) for _ in range(2))
    other.batch(range(3))
    for index in range(4, 9):
        assert_equal(item(one, index), item(other, index))
    alone = next(index for index in range(20) if len(one._drawn(index)) == 1)
    assert_equal(item(one, alone), item(crops(tones, cache, 4), alone))
    assert one.labelled(range(4))["notes"].all()


def test_what_cannot_be_mixed_is_told(tones: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"mix_examples=2 need each window's own sound"):
        crops(tones, cache, windows=Starts(), mix_examples=2)
    tracks = Folder(root=str(tones)).tracks("train")
    with pytest.raises(InputError, match=r"mix_examples=2: task=key learns from key"):
        Crops(
            tracks=tracks,
            training_annotations=lambda annotations: {"key": annotations["key"]},
            encode=lambda *window: {},
            windows=AudioWindows(AudioStore(cache, 16000), HOP),
            num_frames=FRAMES,
            seed=0,
            pitch_shift_semitones=0,
            detune_cents=0.0,
            mix_examples=2,
            mix_db=(0.0, 0.0),
            balance=1.0,
        )


def test_short_track_is_padded_and_marked(tones: Path, cache: Path) -> None:
    crop = item(crops(tones, cache, num_frames=1000), 0)
    assert crop["input"].shape == (999 * HOP,)
    inside = int(crop["valid"].sum())
    assert inside == 1 + int(3.2 * FPS)
    assert not crop["input"][inside * HOP :].any()


class Starts:
    """Spectrograms that say on which frame they begin."""

    sample_rate, hop_length, on_frames = 16000, HOP, True

    def num_samples(self, track: Track) -> int:
        return 51200

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[Any]:
        frames = start // HOP + np.arange(num_frames, dtype=np.float32)
        assert start % HOP == 0
        return np.broadcast_to(frames, (1, 2, num_frames))


def test_windows_of_spectrograms_begin_on_frames(tones: Path, cache: Path) -> None:
    """And their labels with them: those of the whole track, cut out."""
    made = crops(tones, cache, windows=Starts())
    batch = made.batch(range(50))
    assert batch["input"].shape == (50, 1, 2, FRAMES)
    first = batch["input"][:, 0, 0, 0].long()
    assert int(first.min()) < 50
    assert 210 < int(first.max()) <= 51200 // HOP + 1 - FRAMES
    assert batch["valid"].all()
    whole = [made.encode(annotations, 0.0, 321, FPS)["roll"] for annotations in made.annotations]
    for start, roll in zip(first.tolist(), batch["targets"]["roll"].numpy(), strict=True):
        assert any(np.array_equal(roll, each[start : start + FRAMES]) for each in whole)


@pytest.mark.parametrize("change", [{"semitones": 1}, {"cents": 5.0}])
def test_spectrograms_are_not_shifted(tones: Path, cache: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"pitch_shift_semitones=.* spectrogram=fresh"):
        crops(tones, cache, windows=Starts(), **change)


def test_spectrograms_are_floats_already() -> None:
    spectrogram = torch.rand(2, 1, 3, 4)
    assert to_float(spectrogram) is spectrogram
    assert to_float(torch.tensor([-32768, 16384], dtype=torch.int16)).tolist() == [-1.0, 0.5]


# --- ahead of use ---


def numbered(step: int) -> Batch:
    return {"input": torch.tensor([step]), "targets": {"a": torch.tensor([-step])}}


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_batches_come_in_order(depth: int) -> None:
    batches = list(islice(Prefetched(numbered, first=7, depth=depth, pin=False), 20))
    assert [int(batch["input"]) for batch in batches] == list(range(7, 27))
    assert [int(batch["targets"]["a"]) for batch in batches] == list(range(-7, -27, -1))


def test_batches_of_workers_come_in_order() -> None:
    assert [int(batch["input"]) for batch in islice(from_workers(numbered, 7, 2, False), 5)] == list(range(7, 12))


FORKED: list[int] = []


def inherited(step: int) -> Batch:
    """What a process that was forked has from this one; step 2 cannot be made."""
    if step == 2:
        raise InputError("track 2: unlucky")
    return {"input": torch.tensor(FORKED)}


def test_workers_are_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork while threads are alive can hang for ever. And an error comes as it was raised."""
    monkeypatch.setitem(globals(), "FORKED", [1])
    batches = from_workers(inherited, 1, 1, False)
    assert next(batches)["input"].tolist() == []
    with pytest.raises(InputError, match=r"^track 2: unlucky$"):
        next(batches)


def test_sources_keep_their_keys_in_another_process(tones: Path, cache: Path) -> None:
    """They are other objects there, whose ids may be those of sources here."""
    tracks = Folder(root=str(tones)).tracks("train")
    store = AudioStore(cache, 16000)
    keys = [store.key(track.audio) for track in tracks]
    other, theirs = pickle.loads(pickle.dumps((store, tracks[::-1])))
    assert [other.key(track.audio) for track in theirs] == keys[::-1]
    assert list(other._keys) == [id(track.audio) for track in theirs[::-1]]


@pytest.mark.parametrize("depth", [0, 2])
def test_only_so_many_are_made_ahead_and_the_thread_ends(depth: int) -> None:
    made: list[int] = []
    before = threading.active_count()

    def noted(step: int) -> Batch:
        made.append(step)
        return numbered(step)

    for batch in Prefetched(noted, first=0, depth=depth, pin=False):
        if int(batch["input"]) == 4:
            break
    assert made == list(range(len(made)))
    assert 5 <= len(made) <= 5 + depth
    assert threading.active_count() == before


@pytest.mark.parametrize("depth", [0, 2])
def test_error_comes_in_place_of_its_batch(depth: int) -> None:
    def failing(step: int) -> Batch:
        if step == 3:
            raise InputError("the third")
        return numbered(step)

    batches = iter(Prefetched(failing, first=1, depth=depth, pin=False))
    assert [int(next(batches)["input"]) for _ in range(2)] == [1, 2]
    with pytest.raises(InputError, match="the third"):
        next(batches)


# --- augmentation ---


@pytest.fixture
def silent_augmentation() -> dict[str, object]:
    return {
        "gain_db": 0.0,
        "equaliser_db": 0.0,
        "noise_db": None,
        "reverb_share": 0.0,
        "reverb_time_s": (0.1, 0.5),
        "reverb_db": (3.0, 10.0),
        "time_mask": (0, 0),
        "frequency_mask": (0, 0.0),
        "pitch_shift_semitones": 0,
        "detune_cents": 0.0,
        "mix_examples": 1,
        "mix_db": (0.0, 0.0),
        "sample_rate": 16000,
    }


def test_no_augmentation_changes_nothing(silent_augmentation: dict[str, object]) -> None:
    audio, spectrogram = torch.randn(2, 8000), torch.randn(2, 1, 20, 30)
    augmentation = Augmentation(**silent_augmentation)  # type: ignore[arg-type]
    assert torch.equal(augmentation.audio(audio), audio)
    assert torch.equal(augmentation.spectrogram(spectrogram), spectrogram)


@pytest.mark.parametrize(
    "change",
    [{"gain_db": 6.0}, {"equaliser_db": 4.0}, {"noise_db": (20.0, 40.0)}, {"reverb_share": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_augmentation_keeps_time_and_survives_silence(
    silent_augmentation: dict[str, object], change: dict[str, object]
) -> None:
    """An impulse stays where it is; clips differ from one another; silence stays finite."""
    augmentation = Augmentation(**{**silent_augmentation, **change})  # type: ignore[arg-type]
    audio = torch.zeros(3, 16000)
    audio[:2, 5000] = 1.0
    changed = augmentation.audio(audio)
    assert changed.shape == audio.shape
    assert torch.isfinite(changed).all()
    assert changed[:2].abs().argmax(dim=1).tolist() == [5000, 5000]
    assert not torch.equal(changed[0], changed[1])


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({}, False),
        ({"time_mask": (2, 20), "frequency_mask": (2, 0.1)}, False),
        ({"gain_db": 6.0}, True),
        ({"equaliser_db": 4.0}, True),
        ({"noise_db": (20.0, 40.0)}, True),
        ({"reverb_share": 0.5}, True),
        ({"pitch_shift_semitones": 1}, True),
        ({"detune_cents": 1.0}, True),
        ({"mix_examples": 2}, True),
    ],
    ids=str,
)
def test_what_changes_the_sound(
    silent_augmentation: dict[str, object], change: dict[str, object], changes: bool
) -> None:
    assert Augmentation(**{**silent_augmentation, **change}).changes_audio is changes  # type: ignore[arg-type]


def test_noise_has_its_level(silent_augmentation: dict[str, object]) -> None:
    augmentation = Augmentation(**{**silent_augmentation, "noise_db": (20.0, 20.0)})  # type: ignore[arg-type]
    audio = torch.sin(torch.arange(160000) * 0.1)[None]
    noise = augmentation.audio(audio) - audio
    ratio_db = 10 * torch.log10(audio.square().mean() / noise.square().mean())
    assert float(ratio_db) == pytest.approx(20.0, abs=0.1)


def test_masks_cover_at_most_their_share(silent_augmentation: dict[str, object]) -> None:
    augmentation = Augmentation(**{**silent_augmentation, "time_mask": (1, 5), "frequency_mask": (1, 0.1)})  # type: ignore[arg-type]
    spectrogram = torch.randn(50, 1, 40, 60)
    changed = augmentation.spectrogram(spectrogram) != spectrogram
    rows, columns = changed.all(dim=3).sum(dim=2), changed.all(dim=2).sum(dim=2)
    assert 0 < int(columns.max()) <= 5
    assert 0 < int(rows.max()) <= 4
