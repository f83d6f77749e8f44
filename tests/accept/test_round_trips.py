"""A thousand random studies come back to the byte; and a server with clients that hang up."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.play import assert_in_sync
from tests.service import Client, running_service, scaled
from tests.trials.transfer.making import study_file
from tests.trials.transfer.moving import delete, documents, export, import_file

pytestmark = pytest.mark.accept

N_STUDIES = scaled(1000, least=20)
N_TRIALS = 2000
HANG_UPS = 40  # more than there are connections


def test_random_studies_come_back_to_the_byte(
    api: APIClient, record_property: Callable[..., None]
) -> None:
    n_trials = 0
    for seed in range(N_STUDIES):
        file = study_file(seed)
        name = documents(file)[0]["study_name"]
        import_file(api, file)
        exported = export(api, name)
        assert exported == file, f"study {seed}"
        assert_in_sync(name)
        delete(api, name)
        import_file(api, exported)
        assert export(api, name) == file, f"study {seed}, again"
        delete(api, name)
        n_trials += len(documents(file)) - 2
    record_property("found", f"{N_STUDIES} studies, {n_trials} trials, each equal to the byte")


def test_clients_that_hang_up_hold_no_connection() -> None:
    with running_service() as service, Client(service.port) as client:
        client.create_study(
            name="long", search_space=[{"type": "float", "name": "x", "low": 0, "high": 1}]
        )
        new = [{"params": {"x": 0.5}, "user_attrs": {"long": "x" * 10_000}}] * 200
        for _ in range(N_TRIALS // len(new)):
            client.call("POST", "/studies/long/trials", new).expect(201)

        for _ in range(HANG_UPS):
            with socket.create_connection(("127.0.0.1", service.port)) as hasty:
                hasty.sendall(
                    b"GET /api/v1/studies/long/export HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )
                assert hasty.recv(100).startswith(b"HTTP/1.1 200 ")

        assert client.get("/ready")
        file = _download(client)
        assert file.count(b"\n") == N_TRIALS + 2
        renamed = _upload(client, file)
        assert renamed["imported_as"] == "long (2)"
        service.check_optuna()


def _download(client: Client) -> bytes:
    response: Any = client._pool.request("GET", "/api/v1/studies/long/export")
    assert response.status == 200
    return bytes(response.data)


def _upload(client: Client, file: bytes) -> Any:
    response: Any = client._pool.request(
        "POST",
        "/api/v1/studies/import?conflict=rename",
        body=file,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert response.status == 201, response.data
    (imported,) = response.json()["studies"]
    return imported
