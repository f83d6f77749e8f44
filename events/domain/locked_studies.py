"""Writes about a study that no request waits for, and that wait for no other transaction long."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction

from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from tuner_project.db.database import is_lock_timeout, limit_lock_waits

T = TypeVar("T")

LOCK_WAIT = 0.2  # seconds; a request holds the lock for milliseconds, a long deletion for seconds


def write_soon(study_name: str, write: Callable[[Study], T]) -> T | None:
    """Run a write on a locked study, in a transaction.

    Returns:
        The write's result, or None if the study was deleted, or another transaction has kept it
        locked for LOCK_WAIT: then the caller tries again later.
    """
    try:
        with transaction.atomic():
            limit_lock_waits(LOCK_WAIT)
            return write(NamedStudy(study_name).locked())
    except StudyNotFound:
        return None
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        return None
