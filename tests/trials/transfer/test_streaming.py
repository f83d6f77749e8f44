"""Exports on their way: of one moment, and without holding on to a connection."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from rest_framework.test import APIClient

from studies.models import Study
from tests.play import add, complete, create_study, start
from tests.trials.helpers import released
from tests.trials.transfer.moving import delete, documents, path_of
from trials.transfer import exporting
from tuner_project.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)

N_TRIALS = 20


@pytest.fixture(autouse=True)
def small_pieces(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 2)
    monkeypatch.setattr(exporting, "BLOCK", 1)
    create_study(api)
    for _ in range(N_TRIALS):
        start(api)
    connection.close()


def answered(name: str) -> Any:
    """An export as a server gets it from the application."""
    serve: Any = application
    return serve(RequestFactory().get(f"{path_of(name)}/export").environ, lambda *_: None)


def begun() -> tuple[Iterator[bytes], Any]:
    """An export as a server reads it, and its end."""
    response = answered("search")
    return iter(response), response.close


def is_given_back() -> bool:
    return connection.connection is None and not connection.in_atomic_block


def elsewhere(action: Any, *arguments: Any) -> None:
    """Do something in another thread, on a connection of its own."""
    with ThreadPoolExecutor() as pool:
        pool.submit(released, action, *arguments).result(60)


def test_export_is_of_the_moment_when_it_began(api: APIClient) -> None:
    pieces, end = begun()
    first = next(pieces)
    elsewhere(complete, api, "search", 0, 1.5)
    elsewhere(add, api, {"params": {"x": 0.5}})
    lines = documents(first + b"".join(pieces))
    end()

    assert [line["state"] for line in lines[1:-1]] == ["RUNNING"] * N_TRIALS
    assert lines[-1]["n_trials"] == N_TRIALS
    assert Study.objects.get().n_complete == 1


def test_export_of_a_study_that_is_deleted_meanwhile_is_whole(api: APIClient) -> None:
    pieces, end = begun()
    first = next(pieces)
    elsewhere(delete, api)
    lines = documents(first + b"".join(pieces))
    end()
    assert len(lines) == N_TRIALS + 2
    assert not Study.objects.exists()


@pytest.mark.parametrize("n_pieces", [0, 1, 5, N_TRIALS])
def test_connection_is_given_back_where_the_client_hangs_up(n_pieces: int) -> None:
    pieces, end = begun()
    for _ in range(n_pieces):
        next(pieces)
    assert not is_given_back()
    end()
    assert is_given_back()


def test_connection_is_given_back_at_the_end() -> None:
    pieces, end = begun()
    assert len(list(pieces)) > N_TRIALS / 2
    end()
    assert is_given_back()


def test_refused_export_holds_nothing() -> None:
    response = answered("ghost")
    assert b"study_not_found" in b"".join(response)
    response.close()
    assert is_given_back()
