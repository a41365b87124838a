"""Whether the scores of a result are read the right way round, and are what their metrics can give."""

import json
from collections.abc import Mapping, Sequence

from ricercar.errors import InputError
from ricercar.tasks.scale import HIGHER, LOWER, Scale, of_mir_eval

_ROUNDING = 1e-4  # mir_eval's normalised mutual information comes out as -1e-5 where a side has one segment


def check_scales(scales: Mapping[str, Scale], metrics: Mapping[str, float], primary: str) -> None:
    """InputError where a metric has no scale or is the wrong way round, or nothing can be the best by `primary`."""
    if odd := sorted(set(scales) ^ set(metrics)):
        raise InputError(f"scales differs from metrics in: {', '.join(odd)}.")
    for name, scale in scales.items():
        if scale.better not in (HIGHER, LOWER, None):
            raise InputError(f"scales.{name}.better is {scale.better!r}: it must be 'higher', 'lower' or null.")
        known = of_mir_eval(name)
        if known is not None and known.better != scale.better:
            raise InputError(
                f"scales.{name}.better is {json.dumps(scale.better)}, but mir_eval's is {json.dumps(known.better)}."
            )
    if scales[primary].better is None:
        raise InputError(
            f"primary is {primary!r}, but scales.{primary}.better is null: systems are ranked by a metric of which "
            "either higher or lower is better."
        )


def check_bounds(
    scales: Mapping[str, Scale], metrics: Mapping[str, float], tracks: Sequence[tuple[str, Mapping[str, float]]]
) -> None:
    """tracks: (id, scores) of each. InputError names the metric, the track and the value that is out of bounds."""
    for name, scale in scales.items():
        if not scale.holds(metrics[name], _ROUNDING):
            raise InputError(f"metrics.{name} is {metrics[name]:g}, it must be {scale.bounds}.")
    for i, (id, scores) in enumerate(tracks):
        for name, value in scores.items():
            if not scales[name].holds(value, _ROUNDING):
                raise InputError(
                    f"tracks[{i}].metrics.{name} is {value:g} (track {id!r}), it must be {scales[name].bounds}."
                )
