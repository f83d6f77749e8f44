"""Studies with a large Pareto front: batches, the time that they lock the study, and imports."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
import urllib3

from tests.support.http_client import HttpClient, connect, trials_path
from tests.support.service import Service, running_service, wait_until

pytestmark = pytest.mark.accept

OBJECTIVES = 10
ON_FRONT = 20_000
BATCH = 1000
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
MAX_IMPORT, MAX_BATCH, MAX_LOCK = 60.0, 3.0, 1.0  # seconds


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service({}) as service:
        yield service


@pytest.fixture(scope="module")
def values() -> list[list[float]]:
    """Points on a sphere, none of which dominates another."""
    points = np.abs(np.random.default_rng(0).normal(size=(ON_FRONT + BATCH, OBJECTIVES)))
    sphere: list[list[float]] = (points / np.linalg.norm(points, axis=1)[:, None]).tolist()
    return sphere


@pytest.fixture(scope="module")
def file(service: Service, values: list[list[float]]) -> bytes:
    """An export of one trial, as if it had all trials of the front."""
    with HttpClient(service.port) as client:
        client.create_study(
            name="one", search_space=SPACE, direction=["maximize"] * OBJECTIVES, sampler="random"
        )
        client.complete("one", client.suggest("one")["trial_id"], values=values[0])
    url = f"http://127.0.0.1:{service.port}/api/v1/studies/one/export"
    lines = urllib3.request("GET", url).data.splitlines()
    study, trial, end = (json.loads(line) for line in lines)
    trials = [trial | {"number": n, "values": values[n]} for n in range(ON_FRONT)]
    study["study_name"] = end["study_name"] = "front"
    end["n_trials"] = ON_FRONT
    return b"".join(json.dumps(line).encode() + b"\n" for line in [study, *trials, end])


def test_large_front_is_imported_and_told_in_bounded_time(
    service: Service, values: list[list[float]], file: bytes
) -> None:
    began = time.monotonic()
    url = f"http://127.0.0.1:{service.port}/api/v1/studies/import"
    headers = {"Content-Type": "application/x-ndjson"}
    response = urllib3.request("POST", url, body=file, headers=headers, timeout=4 * MAX_IMPORT)
    assert response.status == 201, response.data
    seconds = time.monotonic() - began
    print(f"import of {ON_FRONT} trials on the front: {seconds:.1f} s")
    assert seconds <= MAX_IMPORT

    is_over, waits = threading.Event(), list[float]()

    def ask() -> None:
        with HttpClient(service.port) as client:
            while not is_over.is_set():
                before = time.monotonic()
                client.suggest("front")
                waits.append(time.monotonic() - before)

    with HttpClient(service.port) as client:
        numbers = [
            trial["trial_id"]
            for _ in range(BATCH // 100)
            for trial in client.call(
                "POST", f"{trials_path('front')}/suggest-batch", {"count": 100}
            ).expect(200)["trials"]
        ]
        told = [
            {"trial_id": number, "values": values[ON_FRONT + position]}
            for position, number in enumerate(numbers)
        ]
        asking = threading.Thread(target=ask)
        asking.start()
        began = time.monotonic()
        answer = client.call("POST", f"{trials_path('front')}/complete-batch", {"trials": told})
        seconds = time.monotonic() - began
        is_over.set()
        asking.join()
        assert {each["status"] for each in answer.expect(200)["results"]} == {200}
    print(f"batch of {BATCH}: {seconds:.2f} s; slowest ask beside it {max(waits):.2f} s")
    assert seconds <= MAX_BATCH
    assert max(waits) <= MAX_LOCK
    service.check_optuna()


def test_import_ends_with_its_client(service: Service, file: bytes) -> None:
    with connect(service.port) as connection, psycopg.connect(service.database_url) as database:
        connection.sendall(_import_head(len(file)) + file)
        wait_until(lambda: _is_importing(database), "the import runs")
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        wait_until(lambda: not _is_importing(database), "the import has ended")
    with HttpClient(service.port) as client:
        assert client.call("GET", "/studies/front%20(2)").status == 404


def _import_head(size: int) -> bytes:
    return (
        "POST /api/v1/studies/import?conflict=rename HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def _is_importing(database: psycopg.Connection) -> bool:
    database.rollback()
    found = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND xact_start < now() - interval '0.5 s'"
    ).fetchone()
    return found is not None and found[0] > 0
