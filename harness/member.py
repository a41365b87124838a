"""One seed of a training."""

from collections.abc import Callable
from dataclasses import dataclass

from ricercar.data.batches.crops import Crops
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.evaluate import Validated
from ricercar.harness.trackers.tracker import Tracker
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask


@dataclass(frozen=True)
class Member:
    """A network, what it learns from, and where its results go.

    validate      network -> scores on the validation split; it may change the decoding of `tasks`
    checkpoints   gets `best`; that of the first member also `last`, with all members in it
    """

    seed: int
    net: Net
    tasks: Multitask
    crops: Crops
    validate: Callable[[Net], Validated]
    checkpoints: Checkpoints
    tracker: Tracker
