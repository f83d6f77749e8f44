"""Exports, imports and clones over the API, and files to be changed."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.db import connection
from rest_framework.test import APIClient

from optuna_bridge.storage import SCHEMA
from studies.models import Study
from tests.play import JSON, SEARCH, STUDIES, assert_refused
from trials.models import Trial

IMPORT = f"{STUDIES}/import"
NDJSON = "application/x-ndjson"
N_TRIALS = 6  # of the fixture `file`


def path_of(name: str) -> str:
    return f"{STUDIES}/{quote(name, safe='')}"


def export(api: APIClient, name: str = SEARCH) -> bytes:
    response: Any = api.get(f"{path_of(name)}/export")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == NDJSON
    return b"".join(response.streaming_content)


def post_file(api: APIClient, file: bytes, query: str = "", media_type: str = NDJSON) -> Any:
    client: Any = api  # whose types know no bytes
    return client.generic("POST", IMPORT + query, file, media_type)


def import_file(api: APIClient, file: bytes, query: str = "", status: int = 201) -> JSON:
    response = post_file(api, file, query)
    assert response.status_code == status, response.content
    return response.json()


def delete(api: APIClient, name: str = SEARCH) -> None:
    assert api.delete(path_of(name)).status_code == 204


def documents(file: bytes) -> list[JSON]:
    return [json.loads(line) for line in file.splitlines()]


def as_file(lines: list[JSON]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def edit(**changes: Any) -> Callable[[JSON], None]:
    return lambda line: line.update(changes)


def changed(file: bytes, line: int, change: Callable[[JSON], Any]) -> bytes:
    """The file with one line, by its number from 1, changed in place."""
    lines = documents(file)
    change(lines[line - 1])
    return as_file(lines)


def assert_nothing_stored() -> None:
    assert not Study.objects.exists()
    assert not Trial.objects.exists()
    with connection.cursor() as cursor:
        for table in ("studies", "trials"):
            cursor.execute(f"SELECT count(*) FROM {SCHEMA}.{table}")
            assert cursor.fetchone() == (0,)


def assert_line_refused(response: Any, line: int) -> JSON:
    problem = assert_refused(response, 400, "invalid")
    assert problem["detail"].startswith(f"line {line}: "), problem
    for error in problem["errors"]:
        assert f"{error['pointer']}/".startswith(f"/{line}/"), problem
    assert_nothing_stored()
    return problem
