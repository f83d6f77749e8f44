"""Optuna's trial states and directions, as the API and the database spell them."""

from django.db import models


class Direction(models.TextChoices):
    """Whether smaller or larger values of an objective are better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    @property
    def sign(self) -> float:
        """The factor that turns a value into one to minimize."""
        return 1.0 if self == Direction.MINIMIZE else -1.0


class TrialState(models.TextChoices):
    """Optuna's states of a trial."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def is_finished(self) -> bool:
        return self not in (TrialState.WAITING, TrialState.RUNNING)
