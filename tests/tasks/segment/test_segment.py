"""Segments: mir_eval's scores on one level and on several, novelty, borders and labels from a network, files."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from configs import option
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments
from ricercar.errors import InputError
from ricercar.metrics.hierarchy import hierarchy_scores
from ricercar.tasks.scoring import Clip
from ricercar.tasks.segment import Segment
from ricercar.tasks.segment.decoding import alike, distinct
from ricercar.tasks.segment.functions import function_of
from ricercar.tasks.segment.novelty import novelty, peaks

FPS = 10.0


def make(**options: Any) -> Segment:
    values: Any = OmegaConf.to_container(OmegaConf.merge(option("task", "segment"), options))
    return Segment(**{name: value for name, value in values.items() if name != "_target_"})


def segments(*rows: tuple[float, float, str]) -> Segments:
    start_s, end_s, label = zip(*rows, strict=True)
    return Segments(np.array(start_s), np.array(end_s), label)


def flat(*rows: tuple[float, float, str]) -> Hierarchy:
    return Hierarchy.flat(segments(*rows))


def random_segments(random: np.random.Generator, end_s: float, most: int, start_s: float = 0.0) -> Segments:
    borders = np.unique(np.round([start_s, *random.uniform(start_s, end_s, random.integers(0, most)), end_s], 3))
    labels = random.choice(["A", "a", "B", "chorus", "Chorus"], len(borders) - 1)
    return Segments(borders[:-1], borders[1:], tuple(labels))


def random_hierarchy(random: np.random.Generator, end_s: float) -> Hierarchy:
    return Hierarchy(tuple(random_segments(random, end_s, 4 * level) for level in range(1, random.integers(2, 5))))


def labelled(each: Segments) -> tuple[NDArray[np.float64], list[str]]:
    return np.column_stack([each.start_s, each.end_s]), list(each.label)


def part(scores: Mapping[str, float], module: str) -> dict[str, float]:
    return {
        name.removeprefix(f"{module}/").replace("_", " "): value
        for name, value in scores.items()
        if name.startswith(f"{module}/")
    }


# --- scores ---


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("borders", "trim"), [("all", False), ("inner", True)])
def test_flat_scores_are_those_of_mir_eval(seed: int, borders: str, trim: bool) -> None:
    """Estimates are shorter and longer than references, and begin later."""
    random = np.random.default_rng(seed)
    reference = random_segments(random, 20.0, 8, start_s=0.0 if seed % 2 else 1.0)
    estimate = random_segments(random, random.uniform(12, 28), 8, start_s=0.0 if seed % 3 else 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.segment.evaluate(*labelled(reference), *labelled(estimate), trim=trim)
    expected["Normalized Mutual Information"] = max(expected["Normalized Mutual Information"], 0.0)
    task = make(protocol={"borders": borders})
    scores = part(task.score(Hierarchy.flat(reference), Hierarchy.flat(estimate)), "segment")
    del scores["Label accuracy"]  # ours
    assert list(scores) == list(expected)
    assert scores == pytest.approx(dict(expected), rel=0, abs=1e-9, nan_ok=True)


def test_mutual_information_with_a_single_segment_is_not_negative() -> None:
    """mir_eval's is -1.7e-5."""
    scores = make().score(flat((0, 300, "A")), flat((0, 100, "A"), (100, 300, "B")))
    assert scores["segment/Normalized_Mutual_Information"] == 0.0


@pytest.mark.parametrize("seed", range(25))
def test_hierarchy_scores_are_those_of_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    end_s = float(np.round(random.uniform(0.5, 12), 2))
    sides = [[labelled(level) for level in random_hierarchy(random, end_s).levels] for _ in range(2)]
    window_s, frame_size_s = random.choice([0.5, 3.0, 15.0]), random.choice([0.1, 0.25])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mir_eval.hierarchy.evaluate(
            *([list(each) for each in zip(*side, strict=True)][k] for side in sides for k in (0, 1)),
            window=window_s,
            frame_size=frame_size_s,
        )
    scores = hierarchy_scores(sides[0], sides[1], window_s, frame_size_s)
    assert list(scores) == list(expected)
    assert scores == pytest.approx(dict(expected), rel=0, abs=1e-9)


