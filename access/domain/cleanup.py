"""The cleanup of this app's tables, which `purge` runs."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Greatest, Now

from access.actors import Actor
from access.domain.tokens import delete_tokens
from access.models import Token
from access.models.audit_entry import AuditEntry
from tuner_project.cleanup import BATCH

# Rows that a request has locked are skipped, so this never waits for a lock.
_DELETE_RATES = """
DELETE FROM access_ratelimit WHERE key IN (
    SELECT key FROM access_ratelimit WHERE arrives_at < statement_timestamp()
     LIMIT %s FOR UPDATE SKIP LOCKED)
"""


def delete_dead_tokens() -> tuple[str, int]:
    """Delete tokens that have been expired or revoked for KEEP_DEAD_TOKENS_DAYS.

    The actor is the running command. The time of a revocation is not stored, so a revoked token
    counts from its last use or its creation.
    """
    long_ago = Now() - timedelta(days=settings.KEEP_DEAD_TOKENS_DAYS)
    tokens = Token.objects.annotate(seen=Greatest("created", "last_used_at"))
    dead = tokens.filter(Q(expiry_date__lt=long_ago) | Q(revoked=True, seen__lt=long_ago))
    actor, deleted = Actor.command(), 0
    while n := delete_tokens(actor=actor, tokens=dead.order_by("pk")[:BATCH]):
        deleted += n
    return "dead tokens", deleted


def delete_past_rates() -> tuple[str, int]:
    """Delete the rate limit rows of idle clients; without a row, a client has the same limit."""
    deleted = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_DELETE_RATES, [BATCH])
            deleted += cursor.rowcount
            if cursor.rowcount < BATCH:
                return "rates of requests", deleted


def delete_old_entries() -> tuple[str, int]:
    """Delete the audit entries that are older than KEEP_AUDIT_DAYS; by default, none."""
    deleted = 0
    if settings.KEEP_AUDIT_DAYS:
        before = Now() - timedelta(days=settings.KEEP_AUDIT_DAYS)
        while n := AuditEntry.objects.delete_oldest(before=before, n=BATCH):
            deleted += n
    return "old entries of the audit", deleted
