"""The cleanup jobs that `purge` always runs, such as deleting expired sessions."""

from collections.abc import Iterator
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from tuner_project import extensions

BATCH = 10_000  # rows per transaction


def run_cleanup_jobs(*, dry_run: bool = False) -> Iterator[tuple[str, int]]:
    """Run the registered cleanup jobs one after the other.

    Args:
        dry_run: Roll each job back.

    Yields:
        For each job, a description of the deleted rows and their number.
    """
    for job in extensions.CLEANUP_JOBS:
        if not dry_run:
            yield job()
            continue
        with transaction.atomic():
            found = job()
            transaction.set_rollback(True)
        yield found


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """Delete the rows of a query in transactions of `BATCH` rows, and return how many.

    No other row may reference them.
    """
    deleted = 0
    while True:
        batch = rows.order_by().values("pk")[:BATCH]
        n, _ = rows.model._default_manager.filter(pk__in=batch).delete()
        deleted += n
        if n < BATCH:
            return deleted


def delete_expired_sessions() -> tuple[str, int]:
    """Delete the expired login sessions."""
    return "expired sessions", delete_in_batches(Session.objects.filter(expire_date__lt=Now()))


def delete_old_logins() -> tuple[str, int]:
    """Delete the failed logins that are too old to count towards a lockout."""
    counted = Now() - settings.AXES_COOLOFF_TIME
    old = AccessAttempt.objects.filter(attempt_time__lt=counted)
    return "failed logins", delete_in_batches(old)
