"""A service whose only thread is held up, and requests that wait for it."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.service import Answer, Client, Service
from tuner_project.embedded_postgres import EmbeddedPostgres

SPACE = [{"type": "float", "name": "x", "low": 0, "high": 1}]
WAITING = 2
SETTINGS_OF_ONE_THREAD = {
    "WEB_WORKERS": "1",
    "WEB_THREADS": "1",
    "WEB_WAITING": str(WAITING),
    "WEB_WAITING_TIMEOUT": "12",
    "DB_STATEMENT_TIMEOUT": "60",
}


@contextmanager
def held_up(service: Service) -> Iterator[psycopg.Connection[Any]]:
    """While nobody can read or write a study."""
    with psycopg.connect(EmbeddedPostgres(service.data_dir).url()) as direct:
        direct.execute("LOCK TABLE studies_study IN ACCESS EXCLUSIVE MODE")
        yield direct
        direct.rollback()


class Asking:
    """Requests in the background, each on a connection of its own."""

    def __init__(self, service: Service, pool: ThreadPoolExecutor) -> None:
        self._port = service.port
        self._pool = pool

    def __call__(self, method: str, path: str, body: Any = None) -> Future[Answer]:
        def ask() -> Answer:
            with Client(self._port) as client:
                return client.call(method, path, body)

        return self._pool.submit(ask)

    def while_busy(self) -> Future[Answer]:
        """A request that holds the thread, which it has once this returns."""
        future = self("GET", "/studies")
        time.sleep(0.5)
        return future


@contextmanager
def asking_of(service: Service) -> Iterator[Asking]:
    with ThreadPoolExecutor(20) as pool:
        yield Asking(service, pool)


def n_not_granted(direct: psycopg.Connection[Any]) -> int:
    row = direct.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row is not None
    return int(row[0])


def codes(answers: list[Future[Answer]]) -> list[str]:
    """What is wrong with each."""
    found = [answer.result(60) for answer in answers]
    assert all(answer.retry_after > 0 for answer in found if answer.status == 503)
    return [answer.body["code"] if answer.status >= 400 else "" for answer in found]
