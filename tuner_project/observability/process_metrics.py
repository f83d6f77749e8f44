"""The gauges of this process: its pool, its memory, and those that the apps register."""

import os
import threading
import time
from pathlib import Path

from django.db.backends.postgresql.base import DatabaseWrapper

from tuner_project.observability import metrics

SECONDS_BETWEEN = 5
_BEGAN = time.time()
_STATM = Path("/proc/self/statm")
_pool_before = {"requests_wait_ms": 0, "requests_errors": 0}
_lock = threading.Lock()


def publish() -> None:
    """Set this process's gauges."""
    with _lock:
        metrics.START_TIME.set(_BEGAN)
        if _STATM.exists():
            pages = int(_STATM.read_text().split()[1])
            metrics.RESIDENT_BYTES.set(pages * os.sysconf("SC_PAGE_SIZE"))
        for publish_part in metrics.PUBLISHERS:
            publish_part()
        _publish_pool()


def _publish_pool() -> None:
    # Django's public property `pool` would create a pool if there is none yet.
    pool = DatabaseWrapper._connection_pools.get("default")  # type: ignore[attr-defined]  # noqa: SLF001
    if pool is None:
        return
    stats = pool.get_stats()
    metrics.POOL_SIZE.set(stats["pool_size"])
    metrics.POOL_AVAILABLE.set(stats["pool_available"])
    metrics.POOL_WAITING.set(stats["requests_waiting"])
    metrics.POOL_LIMIT.set(stats["pool_max"])
    grown = {name: max(0, stats.get(name, 0) - before) for name, before in _pool_before.items()}
    _pool_before.update({name: stats.get(name, 0) for name in _pool_before})
    metrics.POOL_WAIT_SECONDS.inc(grown["requests_wait_ms"] / 1000)
    metrics.POOL_TIMEOUTS.inc(grown["requests_errors"])


def keep_publishing() -> None:
    """Set the gauges every few seconds in a thread, because another process may be scraped."""

    def go_on() -> None:
        while True:
            publish()
            time.sleep(SECONDS_BETWEEN)

    threading.Thread(target=go_on, name="metrics", daemon=True).start()
