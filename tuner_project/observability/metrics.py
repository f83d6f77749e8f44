"""The metrics. To be imported by serving processes only, once gunicorn has forked them.

prometheus_client decides how values are kept when it is imported. docs/observability.md lists the
metrics; they are named as https://prometheus.io/docs/practices/naming/ says.
"""

from functools import cache
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)

from tuner_project.observability import multiprocess
from tuner_project.observability.signals import ask_measured, leases_expired
from tuner_project.observability.stopwatch import OTHER

disable_created_metrics()  # the time of each counter's beginning, which doubles their number
if multiprocess.folder() is not None:
    values.ValueClass = values.MultiProcessValue(multiprocess.slot)

# What this process alone knows; the scrape reads it where no folder is shared.
REGISTRY = CollectorRegistry()
_OF_REQUESTS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_OF_ASKS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

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
ASK_SECONDS = Histogram(
    "tuner_ask_duration_seconds",
    "Seconds that asks took which handed out trials.",
    ["sampler"],
    buckets=_OF_ASKS,
    registry=REGISTRY,
)
ASK_PART_SECONDS = Histogram(
    "tuner_ask_part_duration_seconds",
    "Seconds of these asks by part: sampling, database, history, waiting.",
    ["sampler", "part"],
    buckets=_OF_ASKS,
    registry=REGISTRY,
)
LEASES_EXPIRED = Counter(
    "tuner_leases_expired_total",
    "Trials that asks ended because their leases had run out.",
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


def _of_process(name: str, what: str) -> Gauge:
    """A gauge of each living process; its label `pid` is the process's slot."""
    return Gauge(name, what, registry=REGISTRY, multiprocess_mode="liveall")


POOL_SIZE = _of_process("tuner_db_pool_connections", "Database connections that are open.")
POOL_AVAILABLE = _of_process("tuner_db_pool_available", "Open connections that nobody uses.")
POOL_WAITING = _of_process("tuner_db_pool_waiting", "Requests that wait for a connection.")
POOL_LIMIT = _of_process("tuner_db_pool_max_connections", "Connections there may be.")
HISTORY_STUDIES = _of_process("tuner_history_studies", "Studies kept in memory for samplers.")
HISTORY_TRIALS = _of_process("tuner_history_trials", "Trials kept in memory for samplers.")
HISTORY_BYTES = _of_process("tuner_history_bytes", "Memory these trials take, estimated.")
START_TIME = _of_process("tuner_process_start_time_seconds", "When the process began, Unix time.")
RESIDENT_BYTES = _of_process("tuner_process_resident_memory_bytes", "Memory of the process.")


# Each label is looked up once: that takes as long as to observe.
_of_asks = cache(ASK_SECONDS.labels)
_of_parts = cache(ASK_PART_SECONDS.labels)


def _observe_ask(sampler: str, seconds: float, parts: dict[str, float], **kwargs: Any) -> None:
    _of_asks(sampler).observe(seconds)
    for part, time in parts.items():
        if part != OTHER:
            _of_parts(sampler, part).observe(time)


def _count_expired(count: int, **kwargs: Any) -> None:
    LEASES_EXPIRED.inc(count)


ask_measured.connect(_observe_ask, dispatch_uid="metrics")
leases_expired.connect(_count_expired, dispatch_uid="metrics")
