from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.accept.schedulers.recipes import Recipe
from tests.support.http_client import HttpClient
from tests.support.service import Service, running_service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[HttpClient]:
    with HttpClient(service.port) as client:
        yield client


class Start(Protocol):
    def __call__(self, *command: Any, env: Mapping[str, str]) -> Recipe: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts programs, which are killed at the end if they still run."""
    started: list[Recipe] = []

    def start_one(*command: Any, env: Mapping[str, str]) -> Recipe:
        started.append(Recipe(list(command), env, tmp_path))
        return started[-1]

    yield start_one
    for recipe in reversed(started):
        recipe.end()
