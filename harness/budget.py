"""How long to train: steps, epochs or minutes, whichever is spent first."""

from ricercar.errors import InputError


class Budget:
    """The share of a training budget that is spent. An epoch is as many windows as cover the training tracks once."""

    def __init__(
        self, *, max_steps: int | None, max_epochs: float | None, max_minutes: float | None, steps_per_epoch: float
    ) -> None:
        for name, value in (("max_steps", max_steps), ("max_epochs", max_epochs), ("max_minutes", max_minutes)):
            if value is not None and value <= 0:
                raise InputError(f"trainer.{name} is {value}: give a number above 0, or null for no limit.")
        steps = [float(max_steps)] if max_steps is not None else []
        if max_epochs is not None:
            steps.append(max_epochs * steps_per_epoch)
        self.max_steps = min(steps) if steps else None
        self.max_s = None if max_minutes is None else max_minutes * 60.0
        if self.max_steps is None and self.max_s is None:
            raise InputError(
                "There is no training budget: set one of trainer.max_steps, trainer.max_epochs, trainer.max_minutes."
            )

    def progress(self, step: int, elapsed_s: float) -> float:
        """-> share in [0, 1] of the budget that `step` steps in `elapsed_s` seconds have spent."""
        shares = [step / self.max_steps] if self.max_steps is not None else []
        if self.max_s is not None:
            shares.append(elapsed_s / self.max_s)
        return min(1.0, max(shares))
