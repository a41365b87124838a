"""The tags of a clip: any number of them, or one of several classes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ricercar.checks import check_between, check_choice, check_flag
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.tags import Tags
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.tasks.marks import Mark
from ricercar.tasks.scale import COUNT, SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import checked_decoding, checked_tuning
from ricercar.tasks.shared.search import nearest_first
from ricercar.tasks.shared.tag_scoring import CLAIMED, TagScoring, f_measures, known
from ricercar.tasks.tag.baselines import prior, random
from ricercar.tasks.task import Task

_DECODING = {"threshold": (0.001, 0.999)}


class Tag(Task):
    """One sigmoid per tag, or where tags are exclusive (genre, instrument) a softmax over them. Scores: tag_scoring.

    tags             those to learn; null: those of the training split. Others are not learned, and count as missed
    exclusive        each track has exactly one
    label_smoothing  exclusive: share of the target spread evenly over the tags
    balance          of rare tags: the loss of a positive is weighted by (negatives / positives) ** balance, of an
                     exclusive tag by (mean number of tracks per tag / number of its tracks) ** balance
    thresholds       common: one threshold for all tags, chosen on the validation split by the mean F over tags
                     per_tag: one for each, by its own F
    decoding         {threshold}: where that choice starts from
    tuning           {threshold: values that it tries}

    An estimate gives each tag a score of 0.5 or more where the network's probability reaches the threshold: the
    threshold's logit is subtracted from the tag's. That keeps the order of the tracks by any one tag, and so macro AP
    and macro ROC-AUC; thresholds per tag change the order of one track's tags, and so LRAP and the micro metrics.
    """

    annotation = Tags
    scales: ClassVar[Mapping[Scale, str]] = {
        SHARE: "tag/LRAP tag/accuracy tag/*F-measure tag/Precision tag/Recall tag/m*cro_AP tag/m*cro_ROC_AUC",
        COUNT: "tag/num_ranked_tags",
    }
    baselines: ClassVar[Mapping[str, Baseline]] = {"prior": prior, "random": random}

    def __init__(
        self,
        *,
        tags: Sequence[str] | None,
        exclusive: bool,
        label_smoothing: float,
        balance: float,
        prior: float,
        thresholds: str,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_flag(**{"task.exclusive": exclusive})
        check_between(0, 0.999, **{"task.label_smoothing": label_smoothing})
        check_between(0, 1, **{"task.balance": balance})
        check_between(1e-6, 1 - 1e-6, **{"task.prior": prior})
        check_choice(("common", "per_tag"), **{"task.thresholds": thresholds})
        if label_smoothing and not exclusive:
            raise InputError(f"task.label_smoothing={label_smoothing} is for task.exclusive=true: set it to 0.")
        self.scoring = TagScoring(protocol, exclusive=exclusive)
        self.protocol = {**protocol, "claimed": CLAIMED[exclusive]}
        self.primary = "tag/accuracy" if exclusive else "tag/macro_AP"
        self.shown = ("tag/macro_F-measure", "tag/LRAP") if exclusive else ("tag/macro_ROC_AUC", "tag/macro_F-measure")
        self.exclusive = exclusive
        self.label_smoothing = label_smoothing
        self.balance = balance
        self.prior = prior
        self.thresholds = thresholds
        self.start = checked_decoding(decoding, _DECODING)["threshold"]
        self.tuning = checked_tuning(tuning, _DECODING)
        self.outputs = {}
        self.decoding = {}
        self._listed = None if tags is None else Tags(tuple(tags)).tags
        self._weight: NDArray[np.float64] | None = None
        if self._listed is not None:
            if not self._listed:
                raise InputError("task.tags=[] names no tags: list some, or null for those of the training split.")
            self.restore(self._listed)

    def reference(self, annotations: Mapping[str, Annotation]) -> Tags | None:
        """The tags that the track has, and of a partial annotation those that it is known not to have."""
        tags = annotations.get(Tags.name)
        assert tags is None or isinstance(tags, Tags)
        if tags is None or not tags.partial or self.exclusive:  # one tag, and so none of the others
            return None if tags is None else Tags(tags.present)
        return Tags(
            tags.present + tags.absent,
            (1.0,) * len(tags.present) + (0.0,) * len(tags.absent),
            partial=True,
        )

    def fit(self, annotations: Sequence[Annotation]) -> None:
        """Takes the tags, where none are listed, and how frequent they are."""
        found = [self.scoring.checked(_tags(each)).present for each in annotations]
        names = {tag for tags in found for tag in tags}
        if not names:
            raise InputError("No track of the training split has a tag: give column tags of index.csv a;b;c.")
        self.restore(self._listed or sorted(names))
        if self.exclusive and (unknown := names - set(self.vocabulary)):
            raise InputError(
                f"task.tags lacks {', '.join(sorted(unknown)[:10])}, which training tracks have: list them, or set "
                "task.tags=null."
            )
        if self.balance:
            count = np.array([sum(tag in tags for tags in found) for tag in self.vocabulary], dtype=np.float64)
            if self.exclusive:
                ratio = max(len(found), 1) / len(count) / count.clip(min=1)
            else:
                asked = sum(known(_tags(each), self.vocabulary).astype(np.float64) for each in annotations)
                ratio = (asked - count).clip(min=0.5) / count.clip(min=0.5)
            self._weight = ratio**self.balance

    def restore(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self.outputs = {"tag": Output(size=len(vocabulary), prior=self.prior, clip_level=True)}
        self.decoding = self._untuned()

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """NaN for tags of which it is not known whether the track has them."""
        tags = _tags(annotation)
        target = np.isin(self.vocabulary, tags.present).astype(np.float32)
        target[~known(tags, self.vocabulary)] = np.nan
        return {"tag": target}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Cross entropy, mean over items (and tags that are known); `valid` does not matter to a clip's tags."""
        output, target = logits["tag"].float(), targets["tag"].float()
        assert not self.balance or self._weight is not None, "fit() comes first"
        weight = None if self._weight is None else output.new_tensor(self._weight)
        if self.exclusive:
            return {"tag": cross_entropy(output, target, weight=weight, label_smoothing=self.label_smoothing)}
        asked = ~target.isnan()
        each = binary_cross_entropy_with_logits(output, target.nan_to_num(0.0), pos_weight=weight, reduction="none")
        return {"tag": (each * asked).sum() / asked.sum().clamp(min=1)}

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Tags:
        values = logits["tag"].astype(np.float64)
        score = softmax(values) if self.exclusive else expit(values - self._least_logits())
        return Tags(self.vocabulary, tuple(score.tolist()))

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Of equally good thresholds the nearest to the configured one."""
        self.decoding = self._untuned()
        if self.exclusive or not examples:
            return
        label = np.array([np.isin(self.vocabulary, _tags(reference).present) for reference, _ in examples]).T
        asked = np.array([known(_tags(reference), self.vocabulary) for reference, _ in examples]).T
        values = np.array([logits["tag"] for _, logits in examples], dtype=np.float64).T
        candidates = nearest_first(self.start, self.tuning["threshold"])
        scores = np.array(
            [f_measures(label, asked & (values >= logit(each))) for each in candidates]
        )  # (candidates, tags)
        if self.thresholds == "common":
            scores = scores[:, ~np.isnan(scores).all(axis=0)]
            best = np.nan_to_num(scores).sum(axis=1, keepdims=True).argmax(axis=0)
        else:
            best = np.nan_to_num(scores).argmax(axis=0)
        self.decoding = {name: candidates[each] for name, each in zip(self._names(), best, strict=True)}

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        return self.scoring(_tags(reference), _tags(estimate))

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        return self.scoring.marks(_tags(reference), _tags(estimate))

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        return self.scoring.evidence(_tags(reference), _tags(estimate))

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return self.scoring.pooled(evidence)

    def _untuned(self) -> dict[str, float]:
        if self.exclusive:
            return {}
        return dict.fromkeys(self._names(), self.start)

    def _names(self) -> list[str]:
        return ["threshold"] if self.thresholds == "common" else [f"threshold/{tag}" for tag in self.vocabulary]

    def _least_logits(self) -> NDArray[np.float64]:
        """(1,) or (K,) logits that reach the threshold."""
        least: NDArray[np.float64] = logit([self.decoding[name] for name in self._names()])
        return least


def _tags(annotation: Annotation) -> Tags:
    assert isinstance(annotation, Tags)
    return annotation