def test_levels_are_scored_where_the_reference_has_them() -> None:
    """An estimate of one level is a hierarchy, too."""
    upper, lower = segments((0, 3, "A"), (3, 6, "B")), segments((0, 1.5, "a"), (1.5, 3, "b"), (3, 6, "a"))
    reference, task = Hierarchy((upper, lower)), make()
    expected = mir_eval.hierarchy.evaluate(
        *map(list, zip(labelled(upper), labelled(lower), strict=True)), *([each] for each in labelled(lower))
    )
    scores = task.score(reference, Hierarchy.flat(lower))
    assert part(scores, "hierarchy") == pytest.approx(dict(expected), rel=0, abs=1e-9)
    assert np.isnan(list(part(task.score(Hierarchy.flat(upper), reference), "hierarchy").values())).all()
    assert task.score(reference, reference)["hierarchy/L-Measure"] == 1.0


@pytest.mark.parametrize(("level", "f_measure"), [("coarsest", 6 / 7), ("finest", 1.0)])
def test_level_that_is_scored_flat(level: str, f_measure: float) -> None:
    """The upper level has three of the lower one's four borders."""
    upper, lower = segments((0, 30, "A"), (30, 60, "B")), segments((0, 15, "a"), (15, 30, "b"), (30, 60, "a"))
    task = make(protocol={"level": level})
    assert task.score(Hierarchy((upper, lower)), Hierarchy.flat(lower))[task.primary] == pytest.approx(f_measure)


def test_scores_by_hand() -> None:
    """Borders 0, 10 and 20 are found within 0.5 s, 16 within 3 s."""
    scores = make().score(
        flat((0, 10, "A"), (10, 16, "B"), (16, 20, "A")), flat((0, 10.4, "A"), (10.4, 14, "B"), (14, 20, "B"))
    )
    assert scores["segment/F-measure@0.5"] == pytest.approx(0.75)
    assert scores["segment/F-measure@3.0"] == 1.0
    assert scores["segment/Ref-to-est_deviation"] == pytest.approx(0.2)


