"""Request bodies that are too large, too slow, or have too many errors."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

STUDIES = "/api/v1/studies"
IMPORT = "/api/v1/studies/import"
LINES = "application/x-ndjson"


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.MAX_BODY_BYTES = 2000
    settings.MAX_IMPORT_BYTES = 5000


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET", "DELETE"])
def test_body_above_the_limit_is_refused_with_the_limit(api: APIClient, method: str) -> None:
    response = api.generic(method, f"{STUDIES}/import", "[" * 5001, "application/json")
    assert (response.status_code, response["Content-Type"]) == (413, "application/problem+json")
    problem = response.json()
    assert (problem["code"], problem["title"][:4]) == ("body_too_large", "Requ")
    limit = 5000 if method == "POST" else 2000
    assert problem["detail"] == f"the body has 5001 bytes; at most {limit} are read here"


def test_body_at_the_limit_is_read(api: APIClient) -> None:
    body = '{"name": 1}' + " " * 1989
    assert api.generic("POST", STUDIES, body, "application/json").status_code == 400
    response = api.generic("POST", STUDIES, body + " ", "application/json")
    assert response.status_code == 413


def test_only_the_import_accepts_larger_bodies(api: APIClient) -> None:
    body = "{}" + " " * 4998
    assert api.generic("POST", IMPORT, body, LINES).status_code == 400
    assert api.generic("PATCH", IMPORT, body, "application/json").status_code == 413


def test_forms_have_the_limit_too(db: None) -> None:
    response = Client().post("/admin/login/", {"username": "u" * 2000})
    assert (response.status_code, response["Content-Type"]) == (413, "text/plain; charset=utf-8")


class Unreadable:
    """A body as the server gives it whose client is slow, or has gone."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def read(self, *size: int) -> bytes:
        raise self.error

    readline = read


@pytest.mark.parametrize("path", [STUDIES, IMPORT])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TimeoutError("timed out"), 408, "body_timeout"),
        (ConnectionResetError("gone"), 400, "parse_error"),
    ],
)
def test_incomplete_body_is_a_problem(
    api: APIClient, path: str, error: OSError, status: int, code: str
) -> None:
    kind = LINES if path == IMPORT else "application/json"
    sent: dict[str, Any] = {"wsgi.input": Unreadable(error), "CONTENT_LENGTH": "10"}
    response = api.generic("POST", path, "0123456789", kind, **sent)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_problem_lists_a_hundred_errors_and_counts_the_others(
    api: APIClient, settings: Settings
) -> None:
    settings.MAX_BODY_BYTES = 2**20
    response = api.post(STUDIES, {f"key{n}": n for n in range(250)})
    problem = response.json()
    assert len(problem["errors"]) == 100
    assert problem["more_errors"] == 150
