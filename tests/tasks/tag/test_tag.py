"""Tags: scores against scikit-learn and by hand, vocabulary, loss, thresholds, files."""

import math
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from scipy.special import expit
from sklearn import metrics as sklearn_metrics

from configs import option
from ricercar.data.annotations.tags import Tags
from ricercar.data.sources.index import read_index
from ricercar.errors import InputError
from ricercar.tasks.scoring import Clip
from ricercar.tasks.shared.tag_scoring import ranking
from ricercar.tasks.tag import Tag

FPS = 50.0
NAMES = ("alto", "bass", "drums", "fiddle", "guitar", "piano", "voice")


def make(**changes: Any) -> Tag:
    """The task of conf/task/tag.yaml; decoding__threshold=0.1 changes a value inside a group."""
    cfg = option("task", "tag")
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value)
    options = OmegaConf.to_container(cfg)
    assert isinstance(options, dict)
    return Tag(**{str(name): value for name, value in options.items() if name != "_target_"})


def estimates(scores: NDArray[np.float64], names: Sequence[str] = NAMES) -> list[Tags]:
    return [Tags(tuple(names), tuple(row.tolist())) for row in scores]


def references(labels: NDArray[np.bool_], names: Sequence[str] = NAMES) -> list[Tags]:
    return [Tags(tuple(name for name, has in zip(names, row, strict=True) if has)) for row in labels]


