"""The frame's metrics, which also imports those of the apps (`extensions.METRICS`).

Only serving processes may import it, after gunicorn has forked them: prometheus_client decides how
it stores values when it is imported. An app's metrics module imports `REGISTRY` and the like from
here, and is imported at the end of this module. docs/observability.md lists all metrics; their
names follow https://prometheus.io/docs/practices/naming/.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import psycopg
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.metrics_core import Metric

from tuner_project import extensions
from tuner_project.observability import multiprocess

disable_created_metrics()  # the creation time of each counter would double the number of series
if multiprocess.folder() is not None:
    values.ValueClass = values.MultiProcessValue(multiprocess.slot)

# The metrics of this process; a scrape reads it if there is no shared folder.
REGISTRY = CollectorRegistry()
# Called before a scrape, and every few seconds, to set the gauges of this process.
PUBLISHERS: list[Callable[[], None]] = []
# Called with a cursor at each scrape; their metrics are missing if the database is unreachable.
STORAGE_QUERIES: list[Callable[[psycopg.Cursor[Any]], Iterable[Metric]]] = []
_OF_REQUESTS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter(
    "tuner_http_requests_total",
    "Requests answered.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "tuner_http_request_duration_seconds",
    "Seconds until a request's answer began.",
    ["method", "route"],
    buckets=_OF_REQUESTS,
    registry=REGISTRY,
)
POOL_WAIT_SECONDS = Counter(
    "tuner_db_pool_wait_seconds_total",
    "Seconds that requests waited for a database connection.",
    registry=REGISTRY,
)
POOL_TIMEOUTS = Counter(
    "tuner_db_pool_timeouts_total",
    "Requests that got no database connection in time.",
    registry=REGISTRY,
)


def process_gauge(name: str, what: str) -> Gauge:
    """Return a gauge with a value per living process; its label `pid` is the process's slot."""
    return Gauge(name, what, registry=REGISTRY, multiprocess_mode="liveall")


POOL_SIZE = process_gauge("tuner_db_pool_connections", "Database connections that are open.")
POOL_AVAILABLE = process_gauge("tuner_db_pool_available", "Open connections that are not in use.")
POOL_WAITING = process_gauge("tuner_db_pool_waiting", "Requests that wait for a connection.")
POOL_LIMIT = process_gauge("tuner_db_pool_max_connections", "Connections there may be.")
START_TIME = process_gauge("tuner_process_start_time_seconds", "When the process began, Unix time.")
RESIDENT_BYTES = process_gauge("tuner_process_resident_memory_bytes", "Memory of the process.")

# At the end: these modules import this one.
for module in extensions.METRICS:
    import_module(module)
