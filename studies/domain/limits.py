"""The limits on the numbers of studies and trials, from settings; 0 means unlimited."""

from django.conf import settings

from studies.errors import TooManyStudies, TooManyTrials
from studies.models import Study


def check_room_for_study() -> None:
    """Check that another study may be created. Concurrent creations may exceed the limit.

    Raises:
        TooManyStudies: There are MAX_STUDIES already.
    """
    most: int = settings.MAX_STUDIES
    if most and Study.objects.order_by("id")[most - 1 : most].exists():
        raise TooManyStudies(f"there are {most} studies, the maximum: delete some")


def n_trials_left(study: Study) -> int | None:
    """Return how many more trials a study may have, or None if there is no limit."""
    most: int = settings.MAX_TRIALS_PER_STUDY
    return max(0, most - study.n_trials) if most else None


def check_room_for_trials(study: Study, n: int) -> None:
    """Raise `TooManyTrials` if a study may not have n more trials."""
    left = n_trials_left(study)
    if left is not None and n > left:
        raise too_many_trials(study)


def too_many_trials(study: Study) -> TooManyTrials:
    """Return the error for a study that has reached its limit of trials."""
    return TooManyTrials(
        f'study "{study.name}" has {study.n_trials} trials; the maximum is '
        f"{settings.MAX_TRIALS_PER_STUDY}: continue in another study"
    )
