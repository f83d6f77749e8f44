"""Enums of a study's fields."""

from django.db import models


class StudyState(models.TextChoices):
    """The state of a study; only ACTIVE studies hand out trials."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"

    @property
    def is_open(self) -> bool:
        return self in (StudyState.ACTIVE, StudyState.PAUSED)


class Duplicates(models.TextChoices):
    """Whether the same point may be suggested twice."""

    ALLOW = "allow"
    AVOID = "avoid"


class WarmStartMode(models.TextChoices):
    """What becomes of the trials of earlier studies with which a study begins."""

    QUEUE = "queue"  # they are evaluated again
    RECORD = "record"  # their results count
