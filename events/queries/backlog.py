"""How the deliveries of all webhooks fare, at a bounded cost."""

from dataclasses import dataclass
from typing import Any

import psycopg

OF_WEBHOOK = 1000  # deliveries that are read of each webhook, those due first
OF_ALL = 20_000  # deliveries that are read

_BACKLOG = """
WITH pending AS (
    SELECT d.created_at
      FROM events_webhook AS w CROSS JOIN LATERAL (
           SELECT created_at FROM events_delivery
            WHERE webhook_id = w.id AND state = 'PENDING'
            ORDER BY next_attempt_at, id LIMIT %(of_webhook)s) AS d
     WHERE w.enabled
     LIMIT %(of_all)s
)
SELECT (SELECT count(*) FROM pending),
       (SELECT greatest(0, extract(epoch FROM statement_timestamp() - min(created_at)))::float8
          FROM pending),
       count(*) FILTER (WHERE enabled AND n_failures = 0),
       count(*) FILTER (WHERE enabled AND n_failures > 0),
       count(*) FILTER (WHERE NOT enabled)
  FROM events_webhook
"""


@dataclass(frozen=True)
class Backlog:
    """The deliveries that are still to be made to enabled webhooks, and the webhooks by state."""

    n_pending: int
    seconds: float  # since the oldest of them was written; 0 if there are none
    n_webhooks: dict[str, int]


def read_backlog(cursor: psycopg.Cursor[Any]) -> Backlog:
    """Read the backlog; beyond OF_WEBHOOK and OF_ALL, deliveries are not counted."""
    cursor.execute(_BACKLOG, {"of_webhook": OF_WEBHOOK, "of_all": OF_ALL})
    [(n_pending, seconds, *counts)] = cursor.fetchall()
    states = dict(zip(("enabled", "failing", "disabled"), counts, strict=True))
    return Backlog(n_pending, seconds or 0.0, states)
