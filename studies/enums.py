"""What a study's fields may say."""

from django.db import models


class StudyState(models.TextChoices):
    """Whether a study hands out trials."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"

    @property
    def is_open(self) -> bool:
        return self in (StudyState.ACTIVE, StudyState.PAUSED)


class Duplicates(models.TextChoices):
    """Whether a point that was tried may be suggested again."""

    ALLOW = "allow"
    AVOID = "avoid"