@pytest.mark.parametrize(("empty", "value"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", np.nan)])
def test_nothing_but_the_ends(empty: str, value: float) -> None:
    whole, halved = flat((0, 9, "A")), flat((0, 4, "A"), (4, 9, "A"))
    task = make(protocol={"borders": "inner", "empty": empty})
    np.testing.assert_equal(task.score(whole, whole)["segment/F-measure@0.5"], value)
    assert task.score(whole, halved)["segment/F-measure@0.5"] == 0.0
    assert make().score(whole, whole)["segment/F-measure@0.5"] == 1.0


@pytest.mark.parametrize("rows", [[(9, 10, "A")], [(12, 13, "A")], [(0, 9, "A"), (9, 10, "B")], [(0, 9, "A")]])
def test_estimate_that_begins_where_the_reference_ends(rows: list[tuple[float, float, str]]) -> None:
    """mir_eval stops with an error. What is missing is one segment."""
    scores, expected = (make().score(flat((0, 5, "A"), (5, 9, "B")), flat(*each)) for each in (rows, [(0, 9, "A")]))
    name = "segment/Label_accuracy"
    labelled = rows[0][0] == 0  # what is missing has no label of the reference
    assert scores.pop(name) == (expected[name] if labelled else 0)
    del expected[name]
    assert scores == pytest.approx(expected, nan_ok=True)


def test_very_short_references_have_no_metrics_of_labels() -> None:
    scores = make().score(flat((0, 0.15, "A")), flat((0, 3, "A")))
    assert np.isnan([scores["segment/V-measure"], scores["segment/Adjusted_Rand_Index"]]).all()
    assert scores["segment/F-measure@0.5"] == 1.0


# --- references and targets ---


def test_reference_is_the_hierarchy_or_the_segments() -> None:
    sections, levels = segments((0, 9, "A")), Hierarchy((segments((0, 8, "A")), segments((0, 8, "a"))))
    task = make()
    found = task.reference({"segments": sections})
    assert found is not None
    assert found.levels == (sections,)
    assert task.reference({"segments": sections, "hierarchy": levels}) is levels
    assert task.reference({}) is None


@pytest.mark.parametrize(
    ("label", "function"),
    [
        ("instrumentalverse", "verse"), ("pre-chorus", "verse"), ("Verse A", "verse"), ("instchorus", "chorus"),
        ("refrain", "chorus"), ("guitar", "inst"), ("gt", "inst"), ("riff", "inst"), ("spoken", "inst"),
        ("groove", "inst"), ("Interlude", "inst"), ("fade-out", "outro"), ("fadein", "intro"), ("raps", "verse"),
        ("transition2", "bridge"), ("Silence", "silence"), ("end", "end"), ("chorusend", "chorus"),
        ("verse 2", "verse"), ("end 2", "end"),
    ],
)  # fmt: skip
def test_functions_of_labels(label: str, function: str) -> None:
    """Those that the paper names, and some of Harmonix and SALAMI; what has become a function stays it."""
    assert [function_of(label), function_of(function)] == [function] * 2


def test_functions_are_learnt_and_scored() -> None:
    """From the segments, where a track has a hierarchy of letters as well."""
    sections, levels = segments((0, 4, "Pre-Chorus"), (4, 8, "refrain")), Hierarchy((segments((0, 8, "A")),))
    task = make(protocol={"functions": "wang_2022"})
    reference = task.reference({"segments": sections, "hierarchy": levels})
    assert reference is not None
    task.fit([reference])
    assert sorted(task.vocabulary) == ["chorus", "verse"]
    estimate = Hierarchy.flat(segments((0, 4, "verse"), (4, 8, "Chorus 2")))
    assert task.score(reference, estimate)["segment/Label_accuracy"] == 1.0
    assert make().score(reference, estimate)["segment/Label_accuracy"] == 0.0


def test_the_network_s_own_words_are_those_of_the_reference() -> None:
    """The vocabulary has no capitals, and a second group of verses is called verse 2."""
    task = make()
    reference = Hierarchy.flat(segments((0, 4, "Verse"), (4, 8, "Chorus"), (8, 12, "Verse"), (12, 16, "Solo 2")))
    task.fit([reference])
    assert set(task.vocabulary) == {"verse", "chorus", "solo 2"}
    names = distinct(["verse", "chorus", "verse", "solo 2"])
    estimate = Hierarchy.flat(segments(*((4 * i, 4 * i + 4, name) for i, name in enumerate(names))))
    assert task.score(reference, estimate)["segment/Label_accuracy"] == 1.0
    wrong = Hierarchy.flat(segments((0, 4, "verse"), (4, 16, "solo")))
    assert task.score(reference, wrong)["segment/Label_accuracy"] == pytest.approx(0.25)


def test_vocabulary_is_of_the_labels_with_the_most_time() -> None:
    task = make(num_labels=2)
    task.fit([flat((0, 5, "Verse"), (5, 7, "bridge")), flat((0, 4, "chorus"), (4, 9, "verse"), (9, 10, "intro"))])
    assert task.vocabulary == ("verse", "chorus")
    other = make(num_labels=2)
    other.restore(task.vocabulary)
    assert other.outputs == task.outputs
    labels = other.encode(flat((0, 1, "CHORUS"), (1, 2, "bridge"), (2, 3, "verse")), 0.0, 30, FPS)["label"]
    assert labels[[5, 15, 25]].tolist() == [[0, 1], [0, 0], [1, 0]]


def test_borders_are_triangles_and_unknown_after_the_end() -> None:
    """Window from 1 s on; inner borders at 2.03 s, and at 3 s, where a gap begins and a segment ends."""
    task = make(half_width_s=0.2)
    reference = flat((0, 2.03, "A"), (2.03, 3, "B"), (3.35, 4, "B"))
    target = task.encode(reference, 1.0, 34, FPS)["boundary"][:, 0]
    time_s = 1 + np.arange(34) / FPS
    away = np.abs(time_s[:, None] - [2.03, 3, 3.35]).min(axis=1)
    np.testing.assert_allclose(target[:31], np.clip(1 - away / 0.2, 0, 1)[:31], atol=1e-6)
    assert np.isnan(target[31:]).all()


def test_loss_by_hand() -> None:
    """Frames: a border, none, unknown, and one outside the track; labels in the first two."""
    task = make(positive_weight=3.0, weights={"boundary": 2.0, "label": 1.0})
    task.restore(("a", "b"))
    targets = {
        "boundary": torch.tensor([[[1.0], [0.0], [torch.nan], [1.0]]]),
        "label": torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]]),
    }
    logits = {"boundary": torch.tensor([[[0.0], [2.0], [9.0], [9.0]]]), "label": torch.zeros(1, 4, 2)}
    loss = task.loss(logits, targets, torch.tensor([[True, True, True, False]]))
    assert float(loss["boundary"]) == pytest.approx(2 * (3 * np.log(2) + np.log1p(np.exp(2))) / 2)
    assert float(loss["label"]) == pytest.approx(np.log(2))


