"""Metrics of asks, leases and the samplers' memory; imported by serving processes only."""

from functools import cache
from typing import Any

from prometheus_client import Counter, Histogram

from trials.sampling.session_registry import session_registry
from trials.signals import ask_measured, leases_expired
from tuner_project.observability.metrics import PUBLISHERS, REGISTRY, process_gauge
from tuner_project.observability.stopwatch import OTHER

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ASK_SECONDS = Histogram(
    "tuner_ask_duration_seconds",
    "Seconds that asks took which handed out trials.",
    ["sampler"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)
ASK_PART_SECONDS = Histogram(
    "tuner_ask_part_duration_seconds",
    "Seconds of these asks by part: sampling, database, history, waiting.",
    ["sampler", "part"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)
LEASES_EXPIRED = Counter(
    "tuner_leases_expired_total",
    "Trials that asks ended because their leases had run out.",
    registry=REGISTRY,
)
HISTORY_STUDIES = process_gauge("tuner_history_studies", "Studies kept in memory for samplers.")
HISTORY_TRIALS = process_gauge("tuner_history_trials", "Trials kept in memory for samplers.")
HISTORY_BYTES = process_gauge("tuner_history_bytes", "Memory these trials take, estimated.")

# Each label is looked up only once, since a lookup takes as long as an observation.
_of_asks = cache(ASK_SECONDS.labels)
_of_parts = cache(ASK_PART_SECONDS.labels)


def _observe_ask(sampler: str, seconds: float, parts: dict[str, float], **kwargs: Any) -> None:
    _of_asks(sampler).observe(seconds)
    for part, time in parts.items():
        if part != OTHER:
            _of_parts(sampler, part).observe(time)


def _count_expired(count: int, **kwargs: Any) -> None:
    LEASES_EXPIRED.inc(count)


def _publish_sessions() -> None:
    """Set the gauges for the sampler sessions that this process keeps."""
    n_studies, n_trials, n_bytes = session_registry.use_of_memory()
    HISTORY_STUDIES.set(n_studies)
    HISTORY_TRIALS.set(n_trials)
    HISTORY_BYTES.set(n_bytes)


ask_measured.connect(_observe_ask, dispatch_uid="metrics")
leases_expired.connect(_count_expired, dispatch_uid="metrics")
PUBLISHERS.append(_publish_sessions)
