"""Drums: labels and classes, mir_eval's scores class by class, and thresholds of their own."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import option
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import Onsets, drum_label
from ricercar.errors import InputError
from ricercar.tasks.drums import Drums

FPS = 50.0
CLASSES = ("KD", "SD", "HH", "TT", "CY", "OT")
THREE = {"KD": ["KD"], "SD": ["SD"], "HH": ["HH"]}
PROTOCOL = {"window_s": 0.05, "merge_s": 0.03, "empty": "exclude", "no_drums": "exclude", "averaging": "tracks"}


def make(protocol: Mapping[str, Any] | None = None, **changes: Any) -> Drums:
    """The task of conf/task/drums.yaml with changed options."""
    options: Any = OmegaConf.to_container(option("task", "drums"))
    del options["_target_"]
    return Drums(**{**options, **changes, "protocol": {**options["protocol"], **(protocol or {})}})


def onsets(**times_s: list[float]) -> Onsets:
    """onsets(KD=[0.5, 1.0], SD=[0.75])"""
    pairs = [(time_s, label) for label, each in times_s.items() for time_s in each]
    return Onsets(np.array([time_s for time_s, _ in pairs]), tuple(label for _, label in pairs))


def drawn(random: np.random.Generator, decimals: int) -> Onsets:
    """Some classes; with two decimals many are at the same time, and many distances are the very window."""
    names = [name for name in CLASSES if random.random() < 0.7]
    return onsets(
        **{name: np.round(random.uniform(0, 10, random.integers(1, 40)), decimals).tolist() for name in names}
    )


def logits_of(activation: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """(T, K) -> what a network gives for it."""
    clipped = np.clip(activation, 1e-6, 1 - 1e-6)
    return {"drums": np.log(clipped / (1 - clipped)).astype(np.float32)}


def of(each: Onsets, label: str) -> NDArray[np.float64]:
    return np.array([time_s for time_s, own in zip(each.time_s, each.label, strict=True) if own == label])


# References


def test_labels_are_sorted_into_classes_and_merged_in_each() -> None:
    given = Onsets(np.array([0.5, 0.51, 0.52, 0.6, 0.9]), ("KD", "SD", "KD", "KD", "note"))
    reference = make().reference({"onsets": given})
    assert reference is not None
    assert reference.text() == onsets(KD=[0.5, 0.6], SD=[0.51]).text()


@pytest.mark.parametrize(
    ("pitch", "label"),
    [(35, "KD"), (36, "KD"), (37, "OT"), (38, "SD"), (39, "OT"), (40, "SD"), (41, "TT"), (42, "HH"), (43, "TT"),
     (44, "HH"), (46, "HH"), (48, "TT"), (49, "CY"), (50, "TT"), (51, "CY"), (54, "OT"), (56, "OT"), (59, "CY")],
)  # fmt: skip
def test_general_midi_drums(pitch: int, label: str) -> None:
    assert drum_label(pitch) == label


def test_notes_of_program_128_are_drums() -> None:
    """Two hi-hats at once are one; the piano's notes are none."""
    notes = Notes.make([0.5, 0.5, 0.51, 1.0, 1.0], [2.0] * 5, [36, 42, 46, 38, 38], program=[DRUMS] * 4 + [0])
    reference = make().reference({"notes": notes})
    assert reference is not None
    assert reference.text() == onsets(KD=[0.5], HH=[0.5], SD=[1.0]).text()


PIANO = Notes.make([0.5], [0.6], [60], program=[0])
UNKNOWN = Notes.make([0.5], [0.6], [60])


@pytest.mark.parametrize(
    ("annotations", "number"),
    [
        ({}, None),
        ({"onsets": Onsets.make([0.5])}, None),
        ({"notes": UNKNOWN}, None),
        ({"onsets": Onsets.make([0.5]), "notes": UNKNOWN}, None),
        ({"onsets": Onsets.make([0.5]), "notes": PIANO}, 0),
        ({"notes": PIANO}, 0),
        ({"onsets": Onsets.make([])}, 0),
        ({"onsets": onsets(note=[0.5])}, 0),
        ({"onsets": onsets(note=[0.5], KD=[1.0]), "notes": PIANO}, 1),
    ],
)
def test_where_nothing_is_known_of_drums_there_is_no_reference(annotations: Any, number: int | None) -> None:
    reference = make().reference(annotations)
    assert (None if reference is None else len(reference)) == number


