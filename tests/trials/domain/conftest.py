"""Fixtures: a client of the service, and processes that send requests at the same time."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support.http_client import Answer, HttpClient
from tests.support.service import Service
from tests.support.workers import WorkerPool, send_at_once, worker_pool


@pytest.fixture
def client(service: Service) -> Iterator[HttpClient]:
    with HttpClient(service.port) as client:
        yield client


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with worker_pool() as pool:
        yield pool


@pytest.fixture
def send_together(service: Service, pool: WorkerPool) -> Callable[..., list[Answer]]:
    return partial(send_at_once, pool, service.port)
