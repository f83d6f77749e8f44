"""What Prometheus reads: the metrics of all processes, and what the database counts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
from django.conf import settings
from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tuner_project.db.database import direct_cursor
from tuner_project.observability import multiprocess
from tuner_project.observability.metrics import REGISTRY
from tuner_project.observability.process_metrics import publish

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
TIMEOUT = 2  # seconds for the database
Counts = tuple[Mapping[str, int], Mapping[str, int]]


class StorageCollector(Collector):
    """Asks the database when scraped: one statement, on a connection of its own, and never long."""

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("tuner_build_info", "The version.", labels=["version"])
        build.add_metric([settings.VERSION], 1)
        yield build
        counts = _counts()
        up = counts is not None
        yield GaugeMetricFamily("tuner_storage_up", "Whether the database answers.", value=up)
        if counts is None:
            return
        names = ("tuner_studies", "Studies."), ("tuner_trials", "Trials.")
        for (name, what), by_state in zip(names, counts, strict=True):
            family = GaugeMetricFamily(name, what, labels=["state"])
            for state, count in by_state.items():
                family.add_metric([state], count)
            yield family


def scrape() -> bytes:
    """The metrics in Prometheus' text format."""
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


def _counts() -> Counts | None:
    """Studies and trials by state; None: the database is away, or not migrated."""
    count: Callable[[psycopg.Cursor[Any]], Counts] = import_string(settings.STATE_COUNTS)
    try:
        with direct_cursor(TIMEOUT) as cursor:
            return count(cursor)
    except psycopg.Error:
        return None