def test_classes_join_and_ignore_labels() -> None:
    """Numbers are labels, too; a class's own name always counts as it."""
    task = make(classes={"kick": ["KD", 36], "other": ["SD", "TT", "CY", "OT"]}, ignored=["HH", "note"])
    given = onsets(KD=[0.1], SD=[0.2], TT=[0.3], HH=[0.4], **{"36": [0.5]})
    reference = task.reference({"onsets": given})
    assert reference is not None
    assert reference.text() == onsets(kick=[0.1, 0.5], other=[0.2, 0.3]).text()
    assert task.outputs["drums"].size == 2
    assert task.score(reference, given)["drums/F-measure"] == 1.0
    assert set(task.decoding) == {"threshold_kick", "threshold_other", "shift_s", "min_distance_s"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (onsets(KD=[0.5], kick=[1.5]), "onset at 1.5 s has the label 'kick'.*KD, SD, HH, TT, CY, OT, note"),
        (Onsets.make([0.5]), "onset at 0.5 s has no label"),
    ],
)
def test_unknown_label_is_an_error(given: Onsets, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().score(onsets(KD=[0.5]), given)


# Scores


@pytest.mark.parametrize("seed", range(10))
def test_classes_are_scored_by_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference, estimate = drawn(random, 2), drawn(random, 2)
    scores = make().score(reference, estimate)
    for name in CLASSES:
        a, b = of(reference, name), of(estimate, name)
        expected = mir_eval.onset.evaluate(a, b) if len(a) and len(b) else dict.fromkeys(("F-measure", "Recall"), 0.0)
        for metric, value in expected.items():
            value = value if len(a) or len(b) else math.nan
            assert scores[f"onset/{metric}_{name}"] == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(10))
def test_overall_score_is_mir_evals_with_the_classes_kept_apart(seed: int) -> None:
    """With each class 1,000 s after the one before, no onset is matched with one of another class."""
    random = np.random.default_rng(seed)
    reference, estimate = drawn(random, 6), drawn(random, 6)
    apart = [
        np.concatenate([1000.0 * number + of(each, name) for number, name in enumerate(CLASSES)])
        for each in (reference, estimate)
    ]
    scores = make().score(reference, estimate)
    for name, value in mir_eval.onset.evaluate(*apart).items():
        assert scores[f"drums/{name}"] == pytest.approx(value, abs=1e-9)


def test_scores_by_hand() -> None:
    """KD: 2 of 2 found with 1 too many; SD called HH; nothing else."""
    scores = make().score(onsets(KD=[0.5, 1.0], SD=[0.5]), onsets(KD=[0.5, 1.0, 1.5], HH=[0.5]))
    assert scores["onset/F-measure_KD"] == pytest.approx(4 / 5)
    assert scores["onset/F-measure_SD"] == scores["onset/F-measure_HH"] == 0.0
    assert math.isnan(scores["onset/F-measure_TT"])
    assert scores["drums/Precision"] == 2 / 4
    assert scores["drums/Recall"] == pytest.approx(2 / 3)
    assert scores["drums/F-measure"] == pytest.approx(4 / 7)
    assert scores["drums/F-measure_mean"] == pytest.approx(4 / 15)


NOTHING = Onsets.make([])


@pytest.mark.parametrize(
    ("no_drums", "empty", "false_alarm", "nothing"),
    [
        ("exclude", "one", math.nan, math.nan),
        ("score", "one", 0.0, 1.0),
        ("score", "mir_eval", 0.0, 0.0),
        ("score", "exclude", 0.0, math.nan),
    ],
)
def test_protocol_says_what_a_track_without_drums_scores(
    no_drums: str, empty: str, false_alarm: float, nothing: float
) -> None:
    task = make({"no_drums": no_drums, "empty": empty})
    scores = [task.score(NOTHING, each)["drums/F-measure"] for each in (onsets(KD=[1.0]), NOTHING)]
    assert scores == pytest.approx([false_alarm, nothing], nan_ok=True)
    assert task.score(onsets(KD=[1.0]), NOTHING)["drums/F-measure"] == 0.0


@pytest.mark.parametrize(("empty", "mean"), [("mir_eval", 1 / 6), ("one", 1.0), ("exclude", 1.0)])
def test_mean_over_classes_follows_the_protocol(empty: str, mean: float) -> None:
    scores = make({"empty": empty}).score(onsets(KD=[1.0]), onsets(KD=[1.0]))
    assert scores["drums/F-measure_mean"] == pytest.approx(mean)


