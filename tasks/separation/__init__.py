"""Separation of a mixture into its sources, scored by mir_eval.separation (BSS Eval 3)."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mir_eval
import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.checks import check_positive
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.sources import Sources
from ricercar.errors import InputError
from ricercar.tasks.protocol import check_protocol
from ricercar.tasks.scoring import Baseline, Clip, Estimator, Scoring

Floats = NDArray[np.float64]

_MEASURES = {"sources": ("SDR", "SIR", "SAR"), "images": ("SDR", "ISR", "SIR", "SAR")}
_PROTOCOL = {
    "measure": tuple(_MEASURES),
    "permutation": ("names", "best"),
    "silent_source": ("error", "exclude"),
    "length_tolerance_s": None,
    "limit_db": None,
}
_MUSDB = ("bass", "drums", "other", "vocals")


def mixture(references: Sequence[Annotation]) -> Estimator:
    """Every source is the mixture. A system is told the names of the sources, their sample rate and channels
    (`given`); where it is not, they are those of the training references, and MUSDB's where there are none."""

    def estimate(clip: Clip) -> Annotation:
        given = clip.given or next(iter(references), None)
        if given is None:
            return Sources.make(dict.fromkeys(_MUSDB, clip.audio), clip.sample_rate)
        assert isinstance(given, Sources)
        audio = clip.audio.astype(np.float64)
        if given.sample_rate != clip.sample_rate:
            audio = soxr.resample(audio, clip.sample_rate, given.sample_rate)
        samples = np.repeat(audio[:, None], given.num_channels, axis=1)
        return Sources.make(dict.fromkeys(given.names, samples), given.sample_rate)

    return estimate


