"""Claiming due deliveries, so that several processes share them.

A claim lasts for CLAIM seconds, in which no other process sends the delivery. If the process dies,
another one sends it after that: a receiver may get a message twice, with the same `webhook-id`.
"""

from collections.abc import Collection
from typing import Any

from django.db import connection

from events.models import Delivery

CLAIM = 120  # seconds; longer than an attempt, with the look-up of the name
OF_WEBHOOK = 4  # deliveries to one webhook at a time, by one process
FAILING_LATER = 60  # seconds

# Of a webhook that fails, a process tries one delivery at a time. It comes after what has become
# due in a minute since, so that many receivers that do not answer take no thread from the others.
_CLAIM = """
WITH due AS (
    SELECT d.id
      FROM events_webhook AS w CROSS JOIN LATERAL (
           SELECT id, next_attempt_at FROM events_delivery
            WHERE webhook_id = w.id AND state = 'PENDING'
              AND next_attempt_at <= statement_timestamp()
            ORDER BY next_attempt_at, id
            LIMIT CASE WHEN w.n_failures > 0 THEN 1 ELSE %(of_webhook)s END
              FOR UPDATE SKIP LOCKED) AS d
     WHERE w.enabled AND coalesce(w.retry_at <= statement_timestamp(), true)
       AND w.id <> ALL(%(busy)s::bigint[])
     ORDER BY d.next_attempt_at
              + make_interval(secs => CASE WHEN w.n_failures > 0 THEN %(later)s ELSE 0 END), d.id
     LIMIT %(n)s
)
UPDATE events_delivery AS d
   SET attempts = attempts + 1,
       first_attempt_at = coalesce(first_attempt_at, statement_timestamp()),
       next_attempt_at = statement_timestamp() + make_interval(secs => %(claim)s)
  FROM due WHERE d.id = due.id
RETURNING d.id
"""


def claim_due(n: int, *, busy: Collection[int]) -> list[Delivery]:
    """Claim at most n due deliveries, with webhook, event and study.

    The oldest come first, those of webhooks that fail a minute later.

    `busy` are the ids of webhooks that this process is sending to.
    """
    arguments: dict[str, Any] = {
        "n": n,
        "busy": list(busy),
        "of_webhook": OF_WEBHOOK,
        "claim": CLAIM,
        "later": FAILING_LATER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, arguments)
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
    if not ids:
        return []
    claimed = Delivery.objects.with_names().filter(id__in=ids)
    return list(claimed.select_related("webhook").order_by("id"))