# --- decoding ---


@pytest.mark.parametrize("seed", range(5))
def test_novelty_is_that_of_the_checkerboard_kernel(seed: int) -> None:
    features = np.random.default_rng(seed).random((40, 5))
    features[7] = 0.0
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, length, out=np.zeros_like(features), where=length > 0)
    extended = np.pad(unit, ((6, 6), (0, 0)), mode="edge")
    similarity = extended @ extended.T
    taper = np.exp(-0.5 * (np.arange(1, 7) / 3) ** 2)
    side = np.concatenate([-taper[::-1], [0], taper]) / taper.sum()
    kernel = np.outer(side, side)
    expected = [(kernel * similarity[t : t + 13, t : t + 13]).sum() / 2 for t in range(40)]
    np.testing.assert_allclose(novelty(features, 6), expected, atol=1e-12)


def test_novelty_is_one_where_all_is_new() -> None:
    features = np.repeat(np.eye(2), 50, axis=0)
    curve = novelty(features, 10)
    assert curve.argmax() in (49, 50)
    assert 0.7 < curve.max() <= 1
    assert curve[[10, 90]].max() < 1e-12


@pytest.mark.parametrize("distance", [1, 2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_peaks_by_looking_at_every_frame(seed: int, distance: int) -> None:
    curve = np.round(np.random.default_rng(seed).random(40), 1)
    expected = []
    for t in range(1, 39):
        before, after = curve[max(t - distance, 0) : t], curve[t + 1 : t + distance + 1]
        if curve[t] >= 0.4 and curve[t] > before.max() and curve[t] >= after.max():
            tip = t + (curve[t + 1] - curve[t - 1]) / (2 * (curve[t] - min(curve[t - 1], curve[t + 1])))
            expected += [tip] if 1 <= tip <= 39 else []
    np.testing.assert_allclose(peaks(curve, 0.4, distance), expected)


def test_peak_between_frames() -> None:
    curve = np.clip(1 - np.abs(np.arange(30) - 12.3) / 4, 0, 1)
    np.testing.assert_allclose(peaks(curve, 0.5, 5), [12.3])


def test_segments_that_are_alike() -> None:
    features = np.array([[1, 0, 0], [0, 1, 0.1], [0.9, 0.1, 0], [0, 0, 1], [0, 1, 0]])
    assert alike(features, 0.3).tolist() == [0, 1, 0, 2, 1]
    assert alike(features, 0.0).tolist() == [0, 1, 2, 3, 4]
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a 2", "a 3"]


def network(reference: Hierarchy, task: Segment) -> dict[str, NDArray[np.float32]]:
    """What a perfect network gives, with labels that are not quite sure."""
    targets = task.encode(reference, 0.0, 400, FPS)
    probs = {"boundary": targets["boundary"].clip(1e-6, 1 - 1e-6), "label": 0.2 + 0.6 * targets["label"]}
    return {
        "boundary": np.log(probs["boundary"] / (1 - probs["boundary"])).astype(np.float32),
        "label": np.log(probs["label"]).astype(np.float32),
    }


@pytest.mark.parametrize(
    ("decoder", "borders_s", "atol"),
    [
        ("network", [0, 10.03, 20.06, 30, 40], 1e-4),
        ("novelty", [0, 10.03, 30, 40], 0.1),
        ("both", [0, 10.03, 30, 40], 0.1),
    ],
)
def test_borders_and_labels(decoder: str, borders_s: list[float], atol: float) -> None:
    """Novelty cannot tell a section from its repetition."""
    reference = flat((0, 10.03, "A"), (10.03, 20.06, "B"), (20.06, 30, "B"), (30, 40, "A"))
    task = make(decoder=decoder)
    task.fit([reference])
    [level] = task.decode(network(reference, task), FPS).levels
    np.testing.assert_allclose(np.append(level.start_s, level.end_s[-1]), borders_s, atol=atol)
    assert level.label == (("a", "b", "b", "a") if decoder == "network" else ("a", "b", "a"))


@pytest.mark.parametrize("decoder", ["network", "novelty", "both"])
def test_tuning_finds_borders_that_are_low(decoder: str) -> None:
    reference = flat((0, 10, "A"), (10, 20, "B"), (20, 30, "C"), (30, 40, "A"))
    task = make(decoder=decoder, decoding={"threshold": 0.95, "label_distance": 1.0})
    task.fit([reference])
    logits = network(reference, task)
    logits["boundary"] -= 15.0 if decoder == "network" else 1.0
    assert len(task.decode(logits, FPS).levels[0]) == 1
    task.tune([(reference, logits)], FPS)
    scores = task.score(reference, task.decode(logits, FPS))
    assert scores["segment/F-measure@0.5"] == 1.0
    assert scores["segment/V-measure"] > 0.97


# --- baselines ---


def two_chords(sample_rate: int) -> Clip:
    """Eight seconds of one chord, then seven of another."""
    time_s = np.arange(15 * sample_rate) / sample_rate
    notes = [np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s) for pitch in (60, 64, 67, 61, 66, 70)]
    audio = np.where(time_s < 8, sum(notes[:3]), sum(notes[3:]))
    return Clip("chords", (0.1 * audio).astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [16000, 22050])
def test_novelty_hears_new_chords(sample_rate: int) -> None:
    estimate = Segment.baselines["novelty"]([])(two_chords(sample_rate))
    assert isinstance(estimate, Hierarchy)
    np.testing.assert_allclose(estimate.levels[0].start_s, [0, 8], atol=0.2)
    assert len(set(estimate.levels[0].label)) == 2


def test_trivial_segments() -> None:
    clip = two_chords(16000)
    training = [flat((0, 3, "A"), (3, 10, "B")), flat((0, 5, "A"))]
    single, regular, untrained = (
        Segment.baselines[name](references)(clip)
        for name, references in (("single", training), ("regular", training), ("regular", []))
    )
    assert single.text() == "0.000000\t15.000000\tA\n"
    assert isinstance(regular, Hierarchy)
    assert regular.levels[0].end_s.tolist() == [5, 10, 15]
    assert untrained.text() == "0.000000\t15.000000\t1\n"


# --- files ---


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "start end label level\n0 9 first half 1\n9 12 B 1\n0 4 a 2\n4 12 b 2\n",
        "start\tend\tlabel\tlevel\n0\t4\ta\t2\n0\t9\tfirst half\t1\n4\t12\tb\t2\n9\t12\tB\t1\n",
        "0\t9\tfirst half\t1\n9\t12\tB\t1\n0\t4\ta\t2\n4\t12\tb\t2\n",
    ],
)
def test_levels_in_a_file(text: str, tmp_path: Path) -> None:
    upper, lower = Hierarchy.read(written(tmp_path / "a.lab", text)).levels
    assert (upper.label, upper.end_s.tolist()) == (("first half", "B"), [9, 12])
    assert (lower.label, lower.end_s.tolist()) == (("a", "b"), [4, 12])


