"""Streamed exports: one snapshot, and no database connection held."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from rest_framework.test import APIClient

from studies.models import NamedStudy, Study
from tests.support.api_client import add_trials, complete, create_study, start_trial
from tests.support.database import call_and_close_connection
from tests.support.transfer_files import IMPORT_URL, NDJSON, delete_study, parsed_lines, study_url
from transfer.api import spooling
from transfer.domain import exporting, importing
from trials.queries import chunks
from tuner_project.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)

N_TRIALS = 20


@pytest.fixture(autouse=True)
def small_pieces(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    monkeypatch.setattr(spooling, "IN_MEMORY", 100)
    create_study(api)
    for _ in range(N_TRIALS):
        start_trial(api)
    connection.close()


def answered(request: Any) -> Any:
    """What the application answers, as a server gets it."""
    serve: Any = application
    return serve(request.environ, lambda *_: None)


def exported(name: str = "search") -> Any:
    return answered(RequestFactory().get(f"{study_url(name)}/export"))


def is_given_back() -> bool:
    return connection.connection is None and not connection.in_atomic_block


def elsewhere(action: Any, *arguments: Any) -> None:
    """Do something in another thread, on a connection of its own."""
    with ThreadPoolExecutor() as pool:
        pool.submit(call_and_close_connection, action, *arguments).result(60)


def lines_of_search() -> Iterator[bytes]:
    return exporting.export_lines(named=NamedStudy("search"))


def test_export_is_a_snapshot_of_its_start(api: APIClient) -> None:
    lines = lines_of_search()
    first = next(lines)
    elsewhere(complete, api, "search", 0, 1.5)
    elsewhere(add_trials, api, {"params": {"x": 0.5}})
    read = parsed_lines(first + b"".join(lines))

    assert [line["state"] for line in read[1:-1]] == ["RUNNING"] * N_TRIALS
    assert read[-1]["n_trials"] == N_TRIALS
    assert Study.objects.get().n_complete == 1


def test_export_of_a_deleted_study_is_complete(api: APIClient) -> None:
    lines = lines_of_search()
    first = next(lines)
    elsewhere(delete_study, api)
    assert len(parsed_lines(first + b"".join(lines))) == N_TRIALS + 2
    assert not Study.objects.exists()


def test_export_within_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        next(lines_of_search())


def test_slow_download_holds_no_connection() -> None:
    response = exported()
    assert is_given_back()
    pieces = list(response)
    assert is_given_back()
    response.close()
    assert len(parsed_lines(b"".join(pieces))) == N_TRIALS + 2


@pytest.mark.parametrize("n_blocks", [0, 1])
def test_aborted_download_leaves_no_file(n_blocks: int) -> None:
    response = exported()
    for _ in range(n_blocks):
        next(iter(response))
    response.close()  # a file that is left open warns
    assert list(response) == []  # the reading has ended, and with it the file
    assert is_given_back()


def test_head_reads_no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(exporting, "trial_line")
    response = answered(RequestFactory().head(f"{study_url('search')}/export"))
    assert (response.status_code, response["Content-Type"]) == (200, NDJSON)
    assert "Content-Length" not in response
    assert b"".join(response) == b""
    response.close()
    assert answered(RequestFactory().head(f"{study_url('ghost')}/export")).status_code == 404


def test_refused_export_holds_no_resources() -> None:
    response = exported("ghost")
    assert b"study_not_found" in b"".join(response)
    response.close()
    assert is_given_back()


class SlowBody(BytesIO):
    """A body that notes whether the service holds a connection while it waits for it."""

    was_held = False

    def read(self, *size: Any) -> bytes:
        self.was_held = self.was_held or not is_given_back()
        return super().read(*size)


def test_slow_upload_holds_no_connection(api: APIClient) -> None:
    file = b"".join(lines_of_search())
    delete_study(api)
    body = SlowBody(file)
    request = RequestFactory().post(IMPORT_URL, file, content_type=NDJSON)
    request.environ["wsgi.input"] = body
    response = answered(request)
    assert response.status_code == 201
    assert not body.was_held
    assert b"".join(lines_of_search()) == file


def test_import_starts_after_the_whole_body(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "sections", lambda lines, **how: iter(lines) and iter(()))
    request = RequestFactory().post(IMPORT_URL, b"x" * 300_000, content_type=NDJSON)
    body = request.environ["wsgi.input"]
    assert answered(request).status_code == 200
    assert body.read() == b""
