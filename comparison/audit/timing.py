"""How late labels are by one system: a line through the differences of matched events, with intervals."""

from dataclasses import dataclass

import numpy as np

from ricercar.comparison.audit.events import Events, Floats, alike, paired

_STEP_S = 0.01  # of the lines that are tried
_WIDTH_S = 0.03  # how far from a line a pair still speaks for it
_NEAR_S = 0.05  # of a line: what is paired to measure it
_LEAST_EVENTS = 10  # matched
_LEAST_SHARE = 0.25  # of the smaller side that is matched: of less, the system does not hear this track
_PER_BLOCK = 5  # events at least
_MOST_BLOCKS, _LEAST_BLOCKS = 40, 4
_NUM_DRAWS = 1000


@dataclass(frozen=True)
class Span:
    """A value with its 95 % interval, in seconds; NaN ends where there are too few events for one."""

    value: float
    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Timing:
    """Labels minus what a system finds: above 0 labels are late.

    late      the median over the track
    drift     how much later labels are at the last event than at the first one, along a straight line
    first_s, last_s   how late they are at both by that line; the line runs through `start_s` and `end_s`
    num_matched       events that this is measured by
    """

    late: Span
    drift: Span
    first_s: float
    last_s: float
    start_s: float
    end_s: float
    num_matched: int

    def at(self, time_s: Floats) -> Floats:
        """(n,) times of labels -> how late they are by the line."""
        share = (time_s - self.start_s) / max(self.end_s - self.start_s, 1e-9)
        late: Floats = self.first_s + (self.last_s - self.first_s) * share
        return late


def timing(reference: Events, estimate: Events, reach_s: float, rng: np.random.Generator) -> Timing | None:
    """None where the system finds too little of the labels, or of what it finds too little is in them.

    reach_s: how far off labels are at most.
    """
    if min(len(reference), len(estimate)) < _LEAST_EVENTS:
        return None
    start_s, end_s = float(reference.time_s[0]), float(reference.time_s[-1])
    span_s = max(end_s - start_s, 1e-9)
    first_s, last_s = _rough_line(reference, estimate, reach_s)
    for again in (True, False):  # paired along the rough line, then along the one that the pairs give
        share = (reference.time_s - start_s) / span_s
        i, j = paired(reference.earlier(first_s + (last_s - first_s) * share), estimate, _NEAR_S)
        if len(i) < max(_LEAST_EVENTS, _LEAST_SHARE * min(len(reference), len(estimate))):
            return None
        share, late_s = (reference.time_s[i] - start_s) / span_s, reference.time_s[i] - estimate.time_s[j]
        late, drift, first_s, last_s = _line(share, late_s, 1 if again else _NUM_DRAWS, rng)
    return Timing(late, drift, first_s, last_s, start_s, end_s, len(i))


def _rough_line(reference: Events, estimate: Events, reach_s: float) -> tuple[float, float]:
    """How late labels are at their first and last event: of all lines within reach the one that most pairs speak for,
    of equals the one nearest to none and straightest. A pair that is not of one event speaks for any line.
    """
    i, j = alike(reference, estimate, reach_s + _WIDTH_S)
    late_s = reference.time_s[i] - estimate.time_s[j]
    share = (reference.time_s[i] - reference.time_s[0]) / max(reference.time_s[-1] - reference.time_s[0], 1e-9)
    num_steps = int(reach_s / _STEP_S + 1e-9)
    ends = _STEP_S * np.arange(-num_steps, num_steps + 1)
    best, found = -np.inf, (0.0, 0.0)
    for first_s in ends.tolist():
        rest = late_s - first_s * (1 - share)
        votes = np.maximum(0.0, 1 - np.abs(rest[:, None] - share[:, None] * ends) / _WIDTH_S).sum(axis=0)
        votes -= 0.01 * (np.abs(ends - first_s) + np.abs(ends + first_s))
        k = int(votes.argmax())
        if votes[k] > best:
            best, found = float(votes[k]), (first_s, float(ends[k]))
    return found


def _line(share: Floats, late_s: Floats, num_draws: int, rng: np.random.Generator) -> tuple[Span, Span, float, float]:
    """-> late, drift, and the line at both ends. Theil and Sen's line through the medians of blocks, which are drawn
    anew for the intervals: what follows each other errs together.
    """
    order = np.argsort(share, kind="stable")
    num_blocks = int(np.clip(len(share) // _PER_BLOCK, 1, _MOST_BLOCKS))
    blocks = np.array_split(order, num_blocks)
    x = np.array([np.median(share[each]) for each in blocks])
    y = np.array([np.median(late_s[each]) for each in blocks])
    slope = float(_slopes(x[None], y[None])[0])
    middle = float(np.median(y - slope * x))
    late = float(np.median(late_s))
    nothing = Span(late, np.nan, np.nan), Span(slope, np.nan, np.nan)
    if num_blocks < _LEAST_BLOCKS:
        return *nothing, late, late  # a line through so few is no line
    drawn = rng.integers(num_blocks, size=(num_draws, num_blocks))
    lates, slopes = np.median(y[drawn], axis=1), _slopes(x[drawn], y[drawn])
    spans = [Span(value, *(float(end) for end in np.quantile(draws, [0.025, 0.975])))
             for value, draws in ((late, lates), (slope, slopes))]  # fmt: skip
    return spans[0], spans[1], middle, middle + slope


def _slopes(x: Floats, y: Floats) -> Floats:
    """(n, B), (n, B) -> (n,) the median of the slopes of all pairs; those of one block with itself are none."""
    one, two = np.triu_indices(x.shape[1], 1)
    run, rise = x[:, two] - x[:, one], y[:, two] - y[:, one]
    known = run != 0
    slopes = np.sort(np.divide(rise, run, out=np.full_like(run, np.inf), where=known), axis=1)
    number = np.maximum(known.sum(axis=1), 1)
    rows = np.arange(len(x))
    middle: Floats = (slopes[rows, (number - 1) // 2] + slopes[rows, number // 2]) / 2
    return np.where(known.any(axis=1), middle, 0.0)