class Separation(Scoring):
    """Predictions are scored; no network learns it here. All scores are in decibels, higher is better.

    separation/SDR, SIR, SAR     ratios of signal to distortion, interference and artefacts: mean of the track's sources
    separation/ISR               protocol.measure=images: image to spatial distortion
    separation/SDR_vocals ...    the scores of each source that `scored_names` lists, NaN in a track that has it not

    Sources are compared by name, or, with permutation=best, in the order of the highest mean SIR, as mir_eval does by
    default. The measure `sources` (bss_eval_sources) takes the mean of the channels and allows for a filter of
    512 samples; `images` (bss_eval_images) takes all channels, and the estimate must have the reference's.
    mir_eval has no score for silence: a silent estimate is an error, a silent reference is an error or, with
    silent_source=exclude, left out with its estimate (it adds nothing to the interference of the others).
    SIR of a track with one source is undefined: NaN. Perfect estimates are infinitely good: scores end at limit_db.
    """

    annotation = Sources
    primary = "separation/SDR"
    shown = ("separation/SIR", "separation/SAR")
    baselines: ClassVar[Mapping[str, Baseline]] = {"mixture": mixture}

    def __init__(self, *, scored_names: Sequence[str], protocol: Mapping[str, Any]) -> None:
        if not hasattr(mir_eval, "separation"):
            raise InputError("this mir_eval has no module separation any more: install mir_eval 0.8.2.")
        if len(set(scored_names)) < len(scored_names):
            raise InputError(f"task.scored_names={list(scored_names)} has a name twice.")
        check_protocol("separation", protocol, _PROTOCOL)
        check_positive(**{"task.protocol.limit_db": protocol["limit_db"]})
        self.scored_names = tuple(scored_names)
        self.protocol = dict(protocol)

    def given(self, reference: Annotation) -> Annotation:
        """What a system is told: the names of the sources, their sample rate and channels; of their sound nothing."""
        assert isinstance(reference, Sources)
        silence = np.zeros((1, reference.num_channels))
        return Sources.make(dict.fromkeys(reference.names, silence), reference.sample_rate)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """InputError names the file that does not fit the reference, or is silent."""
        assert isinstance(reference, Sources)
        assert isinstance(estimate, Sources)
        self._check(reference, estimate)
        a = {name: self._samples(reference, name, reference.num_samples) for name in reference.names}
        a = {name: samples for name, samples in a.items() if self._sounds(samples, reference, name)}
        b = {name: self._samples(estimate, name, reference.num_samples) for name in a}
        for name, samples in b.items():
            if _is_silent(samples):
                raise InputError(f"{estimate.where(name)}: the estimate is silent, for which mir_eval has no score.")
        measures = _MEASURES[self.protocol["measure"]]
        nothing = (np.zeros(0),) * len(measures)
        values = self._measured(np.stack(list(a.values())), np.stack(list(b.values()))) if a else nothing
        limit_db = self.protocol["limit_db"]
        scores = {}
        for measure, each in zip(measures, values, strict=True):
            clipped = np.clip(each, -limit_db, limit_db)
            if measure == "SIR" and len(a) == 1:
                clipped = np.full(1, np.nan)
            own = dict(zip(a, clipped.tolist(), strict=True))
            scores[f"separation/{measure}"] = float(clipped.mean()) if a else np.nan
            scores |= {f"separation/{measure}_{name}": own.get(name, np.nan) for name in self.scored_names}
        return scores

    def _check(self, reference: Sources, estimate: Sources) -> None:
        missing = sorted(set(reference.names) - set(estimate.names))
        extra = sorted(set(estimate.names) - set(reference.names))
        if missing or extra:
            problem = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(extra)}"] * bool(extra)
            raise InputError(
                f"the estimate {' and '.join(problem)}: it needs one file for each source of the reference, "
                f"{', '.join(reference.names)}, and no other."
            )
        name = reference.names[0]
        for what, of in (("sample_rate", "Hz"), ("num_channels", "channels")):
            expected, found = getattr(reference, what), getattr(estimate, what)
            if expected != found and (what == "sample_rate" or self.protocol["measure"] == "images"):
                raise InputError(
                    f"{estimate.where(name)}: {found} {of}, but {reference.where(name)} has {expected} {of}."
                )
        off = abs(reference.num_samples - estimate.num_samples)
        if off > self.protocol["length_tolerance_s"] * reference.sample_rate:
            raise InputError(
                f"{estimate.where(name)}: {estimate.num_samples} samples, but {reference.where(name)} has "
                f"{reference.num_samples}: that is more than task.protocol.length_tolerance_s="
                f"{self.protocol['length_tolerance_s']} apart."
            )

    def _samples(self, sources: Sources, name: str, num_samples: int) -> Floats:
        """(N,) the mean of the channels, or (N, channels) for images; cut, or padded with silence, to num_samples."""
        samples = sources.samples(name)[:num_samples]
        samples = np.pad(samples, ((0, num_samples - len(samples)), (0, 0)))
        return samples if self.protocol["measure"] == "images" else samples.mean(axis=1)

    def _sounds(self, samples: Floats, reference: Sources, name: str) -> bool:
        if _is_silent(samples) and self.protocol["silent_source"] == "error":
            raise InputError(
                f"{reference.where(name)}: this source is silent, for which mir_eval has no score. "
                "task.protocol.silent_source=exclude leaves it out."
            )
        return not _is_silent(samples)

    def _measured(self, reference: Floats, estimate: Floats) -> tuple[Floats, ...]:
        """The ratios of each source, by mir_eval."""
        measure = getattr(mir_eval.separation, f"bss_eval_{self.protocol['measure']}")
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=r"mir_eval\.separation", category=FutureWarning)  # deprecated
                *values, _ = measure(reference, estimate, compute_permutation=self.protocol["permutation"] == "best")
        except (np.linalg.LinAlgError, AttributeError) as error:
            # mir_eval 0.8.2 names the first by a path that numpy has no more, which gives the second.
            raise InputError("the sources of the reference are filtered copies of one another: no score.") from error
        return tuple(values)


def _is_silent(samples: Floats) -> bool:
    """As mir_eval sees it: the sum of the channels is 0 throughout."""
    return not np.any(samples if samples.ndim == 1 else samples.sum(axis=1))
