"""Calls that are sent to other processes, and only there unpickled: whoever receives one has imported nothing yet."""

import pickle
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Sent(Generic[T]):
    """A call of a function.

    Where SLURM runs it, it can be preempted from the first moment on, and not only once PyTorch is imported.
    """

    def __init__(self, function: Callable[..., T], *arguments: Any) -> None:
        import cloudpickle

        self._call = cloudpickle.dumps((function, arguments))

    def __call__(self) -> T:
        function, arguments = pickle.loads(self._call)
        made: T = function(*arguments)
        return made

    def checkpoint(self) -> Any:
        """What submitit runs after a preemption: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
