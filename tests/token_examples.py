"""Codecs of conf/codec with changed options, for tests."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from configs import option
from ricercar.tasks.shared.tokens.codec import Codec

# As many kinds as there are: name of a yaml, and what is changed in it.
OWN = {"guitar": [24, 25, 26], "piano": [0, 1], "violin": [40]}
CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "mt3": ("mt3", {}),
    "mt3_families": ("mt3", {"programs": "families", "velocity_bins": 127}),
    "mt3_flat": ("mt3", {"programs": "flat", "pedal": "ignore"}),
    "ismir2021": ("ismir2021", {}),
    "compact": ("compact", {}),
    "compact_no_ties": ("compact", {"ties": False, "velocity_bins": 32}),
    "compact_all": ("compact", {"velocity_bins": 127, "programs": OWN, "drums": [38, 36], "steps_per_s": 100}),
    "duration": ("compact", {"ends": "duration"}),
    "duration_no_ties": ("compact", {"ends": "duration", "ties": False, "programs": "families"}),
    "duration_all": ("compact", {"ends": "duration", "velocity_bins": 127, "programs": OWN, "drums": [38, 36]}),
}


def make(name: str, segment_s: float | None = None, **changes: Any) -> Any:
    """The codec of conf/codec/<name>.yaml, for segments as they were published, or of 2.56 s."""
    cfg = option("codec", name)
    if segment_s is None:
        segment_s = {"mt3": 2.048, "ismir2021": 4.096}.get(name, 2.56)
    for key, value in changes.items():
        OmegaConf.update(cfg, key, value, merge=False)
    codec = instantiate(cfg, _convert_="all")(segment_s=segment_s)
    assert isinstance(codec, Codec)
    return codec


def example(name: str) -> Any:
    """One of CODECS."""
    return make(CODECS[name][0], **CODECS[name][1])