def test_pooled_scores_count_over_all_tracks() -> None:
    """KD: 1 of 2 found, 1 false alarm in a track without drums. SD: 1 of 1."""
    task = make()
    pairs = [(onsets(KD=[0.5, 1.0], SD=[0.5]), onsets(KD=[0.5], SD=[0.5])), (NOTHING, onsets(KD=[3.0]))]
    pooled = task.pooled([task.evidence(*pair) for pair in pairs])
    assert pooled["onset/pooled_F-measure_KD"] == pytest.approx(2 / 4)
    assert pooled["onset/pooled_F-measure_SD"] == 1.0
    assert math.isnan(pooled["onset/pooled_F-measure_HH"])
    assert pooled["drums/pooled_F-measure"] == pytest.approx(4 / 6)


def test_classes_are_part_of_the_protocol() -> None:
    ignored = ["TT", "CY", "OT", "note"]
    assert make().protocol["classes"] == {name: [name] for name in CLASSES}
    assert make(classes=THREE, ignored=ignored).protocol["ignored"] == sorted(ignored)


# Targets, decoding


def test_classes_are_the_columns() -> None:
    target = make().encode(onsets(SD=[0.04], OT=[0.08], KD=[0.08]), 0.0, 8, FPS)["drums"]
    assert target.shape == (8, 6)
    assert np.argwhere(target == 1).tolist() == [[2, 1], [4, 0], [4, 5]]


def test_every_class_has_its_threshold() -> None:
    task = make(targets="binary")
    task.decoding |= {"threshold_KD": 0.7, "threshold_SD": 0.4}
    activation = np.full((10, 6), 0.01)
    activation[3, :2] = 0.5
    activation[6, :2] = 0.8
    assert task.decode(logits_of(activation), FPS).text() == onsets(KD=[0.12], SD=[0.06, 0.12]).text()


def test_tuning_finds_a_threshold_for_each_class() -> None:
    """KD is timid (0.2); SD has false alarms of 0.5 between its onsets; the track without drums does not count."""
    time_s = (0.5 + np.arange(30) * 0.3).tolist()
    task, reference = make(), onsets(KD=time_s, SD=time_s)
    activation = task.encode(reference, 0.0, 500, FPS)["drums"].astype(np.float64)
    activation[:, 0] *= 0.2
    activation[:, 1] += 0.5 * np.roll(activation[:, 1], 8)
    examples = [(reference, logits_of(activation)), (NOTHING, logits_of(np.full((500, 6), 0.9)))]
    task.tune(examples, FPS)
    assert 0.05 <= task.decoding["threshold_KD"] <= 0.2
    assert 0.5 < task.decoding["threshold_SD"] < 1.0
    assert task.decoding["threshold_TT"] == 0.3
    assert task.score(reference, task.decode(examples[0][1], FPS))["drums/F-measure"] == 1.0


# Options


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {}}, "task.classes is empty"),
        ({"classes": {**THREE, "KD": "KD"}}, r"task.classes.KD='KD'.*\[KD\]"),
        ({"classes": THREE}, "TT, CY, OT are in no class.*task.ignored"),
        ({"classes": {name: ["KD"] for name in CLASSES}}, "'KD' is in KD and in SD"),
        ({"ignored": ["note", "HH"]}, "'HH' is in HH and in task.ignored"),
        ({"protocol": {"no_drums": "skip"}}, "'skip'.*score, exclude"),
        ({"protocol": {"window": 0.05}}, "'window' is not known"),
    ],
)
def test_wrong_options_name_the_value_and_the_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_files_with_labels_and_without_a_header_are_read(tmp_path: Path) -> None:
    path = tmp_path / "MusicDelta_Punk_class.txt"
    path.write_text("0.5 \tKD\n0.75\tSD\n")
    assert Onsets.read(path).text() == onsets(KD=[0.5], SD=[0.75]).text()


# Real music


def test_ceiling_on_real_drums() -> None:
    """No class of MDB Drums is unknown, and 50 frames per second cost nothing."""
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds pop/")
    task, scores = make(), []
    for path in sorted((Path(root) / "pop" / "onsets").glob("*.tsv")):
        reference = task.reference({"onsets": Onsets.read(path)})
        assert reference is not None
        logits = logits_of(task.encode(reference, 0.0, int(reference.time_s.max() * FPS) + 10, FPS)["drums"])
        scores.append(task.score(reference, task.decode(logits, FPS))["drums/F-measure"])
    assert len(scores) == 6
    assert np.mean(scores) > 0.999
