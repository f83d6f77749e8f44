"""The response to Prometheus: the metrics of all processes, and those read from the database."""

from collections.abc import Iterator

import psycopg
from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tuner_project.db.database import direct_cursor
from tuner_project.observability import multiprocess
from tuner_project.observability.metrics import REGISTRY, STORAGE_QUERIES
from tuner_project.observability.process_metrics import publish

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
TIMEOUT = 2  # seconds for the database


class StorageCollector(Collector):
    """Query the database at each scrape, on a separate connection with a short timeout."""

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("tuner_build_info", "The version.", labels=["version"])
        build.add_metric([settings.VERSION], 1)
        yield build
        counted = _counted()
        up = counted is not None
        yield GaugeMetricFamily("tuner_storage_up", "Whether the database answers.", value=up)
        yield from counted or ()


def scrape() -> bytes:
    """Return the metrics in Prometheus' text format."""
    publish()
    folder = multiprocess.folder()
    if folder is None:
        of_processes = REGISTRY
    else:
        of_processes = CollectorRegistry()
        MultiProcessCollector(of_processes, folder)
    of_storage = CollectorRegistry()
    of_storage.register(StorageCollector())
    return generate_latest(of_processes) + generate_latest(of_storage)


def _counted() -> list[Metric] | None:
    """Return the apps' metrics from the database, or None if it is unreachable or not migrated."""
    try:
        with direct_cursor(TIMEOUT) as cursor:
            return [metric for query in STORAGE_QUERIES for metric in query(cursor)]
    except psycopg.Error:
        return None
