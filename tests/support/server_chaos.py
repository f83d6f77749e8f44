"""Chaos: workers are disturbed, and beside them processes of the service are killed."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from tests.support.http_client import HttpClient
from tests.support.service import Service, kill_master, kill_web_worker

SECONDS_BETWEEN_KILLS = (2.0, 4.0)
PLACES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED")  # states that take a place of `max_trials`


class Fleet(Protocol):
    """Workers that can be disturbed."""

    def inject_fault(self) -> None: ...
    def resume_all(self) -> None: ...


def play_under_chaos(
    service: Service, fleet: Fleet, seconds: float, check: Callable[[HttpClient], None]
) -> Counter[str]:
    """Disturb the workers and the service for a while; gives how often what was killed.

    `check` runs after each process of the service that was killed.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(_kill_until_stopped, service, stop, check)
        try:
            end = time.monotonic() + seconds
            while (now := time.monotonic()) < end and not killing.done():
                fleet.inject_fault()
                time.sleep(max(0, now + 0.1 - time.monotonic()))
        finally:
            stop.set()
            fleet.resume_all()
        return killing.result()


def _kill_until_stopped(
    service: Service, stop: threading.Event, check: Callable[[HttpClient], None]
) -> Counter[str]:
    killed: Counter[str] = Counter()
    while not stop.wait(random.uniform(*SECONDS_BETWEEN_KILLS)):
        is_masters_turn = killed.total() % 5 == 2
        killer = kill_master if is_masters_turn else kill_web_worker
        killer(service)
        killed[killer.__name__] += 1
        with HttpClient(service.port) as client:
            check(client)
    return killed
