"""Client processes that send their requests at one moment, to gunicorn's two processes."""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg

from tests.service import Answer, Client, Service, running_service, trials_of
from tuner_project.embedded_postgres import EmbeddedPostgres

RACERS = 8
SECONDS_TO_MEET = 60
SPACE = [{"type": "float", "name": "x", "low": 0, "high": 1}]

Request = tuple[str, str, Any]  # method, path and body

_gate: Barrier


class Track:
    """A service, and a process for each racer."""

    def __init__(self, service: Service, pool: ProcessPoolExecutor) -> None:
        self.service = service
        self._pool = pool

    def race(self, requests: Sequence[Request], spread: float = 0) -> list[Answer]:
        """What each racer's request was answered.

        All are sent at once, or within `spread` seconds, so that slower requests may come first.
        """
        assert len(requests) == RACERS
        racing = [
            self._pool.submit(_send, self.service.port, each, random.uniform(0, spread))
            for each in requests
        ]
        return [racer.result(2 * SECONDS_TO_MEET) for racer in racing]

    def run_out(self, study: str) -> None:
        """Let the leases of a study's trials run out, by moving them back."""
        with psycopg.connect(EmbeddedPostgres(self.service.data_dir).url()) as database:
            database.execute(
                "UPDATE trials_trial SET lease_expires_at = lease_expires_at - interval '2 hours' "
                "WHERE study_id = (SELECT id FROM studies_study WHERE name = %s)",
                [study],
            )
            database.execute(
                "UPDATE studies_study SET next_lease_expiry = next_lease_expiry "
                "- interval '2 hours' WHERE name = %s",
                [study],
            )


@contextmanager
def race_track() -> Iterator[Track]:
    """Afterwards both schemas agree."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(RACERS)
    with (
        running_service() as service,
        ProcessPoolExecutor(RACERS, context, initializer=_join, initargs=(gate,)) as pool,
    ):
        yield Track(service, pool)
        service.check_optuna()


def _join(gate: Barrier) -> None:
    global _gate  # a process of the pool has no other place
    _gate = gate


def _send(port: int, request: Request, delay: float) -> Answer:
    with Client(port) as client:
        client.get("/health")  # connected before the start
        _gate.wait(SECONDS_TO_MEET)  # so that each process has exactly one
        time.sleep(delay)
        return client.call(*request)


def to_all(*requests: Request) -> list[Request]:
    """These requests in turn, one for each racer."""
    return [requests[racer % len(requests)] for racer in range(RACERS)]


def ask(study: str, **body: Any) -> Request:
    return "POST", f"{trials_of(study)}/suggest", body


def post(study: str, number: int, action: str, **body: Any) -> Request:
    return "POST", f"{trials_of(study)}/{number}/{action}", body


def statuses(answers: Sequence[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def of_status(answers: Sequence[Answer], status: int) -> list[Any]:
    """What the answers of this status say."""
    return [answer.body for answer in answers if answer.status == status]


def codes(answers: Sequence[Answer]) -> dict[str, int]:
    """How often each refusal was answered."""
    return dict(Counter(answer.body["code"] for answer in answers if answer.status >= 400))
