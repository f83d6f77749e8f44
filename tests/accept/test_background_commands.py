"""The commands that `serve` runs beside the web server: started, replaced, and ended with it."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.http_client import HttpClient
from tests.support.receivers import running_receiver
from tests.support.service import Service

pytestmark = pytest.mark.accept

COMMANDS = {"deliver_events", "expire_trials"}


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service({"WEB_WORKERS": "1", "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"})
    service.has_background = True
    try:
        service.start()
        yield service
    finally:
        service.stop()


def background(service: Service) -> dict[str, psutil.Process]:
    children = [child for child in service.master.children() if child.is_running()]
    return {name: each for each in children for name in COMMANDS & set(_words(each))}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_commands_run_are_replaced_and_end_with_the_service(service: Service) -> None:
    service.wait_until(lambda: background(service).keys() == COMMANDS, "in the background")
    first = background(service)
    with running_receiver() as receiver, HttpClient(service.port) as client:
        client.call("POST", "/webhooks", {"name": "w", "url": receiver.url}).expect(201)
        space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
        client.create_study(name="s", search_space=space, lease_seconds=1)
        client.suggest("s")
        lost = ["study.created", "trial.lease_lost"]
        service.wait_until(lambda: sorted(receiver.types) == lost, "delivered")
    first["expire_trials"].kill()
    service.wait_until(
        lambda: background(service).get("expire_trials") not in (None, first["expire_trials"]),
        "started again",
    )
    assert "Background command expire_trials" in service.log.read_text()
    last = background(service)
    assert last["deliver_events"] == first["deliver_events"]
    assert service.end(signal.SIGTERM) == 0
    assert not any(each.is_running() for each in last.values())
    assert service.postmaster() is None


def test_commands_end_after_a_kill_of_the_service(service: Service) -> None:
    service.wait_until(lambda: background(service).keys() == COMMANDS, "in the background")
    running = list(background(service).values())
    service.master.kill()
    service.reap()
    gone, alive = psutil.wait_procs(running, timeout=20)
    assert (len(gone), alive) == (2, [])