def pooled(task: Tag, labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    pairs = zip(references(labels), estimates(scores), strict=True)
    return task.pooled([task.evidence(reference, estimate) for reference, estimate in pairs])


def means(task: Tag, labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    pairs = zip(references(labels), estimates(scores), strict=True)
    each = [task.score(reference, estimate) for reference, estimate in pairs]
    return {name: float(np.nanmean([score[name] for score in each])) for name in each[0]}


# Scores, against scikit-learn


@pytest.fixture(params=range(8))
def random_set(request: pytest.FixtureRequest) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """40 tracks with ties among the scores, a tag that nobody has and one that all have."""
    random = np.random.default_rng(request.param)
    labels = random.random((40, 7)) < random.uniform(0.1, 0.6, 7)
    labels[:, 2], labels[:, 4] = False, True
    return labels, np.clip(np.round(random.normal(0.4, 0.2, (40, 7)) + 0.3 * labels, 1 + request.param % 3), 0, 1)


def test_pooled_scores_are_scikit_learns(random_set: tuple[NDArray[np.bool_], NDArray[np.float64]]) -> None:
    labels, scores = random_set
    kept = [0, 1, 3, 5, 6]
    precision, area = sklearn_metrics.average_precision_score, sklearn_metrics.roc_auc_score
    f_measure = sklearn_metrics.f1_score
    claimed = scores >= 0.5
    expected = {
        "tag/macro_AP": precision(labels[:, kept], scores[:, kept], average="macro"),
        "tag/macro_ROC_AUC": area(labels[:, kept], scores[:, kept], average="macro"),
        "tag/num_ranked_tags": 5.0,
        "tag/micro_AP": precision(labels, scores, average="micro"),
        "tag/micro_ROC_AUC": area(labels.ravel(), scores.ravel()),
        "tag/macro_F-measure": f_measure(labels, claimed, average="macro", zero_division=np.nan),
        "tag/micro_F-measure": f_measure(labels, claimed, average="micro"),
    }
    assert pooled(make(), labels, scores) == pytest.approx(expected, abs=1e-12)


def test_track_scores_are_scikit_learns(random_set: tuple[NDArray[np.bool_], NDArray[np.float64]]) -> None:
    labels, scores = random_set
    claimed = scores >= 0.5
    ratios = sklearn_metrics.precision_recall_fscore_support(labels, claimed, average="samples", zero_division=0)
    expected = {
        "tag/LRAP": sklearn_metrics.label_ranking_average_precision_score(labels, scores),
        "tag/accuracy": sklearn_metrics.accuracy_score(labels, claimed),
        "tag/F-measure": ratios[2],
        "tag/Precision": ratios[0],
        "tag/Recall": ratios[1],
    }
    assert means(make(), labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_exclusive_scores_are_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    true = random.integers(0, 6, 50)  # the last tag is never there
    labels = np.eye(7, dtype=bool)[true]
    scores = np.round(random.dirichlet(np.ones(7), 50) + 0.2 * labels, 3).clip(0, 1)
    found = scores.argmax(axis=1)
    task = make(exclusive=True)
    accuracy = sklearn_metrics.accuracy_score(true, found)
    assert means(task, labels, scores)["tag/accuracy"] == pytest.approx(accuracy, abs=1e-12)
    together = pooled(task, labels, scores)
    assert together["tag/macro_F-measure"] == pytest.approx(
        sklearn_metrics.f1_score(true, found, average="macro"), abs=1e-12
    )
    assert together["tag/micro_F-measure"] == pytest.approx(accuracy, abs=1e-12)
    area = sklearn_metrics.roc_auc_score(labels[:, :6], scores[:, :6], average="macro")
    assert together["tag/macro_ROC_AUC"] == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_ranking_with_many_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    label, score = random.random(60) < 0.3, random.integers(0, 2 + seed, 60) / 30
    precision, area = ranking(label[None], score[None])
    assert precision[0] == pytest.approx(sklearn_metrics.average_precision_score(label, score), abs=1e-12)
    assert area[0] == pytest.approx(sklearn_metrics.roc_auc_score(label, score), abs=1e-12)


# Scores, by hand


def test_scores_by_hand() -> None:
    """Of the tags b, c the estimate puts a first, then b, then c; 0.5 counts as claimed."""
    estimate = Tags(("a", "b", "c", "d"), (0.9, 0.6, 0.5, 0.1))
    expected = {
        "tag/LRAP": (1 / 2 + 2 / 3) / 2, "tag/accuracy": 0.0, "tag/F-measure": 0.8, "tag/Precision": 2 / 3,
        "tag/Recall": 1.0,
    }  # fmt: skip
    assert make().score(Tags(("b", "c")), estimate) == pytest.approx(expected)


def test_tags_that_one_side_does_not_know() -> None:
    """The estimate has never heard of x: it has score 0 there, beside the 0 of b."""
    task = make()
    scores = task.score(Tags(("a", "x")), Tags(("a", "b", "c"), (0.9, 0.0, 0.3)))
    assert scores["tag/LRAP"] == pytest.approx((1 + 2 / 4) / 2)
    assert scores["tag/Recall"] == 0.5
    evidence = [
        task.evidence(Tags(("a", "x")), Tags(("a", "b"), (0.9, 0.6))),
        task.evidence(Tags(("b",)), Tags(("a", "b"), (0.2, 0.7))),
    ]
    together = task.pooled(evidence)
    assert together["tag/num_ranked_tags"] == 3  # a, b and x
    assert together["tag/macro_AP"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert together["tag/macro_F-measure"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_plain_list_of_tags_can_be_scored() -> None:
    assert set(make().score(Tags(("a", "b")), Tags(("b", "a"))).values()) == {1.0}


def test_scored_reference_is_what_is_present() -> None:
    """An annotation with degrees of agreement: half and more is there."""
    reference = make().reference({"tags": Tags(("a", "b", "c"), (0.49, 0.5, 1.0))})
    assert reference == Tags(("b", "c"))
    assert make().reference({}) is None


@pytest.mark.parametrize(("empty", "value"), [("zero", 0.0), ("one", 1.0), ("exclude", math.nan)])
def test_track_without_tags(empty: str, value: float) -> None:
    task = make(protocol__empty=empty)
    nothing = task.score(Tags(()), Tags(("a",), (0.2,)))
    assert nothing["tag/F-measure"] == pytest.approx(value, nan_ok=True)
    assert (nothing["tag/LRAP"], nothing["tag/accuracy"]) == (1.0, 1.0)
    wrong = task.score(Tags(()), Tags(("a",), (0.8,)))
    assert (wrong["tag/F-measure"], wrong["tag/accuracy"]) == (0.0, 0.0)
    assert task.score(Tags(()), Tags(())) == pytest.approx(nothing, nan_ok=True)
    assert task.evidence(Tags(()), Tags(())) != {}


@pytest.mark.parametrize("evidence", [[], [{"num_tags": 0.0}], [{"num_tags": 1.0, "label/a": 1.0, "score/a": 0.9}]])
def test_too_few_tracks_for_a_ranking(evidence: list[dict[str, float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = make().pooled(evidence)
    assert math.isnan(together["tag/macro_AP"])
    assert math.isnan(together["tag/macro_ROC_AUC"])
    assert together["tag/num_ranked_tags"] == 0
    assert set(together) == set(pooled(make(), np.eye(7, dtype=bool), np.eye(7)))


def test_exclusive_claims_the_highest_score_and_nothing_of_nothing() -> None:
    task = make(exclusive=True)
    assert task.primary == "tag/accuracy"
    assert task.score(Tags(("a",)), Tags(("a", "b"), (0.3, 0.2)))["tag/accuracy"] == 1.0
    assert task.score(Tags(("a",)), Tags(("a", "b"), (0.6, 0.7)))["tag/accuracy"] == 0.0
    assert task.score(Tags(("a",)), Tags(("a", "b"), (0.4, 0.4)))["tag/accuracy"] == 1.0  # the first by name
    assert task.score(Tags(("a",)), Tags(()))["tag/accuracy"] == 0.0
    assert task.protocol["claimed"] != make().protocol["claimed"]


# Vocabulary, loss, decoding


def test_vocabulary_is_that_of_the_training_split() -> None:
    task = make()
    assert task.outputs == {}
    task.fit([Tags(("b", "a")), Tags(()), Tags(("c", "a"))])
    assert task.vocabulary == ("a", "b", "c")
    assert task.outputs["tag"].size == 3
    assert task.encode(Tags(("c", "z")), 3.0, 10, FPS)["tag"].tolist() == [0, 0, 1]
    again = make()
    again.restore(task.vocabulary)
    assert again.outputs == task.outputs
    assert again.decode({"tag": np.zeros(3, np.float32)}, FPS).tags == ("a", "b", "c")


def test_listed_tags_stay() -> None:
    task = make(tags=["b", "a"])
    task.fit([Tags(("c",))])
    assert task.vocabulary == ("a", "b")


@pytest.mark.parametrize(("balance", "weight"), [(0.0, [1, 1, 1]), (1.0, [3, 1, 1 / 3]), (0.5, [3**0.5, 1, 3**-0.5])])
def test_balanced_loss_by_hand(balance: float, weight: list[float]) -> None:
    """Of 4 tracks 1, 2 and 3 have the tags; a positive at logit 0 costs its weight times log 2."""
    task = make(balance=balance)
    task.fit([Tags(("a", "b", "c")), Tags(("b", "c")), Tags(("c",)), Tags(())])
    for number in range(3):
        loss = task.loss({"tag": torch.zeros(1, 3)}, {"tag": torch.eye(3)[None, number]}, torch.ones(1, 9).bool())
        assert float(loss["tag"]) == pytest.approx(math.log(2) * (2 + weight[number]) / 3)


@pytest.mark.parametrize(("balance", "weight"), [(0.0, 1.0), (1.0, 2.0)])
def test_exclusive_loss_by_hand(balance: float, weight: float) -> None:
    """Three tracks of a, one of b: b is half as frequent as the mean."""
    task = make(exclusive=True, label_smoothing=0.2, balance=balance)
    task.fit([Tags(("a",))] * 3 + [Tags(("b",))])
    logits = torch.tensor([[0.0, 2.0]])
    costs = -torch.log_softmax(logits[0], dim=0).numpy()
    other = 1.0 if balance == 0 else 4 / 6
    expected = 0.9 * weight * costs[1] + 0.1 * other * costs[0]
    loss = task.loss({"tag": logits}, {"tag": torch.tensor([[0.0, 1.0]])}, torch.ones(1, 9).bool())
    assert float(loss["tag"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("thresholds", ["common", "per_tag"])
def test_threshold_moves_to_one_half_and_keeps_the_order(thresholds: str) -> None:
    task = make(tags=list("abc"), thresholds=thresholds, decoding__threshold=0.2)
    probabilities = np.array([0.199, 0.2, 0.9])
    logits = np.log(probabilities / (1 - probabilities))
    assert task.decode({"tag": np.array([logits[1]] * 3, np.float64)}, FPS).score == (0.5, 0.5, 0.5)
    estimate = task.decode({"tag": logits.astype(np.float32)}, FPS)
    assert "a" not in estimate.present
    assert "c" in estimate.present
    assert all(low < high for low, high in pairwise(estimate.score))


def test_exclusive_estimate_is_a_distribution() -> None:
    task = make(tags=list("abc"), exclusive=True)
    estimate = task.decode({"tag": np.log(np.array([1, 5, 2], np.float32))}, FPS)
    assert estimate.score == pytest.approx((1 / 8, 5 / 8, 2 / 8), rel=1e-6)
    task.tune([(Tags(("b",)), {"tag": np.zeros(3, np.float32)})], FPS)
    assert task.decoding == {}


def timid(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Probabilities below 0.1 for absent tags; those of present ones are higher, from tag to tag by another amount."""
    random = np.random.default_rng(seed)
    labels = random.random((60, 7)) < 0.3
    logits = random.normal(-3, 0.5, (60, 7)) + labels * np.linspace(1, 4, 7)
    return labels, logits.astype(np.float32)


@pytest.mark.parametrize("thresholds", ["common", "per_tag"])
@pytest.mark.parametrize("seed", range(3))
def test_tuning_raises_macro_f_and_keeps_macro_ap(seed: int, thresholds: str) -> None:
    labels, logits = timid(seed)
    task = make(tags=list(NAMES), thresholds=thresholds)

    def scores() -> dict[str, float]:
        decoded = [task.decode({"tag": row}, FPS) for row in logits]
        pairs = zip(references(labels), decoded, strict=True)
        return task.pooled([task.evidence(a, b) for a, b in pairs])

    before = scores()
    task.tune([(a, {"tag": row}) for a, row in zip(references(labels), logits, strict=True)], FPS)
    after = scores()
    assert after["tag/macro_F-measure"] > before["tag/macro_F-measure"] + 0.2
    assert after["tag/macro_AP"] == pytest.approx(before["tag/macro_AP"], abs=1e-12)
    assert after["tag/macro_ROC_AUC"] == pytest.approx(before["tag/macro_ROC_AUC"], abs=1e-12)
    expected = max(
        float(sklearn_metrics.f1_score(labels, expit(logits) >= each, average="macro", zero_division=np.nan))
        for each in np.arange(0.05, 0.96, 0.05)
    )
    if thresholds == "common":
        assert after["tag/macro_F-measure"] == pytest.approx(expected, abs=1e-9)
        assert after["tag/micro_AP"] == pytest.approx(before["tag/micro_AP"], abs=1e-12)
    else:
        assert after["tag/macro_F-measure"] >= expected - 1e-9


@pytest.mark.parametrize("name", ["prior", "random"])
def test_baselines_know_the_training_tags(name: str) -> None:
    annotations = [Tags(("a", "b")), Tags(("a",)), Tags(("a", "c")), Tags(())]
    clip = Clip("x", np.zeros(1600, np.float32), 16000)
    estimate = Tag.baselines[name](annotations)(clip)
    assert isinstance(estimate, Tags)
    assert estimate.tags == ("a", "b", "c")
    if name == "prior":
        assert estimate.score == (0.75, 0.25, 0.25)
    assert Tag.baselines[name]([])(clip) == Tags(())


# Files


@pytest.mark.parametrize("seed", range(3))
def test_scores_survive_a_file(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    tags = Tags(("rock & roll", "ça", "3/4", "a,b"), tuple(expit(random.normal(0, 20, 4)).tolist()))
    tags.write(tmp_path / "a.tsv")
    assert Tags.read(tmp_path / "a.tsv") == tags
    assert Tags.read(tmp_path / "a.tsv").text() == tags.text()


def test_reference_has_the_text_it_had_and_scores_change_it() -> None:
    assert Tags(("b", "a")).text() == "a;b\n"
    assert Tags(("b", "a"), (1.0, 1.0)).text() == "a;b\n"
    assert Tags(("b", "a"), (1.0, 0.5)).text() != "a;b\n"
    assert Tags(("b", "a"), (0.25, 0.5)).score == (0.5, 0.25)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\t0.5\n", "line 1: the header is 'a 0.5', it must be tag and score"),
        ("", "line 1: the header is ''"),
        ("tag\tscore\na\t0.5\n\nb\t1.5\n", "line 4: score 1.5 is not a number from 0 to 1"),
        ("tag\tscore\na\tnan\n", "line 2: score nan"),
        ("tag\tscore\na\thigh\n", "line 2: score 'high' is not a number"),
        ("tag\tscore\na 0.5\n", "line 2: 1 columns"),
        ("tag\tscore\na\t0.5\na\t0.6\n", "'a' is twice"),
        ("tag\tscore\na;b\t0.5\n", "'a;b'"),
    ],
)
def test_wrong_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.tsv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        Tags.read(path)
    assert str(path) in str(error.value)


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exclusive": "yes"}, "exclusive='yes'"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1 is for task.exclusive=true"),
        ({"balance": 2.0}, "balance=2.0"),
        ({"thresholds": "own"}, "thresholds='own'.*common, per_tag"),
        ({"decoding__threshold": 1.0}, "threshold=1.0"),
        ({"decoding__limit": 1.0}, "exactly threshold"),
        ({"tags": ["a", "a"]}, "'a' is twice"),
        ({"tags": []}, r"tags=\[\]"),
        ({"protocol__empty": "mir_eval"}, "'mir_eval'.*zero, one, exclude"),
        ({"prior": 0.0}, "prior=0.0"),
    ],
)
def test_wrong_options_name_the_value_and_the_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "annotations", "message"),
    [
        ({}, [Tags(())], "No track of the training split has a tag"),
        ({"exclusive": True}, [Tags(("a", "b"))], "exclusive=true, but a track has the tags 'a;b'"),
        ({"exclusive": True}, [Tags(())], "exclusive=true, but a track has the tags ''"),
        ({"exclusive": True, "tags": ["a", "b"]}, [Tags(("a",)), Tags(("c",))], "task.tags lacks c"),
    ],
)
def test_training_tags_that_do_not_fit(changes: dict[str, Any], annotations: list[Tags], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes).fit(annotations)


# Real tags


@pytest.mark.parametrize("baseline", ["prior", "random"])
def test_baselines_on_real_instruments(baseline: str) -> None:
    """10 instruments, each as frequent as the others: chance is a tenth."""
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip("set RICERCAR_TEST_DATA to a folder that holds instruments/")
    task = make(exclusive=True)
    tags: dict[str, list[Tags]] = {"train": [], "test": []}
    for row in read_index(Path(root) / "instruments"):
        if row.split in tags and (reference := task.reference(row.annotations())) is not None:
            tags[row.split].append(reference)
    estimator = task.baselines[baseline](tags["train"])
    found = [estimator(Clip(str(number), np.zeros(100, np.float32), 16000)) for number in range(len(tags["test"]))]
    pairs = list(zip(tags["test"], found, strict=True))
    accuracy = np.mean([task.score(*pair)["tag/accuracy"] for pair in pairs])
    area = task.pooled([task.evidence(*pair) for pair in pairs])["tag/macro_ROC_AUC"]
    if baseline == "prior":
        assert accuracy == pytest.approx(0.1)
        assert area == pytest.approx(0.5)
    else:
        assert accuracy < 0.35
        assert 0.3 < area < 0.7
