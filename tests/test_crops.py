"""Crops: reproducible item by item, labels in step with the sound, also when pitch is shifted."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ricercar.data.audio_store import AudioStore
from ricercar.data.augmentation import Augmentation
from ricercar.data.crops import Crops, to_float
from ricercar.data.folder import Folder

HOP, FPS, FRAMES = 160, 100.0, 60


def crops(root: Path, cache: Path, semitones: int = 0, seed: int = 0, cents: float = 0.0) -> Crops:
    tracks = Folder(root=str(root)).tracks("train")
    store = AudioStore(cache, 16000)
    store.prepare(tracks)

    def encode(taught, start_s, num_frames, fps):  # type: ignore[no-untyped-def]
        """Sounding pitches, written out: what a task does with more care."""
        notes = taught["notes"]
        roll = np.zeros((num_frames, 128), dtype=np.float32)
        for onset_s, offset_s, pitch in zip(notes.onset_s, notes.offset_s, notes.pitch, strict=True):
            first, last = (round((time_s - start_s) * fps) for time_s in (onset_s, offset_s))
            roll[max(first, 0) : max(last, 0), pitch] = 1.0
        return {"roll": roll}

    return Crops(
        tracks=tracks,
        taught=lambda annotations: {"notes": annotations["notes"]},
        encode=encode,
        store=store,
        hop_length=HOP,
        num_frames=FRAMES,
        seed=seed,
        pitch_shift_semitones=semitones,
        detune_cents=cents,
    )


def test_item_depends_on_seed_and_index_alone(tones: Path, cache: Path) -> None:
    one, other = crops(tones, cache, 4), crops(tones, cache, 4)
    _ = [other[i] for i in range(3)]
    assert torch.equal(one[5]["audio"], other[5]["audio"])
    assert torch.equal(one[5]["targets"]["roll"], other[5]["targets"]["roll"])
    assert not torch.equal(one[5]["audio"], one[6]["audio"])
    assert not torch.equal(one[5]["audio"], crops(tones, cache, 4, seed=1)[5]["audio"])


@pytest.mark.parametrize("semitones", [0, 5])
@pytest.mark.parametrize("index", range(6))
def test_labels_follow_the_sound(tones: Path, cache: Path, semitones: int, index: int) -> None:
    """In frames well inside a note, the strongest partial of the crop is the labelled pitch, within 20 cents."""
    item = crops(tones, cache, semitones)[index]
    audio = to_float(item["audio"]).numpy()
    roll = item["targets"]["roll"].numpy()
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


def test_short_track_is_padded_and_marked(tones: Path, cache: Path) -> None:
    long = crops(tones, cache)
    long.num_frames, long.num_samples = 1000, 999 * HOP
    item = long[0]
    assert item["audio"].shape == (999 * HOP,)
    inside = int(item["valid"].sum())
    assert inside == 1 + int(3.2 * FPS)
    assert not item["audio"][inside * HOP :].any()


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
        "sample_rate": 16000,
    }


def test_no_augmentation_changes_nothing(silent_augmentation: dict[str, object]) -> None:
    audio, picture = torch.randn(2, 8000), torch.randn(2, 1, 20, 30)
    augmentation = Augmentation(**silent_augmentation)  # type: ignore[arg-type]
    assert torch.equal(augmentation.audio(audio), audio)
    assert torch.equal(augmentation.picture(picture), picture)


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


def test_noise_has_its_level(silent_augmentation: dict[str, object]) -> None:
    augmentation = Augmentation(**{**silent_augmentation, "noise_db": (20.0, 20.0)})  # type: ignore[arg-type]
    audio = torch.sin(torch.arange(160000) * 0.1)[None]
    noise = augmentation.audio(audio) - audio
    ratio_db = 10 * torch.log10(audio.square().mean() / noise.square().mean())
    assert float(ratio_db) == pytest.approx(20.0, abs=0.1)


def test_masks_cover_at_most_their_share(silent_augmentation: dict[str, object]) -> None:
    augmentation = Augmentation(**{**silent_augmentation, "time_mask": (1, 5), "frequency_mask": (1, 0.1)})  # type: ignore[arg-type]
    picture = torch.randn(50, 1, 40, 60)
    changed = augmentation.picture(picture) != picture
    rows, columns = changed.all(dim=3).sum(dim=2), changed.all(dim=2).sum(dim=2)
    assert 0 < int(columns.max()) <= 5
    assert 0 < int(rows.max()) <= 4