def test_flat_file_is_a_hierarchy_of_one_level(tmp_path: Path) -> None:
    [level] = Hierarchy.read(written(tmp_path / "a.txt", "0 9 first half\n9 12 B\n")).levels
    assert level.label == ("first half", "B")
    assert Hierarchy.flat(level).text() == level.text()


def test_rows_of_salami(tmp_path: Path) -> None:
    """The next row ends a section; of two rows with one time the second counts."""
    text = "0.0\tSilence\n0.46\tno function\n0.46\tIntro\n15.25\t1st verse\n30.5\tEnd\n"
    found = Segments.read(written(tmp_path / "a.txt", text))
    assert found.label == ("Silence", "Intro", "1st verse")
    assert found.start_s.tolist() == [0, 0.46, 15.25]
    assert found.end_s.tolist() == [0.46, 15.25, 30.5]
    assert Hierarchy.read(tmp_path / "a.txt").levels[0].text() == found.text()


def test_ends_that_are_a_little_late_are_moved() -> None:
    found = segments((0, 4.0004, "A"), (4, 8, "B"))
    assert found.end_s.tolist() == [4, 8]


@pytest.mark.parametrize(
    ("kind", "text", "line", "words"),
    [
        (Hierarchy, "start end label level\n0 4 A 1\n0 4 a 3\n", 3, ["level 3", "no level 2"]),
        (Hierarchy, "start end label level\n0 4 A 1\n0 4 a 0\n", 3, ["level 0", "1 to 20"]),
        (Hierarchy, "start end label level\n0 4 A 1\n0 4 a 1.5\n", 3, ["level 1.5"]),
        (Hierarchy, "start end label level\n0 4 A\n", 2, ["'0 4 A'", "start end label level"]),
        (Hierarchy, "start end label level\n0 4 A 1\n0 3 a 2\n2 4 b 2\n", 4, ["level 2", "start 2 s", "3 s"]),
        (Hierarchy, "0 4 A\n4 3 B\n", 2, ["end 3 s", "start 4 s"]),
        (Segments, "0 4 A\n5 8 B\n7 9 C\n", 3, ["start 7 s", "8 s"]),
        (Segments, "0 A\n4 B\n3 End\n", 3, ["time 3 s", "4 s"]),
        (Segments, "0 A\n4\n", 2, ["'4' has no label", "time label"]),
        (Segments, "0 A\nnan B\n", 2, ["time nan"]),
        (Segments, "# a comment\n0 A\n", 2, ["without an end"]),
        (Segments, "0\t4\tA\t1\n", 1, ["tabulator", "hierarchy"]),
    ],
)
def test_errors_name_file_line_and_value(
    kind: type[Segments] | type[Hierarchy], text: str, line: int, words: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path / "a.lab", text)
    with pytest.raises(InputError) as error:
        kind.read(path)
    assert f"{path}, line {line}: " in str(error.value)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize("kind", [Segments, Hierarchy])
@pytest.mark.parametrize("text", ["", "# nothing\n", "start end label level\n"])
def test_empty_files(kind: type[Segments] | type[Hierarchy], text: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.lab", text)
    with pytest.raises(InputError, match=r"a\.lab"):
        kind.read(path)


# --- options ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "peaks"}, "'peaks'.*network, novelty, both"),
        ({"num_labels": 0}, "num_labels=0"),
        ({"half_width_s": 0.0}, "half_width_s=0.0"),
        ({"decoding": {"threshold": 2.0}}, "threshold=2.0"),
        ({"decoding": {"window_s": 0.0}}, "window_s=0.0"),
        ({"weights": {"label": -1}}, "weights.label=-1"),
        ({"protocol": {"window_s": 3.0}}, "window_s=3.0 must be below wide_window_s=3.0"),
        ({"protocol": {"frame_size_s": 0}}, "frame_size_s=0 must be above 0"),
        ({"protocol": {"hierarchy_window_s": 0.05}}, "hierarchy_window_s=0.05"),
        ({"protocol": {"functions": "salami"}}, "functions='salami'.*none, wang_2022"),
        ({"protocol": {"level": "middle"}}, "'middle'.*coarsest, finest"),
    ],
)
def test_wrong_options_name_the_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)
