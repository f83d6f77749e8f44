"""Exports of 1,000 random studies import again; clients that hang up hold no connection."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import scaled
from tests.support.api_client import assert_schemas_agree
from tests.support.http_client import HttpClient
from tests.support.service import running_service
from tests.support.transfer_files import (
    delete_study,
    export_study,
    import_file,
    parsed_lines,
    random_study_file,
)

pytestmark = pytest.mark.accept

N_STUDIES = scaled(1000, least=20)
N_TRIALS = 2000
HANG_UPS = 40  # more than there are connections


def test_random_studies_come_back_to_the_byte(
    api: APIClient, record_property: Callable[..., None]
) -> None:
    n_trials = 0
    for seed in range(N_STUDIES):
        file = random_study_file(seed)
        name = parsed_lines(file)[0]["study_name"]
        import_file(api, file)
        exported = export_study(api, name)
        assert exported == file, f"study {seed}"
        assert_schemas_agree(name)
        delete_study(api, name)
        import_file(api, exported)
        assert export_study(api, name) == file, f"study {seed}, again"
        delete_study(api, name)
        n_trials += len(parsed_lines(file)) - 2
    record_property("found", f"{N_STUDIES} studies, {n_trials} trials, each equal to the byte")


def test_clients_that_hang_up_hold_no_connection() -> None:
    with running_service() as service, HttpClient(service.port) as client:
        client.create_study(
            name="long", search_space=[{"type": "float", "name": "x", "low": 0, "high": 1}]
        )
        # Half of MAX_BODY_BYTES.
        new = [{"params": {"x": 0.5}, "user_attrs": {"long": "x" * 10_000}}] * 50
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


def _download(client: HttpClient) -> bytes:
    response: Any = client._pool.request("GET", "/api/v1/studies/long/export")
    assert response.status == 200
    return bytes(response.data)


def _upload(client: HttpClient, file: bytes) -> Any:
    response: Any = client._pool.request(
        "POST",
        "/api/v1/studies/import?conflict=rename",
        body=file,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert response.status == 201, response.data
    (imported,) = response.json()["studies"]
    return imported
