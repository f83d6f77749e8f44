"""What nobody needs any more, and `purge` deletes unasked: each app has its own.

`settings.LEFTOVERS` names functions that delete theirs and answer what it was, in words, and how
many.
"""

from collections.abc import Iterator
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.module_loading import import_string

BATCH = 10_000  # rows of a transaction


def delete_leftovers(*, dry_run: bool = False) -> Iterator[tuple[str, int]]:
    """Delete all leftovers; gives what they were, and how many. A dry run takes it back."""
    for path in settings.LEFTOVERS:
        if not dry_run:
            yield import_string(path)()
            continue
        with transaction.atomic():
            found = import_string(path)()
            transaction.set_rollback(True)
        yield found


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """Delete the rows of a query that nothing refers to, in bounded transactions; how many."""
    deleted = 0
    while True:
        batch = rows.order_by().values("pk")[:BATCH]
        n, _ = rows.model._default_manager.filter(pk__in=batch).delete()
        deleted += n
        if n < BATCH:
            return deleted


def delete_expired_sessions() -> tuple[str, int]:
    return "expired sessions", delete_in_batches(Session.objects.filter(expire_date__lt=Now()))


def delete_old_logins() -> tuple[str, int]:
    counted = Now() - settings.AXES_COOLOFF_TIME
    old = AccessAttempt.objects.filter(attempt_time__lt=counted)
    return "failed logins", delete_in_batches(old)
