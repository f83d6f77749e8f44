"""The metrics of webhooks and their deliveries; imported by serving processes only."""

from collections.abc import Iterator
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily

from events.queries.backlog import read_backlog
from tuner_project.observability.metrics import STORAGE_QUERIES


def _of_deliveries(cursor: psycopg.Cursor[Any]) -> Iterator[GaugeMetricFamily]:
    backlog = read_backlog(cursor)
    yield GaugeMetricFamily(
        "tuner_webhook_deliveries_pending",
        "Messages still to be delivered, at most 1,000 a webhook.",
        value=backlog.n_pending,
    )
    yield GaugeMetricFamily(
        "tuner_webhook_oldest_pending_seconds",
        "Seconds since the oldest of these messages was written.",
        value=backlog.seconds,
    )
    family = GaugeMetricFamily("tuner_webhooks", "Webhooks.", labels=["state"])
    for state, count in backlog.n_webhooks.items():
        family.add_metric([state], count)
    yield family


STORAGE_QUERIES.append(_of_deliveries)
