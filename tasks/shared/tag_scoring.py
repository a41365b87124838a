"""Scores of tags: of each track, and of all tracks together. The numbers are scikit-learn's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.tags import PRESENT, Tags
from ricercar.errors import InputError
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark, of_track
from ricercar.tasks.protocol import EMPTY, check_protocol

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PROTOCOL = {"unranked": ("exclude",), "empty": ("zero", "one", "exclude")}
# In protocols of results: what claims a tag, by whether tags are exclusive.
CLAIMED = {True: "highest score", False: f"score >= {PRESENT}"}


class TagScoring:
    """(reference, estimate) -> {tag/metric: score of one track}; evidence of all tracks -> {tag/metric: score}.

    The reference has the tags that are in it with a score of 0.5 or more. An estimate gives tags a score; one that it
    does not name has 0. It claims the tags with a score of 0.5 or more, or where each track has exactly one tag
    (exclusive), the one with the highest score (of equals the first by name; none if all are 0).

    Of a partial reference only the tags in it count: of the others it is not known whether an estimate is right.

    One track, over the tags that its reference or its estimate names
    tag/LRAP            label-ranking average precision: for each tag of the reference, the share of its tags among
                        those with as high a score; the mean of that. 1 where the reference has no tags, as scikit-learn
    tag/accuracy        1 where the claimed tags are those of the reference
    tag/F-measure, tag/Precision, tag/Recall    of the claimed tags; 0 where undefined. Where there are neither claimed
                        nor reference tags, protocol.empty decides: zero, one, exclude (NaN)

    All tracks together, over the tags that any of them names; they are no means, so protocol.averaging is not for them
    tag/macro_AP, tag/macro_ROC_AUC    mean over tags of average precision, and of the area under the ROC curve. Tags
                                       that all tracks or none have leave them undefined, and are left out
    tag/num_ranked_tags                how many tags are in these two means
    tag/micro_AP, tag/micro_ROC_AUC    of all pairs of track and tag as one list
    tag/macro_F-measure                mean over tags of F of the claimed tags, without tags that nobody has or claims
    tag/micro_F-measure                of all pairs of track and tag as one list
    """

    def __init__(self, protocol: Mapping[str, Any], *, exclusive: bool) -> None:
        check_protocol("tag", protocol, PROTOCOL)
        self.exclusive = exclusive
        self.empty = protocol["empty"]

    def __call__(self, reference: Tags, estimate: Tags) -> dict[str, float]:
        _, label, score, claimed = self._compared(reference, estimate)
        hits, num_claimed, num_label = (int(each.sum()) for each in (label & claimed, claimed, label))
        if num_claimed + num_label:
            f_measure = 2 * hits / (num_claimed + num_label)
            precision, recall = hits / max(num_claimed, 1), hits / max(num_label, 1)
        else:
            f_measure = precision = recall = EMPTY[self.empty]
        return {
            "tag/LRAP": float(ranking(label[None], score[None])[0][0]) if num_label else 1.0,
            "tag/accuracy": float(np.array_equal(label, claimed)),
            "tag/F-measure": f_measure,
            "tag/Precision": precision,
            "tag/Recall": recall,
        }

    def marks(self, reference: Tags, estimate: Tags) -> list[Mark]:
        """Of the tags that are claimed or in the reference."""
        names, label, _, claimed = self._compared(reference, estimate)
        kinds = np.where(label & claimed, RIGHT, np.where(label, MISSED, SPURIOUS))
        return [of_track(str(kinds[row]), names[row]) for row in np.flatnonzero(label | claimed).tolist()]

    def _compared(self, reference: Tags, estimate: Tags) -> tuple[list[str], Bools, Floats, Bools]:
        """-> K tags that either side names; whether each is in the reference, its score, whether it is claimed."""
        names = sorted({*reference.present, *estimate.tags})
        if reference.partial and not self.exclusive:
            names = sorted(reference.tags)
        label = np.isin(names, self.checked(reference).present)
        given = dict(zip(estimate.tags, estimate.score, strict=True))
        score = np.array([given.get(name, 0.0) for name in names])
        return names, label, score, self.claimed(score[None])[0]

    def checked(self, reference: Tags) -> Tags:
        """The reference. InputError unless it has one tag where tags are exclusive."""
        if self.exclusive and len(reference.present) != 1:
            raise InputError(
                f"task.exclusive=true, but a track has the tags {';'.join(reference.present)!r}: give each track "
                "exactly one tag, or set task.exclusive=false."
            )
        return reference

    def claimed(self, score: Floats) -> Bools:
        """(..., K) scores -> (..., K) whether the estimate claims the tag."""
        if not self.exclusive:
            present: Bools = score >= PRESENT
            return present
        claimed = np.zeros(score.shape, dtype=bool)
        if score.shape[-1]:
            np.put_along_axis(claimed, score.argmax(axis=-1)[..., None], True, axis=-1)
        return claimed & (score > 0)

    def evidence(self, reference: Tags, estimate: Tags) -> dict[str, float]:
        """-> {"label/<tag>": 1, "score/<tag>": score}, what is not there being 0, and the number of reference tags.

        Of a partial reference label/<tag> is there for all known tags, 0 for those that are absent, and partial is 1.
        """
        labels = {f"label/{tag}": 1.0 for tag in reference.present}
        scores = {f"score/{tag}": score for tag, score in zip(estimate.tags, estimate.score, strict=True)}
        found = {"num_tags": float(len(labels)), **labels, **scores}
        if reference.partial and not self.exclusive:
            found |= {"partial": 1.0, **{f"label/{tag}": 0.0 for tag in reference.absent}}
        return found

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        keys: set[str] = set().union(*evidence)
        tags = sorted({key.partition("/")[2] for key in keys} - {""})
        label, score = _table(evidence, "label/", tags) > 0, _table(evidence, "score/", tags)
        asked = _asked(evidence, tags)
        claimed = self.claimed(score.T).T & asked
        if asked.all():
            precision, area = ranking(label, score)
        else:
            pairs = [ranking(label[row, asked[row]][None], score[row, asked[row]][None]) for row in range(len(tags))]
            precision, area = (np.concatenate([np.zeros(0), *each]) for each in zip(*pairs, strict=True))
        all_precision, all_area = ranking(label[asked][None], score[asked][None])
        ranked = ~np.isnan(area)
        return {
            "tag/macro_AP": _mean(precision[ranked]),
            "tag/macro_ROC_AUC": _mean(area[ranked]),
            "tag/num_ranked_tags": float(ranked.sum()),
            "tag/micro_AP": float(all_precision[0]),
            "tag/micro_ROC_AUC": float(all_area[0]),
            "tag/macro_F-measure": _mean(f_measures(label, claimed)),
            "tag/micro_F-measure": float(f_measures(label.reshape(1, -1), claimed.reshape(1, -1))[0]),
        }


def ranking(label: Bools, score: Floats) -> tuple[Floats, Floats]:
    """(K, n), (K, n) -> (K,) average precision and (K,) area under the ROC curve; NaN where undefined.

    Both are sums over the positives, in which items of one score stand together: precision among all with as high a
    score, and the share of negatives below (those beside it count half).
    """
    order = np.argsort(-score, axis=1, kind="stable")
    score, label = np.take_along_axis(score, order, 1), np.take_along_axis(label, order, 1)
    num_items = score.shape[1]
    place = np.arange(num_items)
    new = np.ones(score.shape, dtype=bool)  # the first of its score
    new[:, 1:] = score[:, 1:] != score[:, :-1]
    old = np.ones(score.shape, dtype=bool)  # the last of its score
    old[:, :-1] = new[:, 1:]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(old, place, num_items)[:, ::-1], axis=1)[:, ::-1]
    hits = np.pad(np.cumsum(label, axis=1), ((0, 0), (1, 0)))  # (K, n + 1): positives before each place
    hits_above, hits_until = np.take_along_axis(hits, first, 1), np.take_along_axis(hits, last + 1, 1)
    misses = 0.5 * ((first - hits_above) + (last + 1 - hits_until))
    positives = hits[:, -1]
    negatives = num_items - positives
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = (label * (hits_until / (last + 1))).sum(axis=1) / positives
        area = (label * (negatives[:, None] - misses)).sum(axis=1) / (positives * negatives)
    return precision, area


def f_measures(label: Bools, claimed: Bools) -> Floats:
    """(K, n), (K, n) -> (K,), NaN where there is nothing on either side."""
    hits = (label & claimed).sum(axis=1)
    total = label.sum(axis=1) + claimed.sum(axis=1)
    found: Floats = np.divide(2.0 * hits, total, out=np.full(len(total), np.nan), where=total > 0)
    return found


def _table(evidence: Sequence[Mapping[str, float]], prefix: str, tags: Sequence[str]) -> Floats:
    """-> (K, n)"""
    keys = [prefix + tag for tag in tags]
    values = np.array([[track.get(key, 0.0) for key in keys] for track in evidence], dtype=np.float64)
    return np.ascontiguousarray(values.reshape(len(evidence), len(keys)).T)


def _asked(evidence: Sequence[Mapping[str, float]], tags: Sequence[str]) -> Bools:
    """-> (K, n) whether it is known if the track has the tag."""
    keys = [f"label/{tag}" for tag in tags]
    asked = np.array([[not track.get("partial") or key in track for key in keys] for track in evidence], dtype=bool)
    return np.ascontiguousarray(asked.reshape(len(evidence), len(keys)).T)


def known(reference: Tags, names: Sequence[str]) -> Bools:
    """(K,) whether it is known if the track has each of the tags."""
    if not reference.partial:
        return np.ones(len(names), dtype=bool)
    return np.isin(names, reference.tags)


def _mean(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
