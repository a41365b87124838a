"""How the metrics of all tracks together are made of what results keep of each track."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ricercar.errors import InputError
from ricercar.significance.bootstrap import Pooled
from ricercar.tasks.protocol import EMPTY, configured
from ricercar.tasks.shared.pooling import pooled_beats, pooled_chords, pooled_drums
from ricercar.tasks.shared.tag_scoring import CLAIMED, TagScoring


def pooled_of(task: str, protocol: Mapping[str, Any]) -> Pooled | None:
    """As Scoring.pooled of the task; without torch, which tables do without. None for a protocol of another version."""
    if task == "chord":
        return pooled_chords
    if task == "beat" and protocol.get("empty") in EMPTY:
        return partial(pooled_beats, empty=protocol["empty"])
    classes, empty = protocol.get("classes"), protocol.get("empty")
    if task == "drums" and isinstance(classes, dict) and empty in EMPTY:
        return partial(pooled_drums, classes=list(classes), empty=empty)
    exclusive = next((each for each, claimed in CLAIMED.items() if claimed == protocol.get("claimed")), None)
    if task == "tag" and exclusive is not None:
        try:
            return TagScoring(configured(protocol), exclusive=exclusive).pooled
        except InputError:
            return None
    return None
