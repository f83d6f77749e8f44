"""Ends of the service's processes, and its recovery from them."""

import random
import time

import psutil

from tests.service import WEB_WORKERS, Service
from tuner_project.health import KEPT

SECONDS_TO_END = 30  # for gunicorn's workers, when their master is gone


def kill_web_worker(service: Service) -> None:
    """The master replaces it."""
    victim = random.choice(service.web_workers())
    victim.kill()
    service.wait_until(
        lambda: not _is_alive(victim) and len(service.web_workers()) == WEB_WORKERS, "complete"
    )


def kill_master(service: Service) -> None:
    """Its workers end by themselves; a supervisor starts the service again."""
    orphans = service.web_workers()
    service.master.kill()
    service.reap()
    _, alive = psutil.wait_procs(orphans, SECONDS_TO_END)
    assert not alive, f"workers outlived their master: {alive}"
    service.start()


def kill_postmaster(service: Service) -> None:
    """The watch in gunicorn's master starts it again."""
    victim = service.postmaster()
    assert victim is not None
    victim.kill()
    time.sleep(KEPT)
    service.wait_until(
        lambda: service.postmaster() not in (None, victim) and service.is_ready(), "ready"
    )


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
