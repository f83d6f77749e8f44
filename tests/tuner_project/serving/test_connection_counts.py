"""New connections go to the worker that has the fewest."""

from contextlib import ExitStack

import psutil
import pytest

from tests.support.http_client import HttpClient
from tests.support.service import WEB_WORKERS, Service, running_service_on_tests_server
from tuner_project.serving.connection_counts import ConnectionCounts


def test_workers_with_fewer_connections_are_found() -> None:
    counts = ConnectionCounts()
    assert not counts.has_fewer_elsewhere(1)
    counts.publish(0, 3)
    counts.publish(1, 1)
    assert counts.has_fewer_elsewhere(3)
    assert not counts.has_fewer_elsewhere(1)
    counts.remove(1)
    assert not counts.has_fewer_elsewhere(3)


@pytest.mark.usefixtures("django_db_setup")
def test_connections_are_shared_among_workers() -> None:
    with running_service_on_tests_server() as service, ExitStack() as clients:
        service.wait_until(lambda: _serve_all(service), "serving with each of its processes")
        for _ in range(32):
            client = clients.enter_context(HttpClient(service.port))
            assert client.call("GET", "/health").status == 200
        numbers = [_n_connections(service, worker) for worker in service.web_workers()]
        assert sum(numbers) == 32
        assert min(numbers) >= 4  # all were with one worker before


def _serve_all(service: Service) -> bool:
    """Return whether each worker has the thread that it starts when it is ready."""
    workers = service.web_workers()
    return len(workers) == WEB_WORKERS and all(worker.num_threads() > 1 for worker in workers)


def _n_connections(service: Service, worker: psutil.Process) -> int:
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == service.port
        for each in worker.net_connections("tcp")
    )
