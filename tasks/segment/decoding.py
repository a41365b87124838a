"""From a network's outputs to segments."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.special import expit, softmax

from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments
from ricercar.tasks.segment.novelty import novelty, peaks

Floats = NDArray[np.float64]

DECODERS = ("network", "novelty", "both")


class SegmentDecoder:
    """The segments of one track, for any decoding constants: a border at each peak of a curve.

    decoder   network: the curve is the output `boundary`. novelty: that of the labels' posteriors. both: the root of
              the product of the two

    decoding
    threshold        lowest peak
    window_s         a peak is the highest within this on both sides
    kernel_s         half the width of the kernel of the novelty
    label_distance   segments whose mean posteriors are nearer than this (cosine distance, average linkage) have one
                     label: that of their common mean, with a number behind it where another group has it already
    """

    def __init__(
        self, logits: Mapping[str, NDArray[np.float32]], *, fps: float, vocabulary: Sequence[str], decoder: str
    ) -> None:
        assert decoder in DECODERS
        self.fps = fps
        self.vocabulary = vocabulary
        self.decoder = decoder
        self.boundary: Floats = expit(logits["boundary"][:, 0].astype(np.float64))
        self.labels: Floats = softmax(logits["label"].astype(np.float64), axis=1)
        self._novelty: dict[int, Floats] = {}

    def curve(self, kernel_s: float) -> Floats:
        if self.decoder == "network":
            return self.boundary
        half_width = max(round(kernel_s * self.fps), 1)
        if half_width not in self._novelty:
            self._novelty[half_width] = novelty(self.labels, half_width)
        new = self._novelty[half_width]
        product: Floats = np.sqrt(self.boundary * new)
        return new if self.decoder == "novelty" else product

    def borders(self, decoding: Mapping[str, float]) -> Floats:
        """-> (n + 1,) in frames, the start and the end of the track among them."""
        distance = max(round(decoding["window_s"] * self.fps), 1)
        inner = peaks(self.curve(decoding["kernel_s"]), decoding["threshold"], distance)
        return np.concatenate([[0.0], inner, [len(self.boundary)]])

    def __call__(self, decoding: Mapping[str, float]) -> Hierarchy:
        borders = self.borders(decoding)
        first = np.ceil(borders[:-1]).astype(np.int64)
        lengths = np.diff(np.append(first, len(self.labels)))
        means = np.add.reduceat(self.labels, first, axis=0) / lengths[:, None]
        groups = alike(means, decoding["label_distance"])
        common = [(means * lengths[:, None])[groups == group].sum(axis=0) for group in range(groups.max() + 1)]
        names = distinct([self.vocabulary[int(each.argmax())] for each in common])
        return segmentation(borders / self.fps, [names[group] for group in groups])


def alike(features: Floats, distance: float) -> NDArray[np.int64]:
    """(n, D) -> (n,) groups from 0 on, in the order of their first members, by cosine distance and average linkage."""
    if len(features) == 1:
        return np.zeros(1, dtype=np.int64)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, length, out=np.zeros_like(features), where=length > 0)
    apart = np.clip(1.0 - unit @ unit.T, 0.0, 1.0)
    np.fill_diagonal(apart, 0.0)
    groups = fcluster(linkage(squareform(apart, checks=False), "average"), distance, "distance")
    order = {group: number for number, group in enumerate(dict.fromkeys(groups.tolist()))}
    return np.array([order[group] for group in groups.tolist()])


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that were there before."""
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            number += 1
            candidate = f"{name} {number}"
        found.append(candidate)
    return found


def segmentation(borders_s: Floats, labels: Sequence[str]) -> Hierarchy:
    """(n + 1,) borders and n labels -> a hierarchy of one level."""
    borders_s = np.round(borders_s, 6)
    return Hierarchy.flat(Segments(borders_s[:-1], borders_s[1:], tuple(labels)))
