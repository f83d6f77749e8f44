"""Imports and clones of clients that close the connection."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import STUDY_URL, create_study, suggest

IMPORT = "/api/v1/studies/import?conflict=rename"


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The service's end of a connection, and the client's."""
    ours, clients = socket.socketpair()
    yield ours, clients
    ours.close()
    clients.close()


def import_over(api: APIClient, ours: socket.socket, body: str) -> Any:
    server: dict[str, Any] = {"gunicorn.socket": ours}
    return api.generic("POST", IMPORT, body, "application/x-ndjson", **server)


@pytest.fixture
def file(api: APIClient) -> str:
    create_study(api, sampler="random")
    for _ in range(3):
        suggest(api)
    response: Any = api.get(f"{STUDY_URL}/export")
    return b"".join(response.streaming_content).decode()


def test_import_of_a_connected_client_is_stored(
    api: APIClient, file: str, connection: tuple[socket.socket, socket.socket]
) -> None:
    connection[1].send(b"GET / HTTP/1.1")  # the next request on the same connection
    assert import_over(api, connection[0], file).status_code == 201
    assert Study.objects.count() == 2


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_import_of_a_client_that_is_gone_ends(
    api: APIClient, file: str, connection: tuple[socket.socket, socket.socket], how: str
) -> None:
    if how == "close":
        connection[1].close()
    else:
        connection[1].shutdown(socket.SHUT_WR)
    response = import_over(api, connection[0], file)
    assert (response.status_code, response.json()["code"]) == (400, "client_disconnected")
    assert Study.objects.count() == 1


def test_clone_for_a_client_that_is_gone_ends(
    api: APIClient, file: str, connection: tuple[socket.socket, socket.socket]
) -> None:
    server: dict[str, Any] = {"gunicorn.socket": connection[0]}
    assert api.post(f"{STUDY_URL}/clone", {"name": "first"}, **server).status_code == 201
    connection[1].close()
    response = api.post(f"{STUDY_URL}/clone", {"name": "second"}, **server)
    assert (response.status_code, response.json()["code"]) == (400, "client_disconnected")
    assert Study.objects.count() == 2
