"""Optuna's words for states and directions, as the API and the database spell them."""

from django.db import models


class Direction(models.TextChoices):
    """Whether smaller or larger values of an objective are better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


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
