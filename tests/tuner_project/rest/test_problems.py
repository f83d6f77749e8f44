"""Every error under /api/ is a problem document (RFC 9457); liveness and readiness."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models.signals import post_save
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from optuna_bridge.samplers.registry import missing_samplers
from studies.models import Study
from tests.support import ROOT
from tests.support.api_client import STUDIES, STUDY_URL, assert_problem
from tuner_project import __version__, extensions
from tuner_project.health import forget

SUGGEST = f"{STUDY_URL}/trials/suggest"
BODY = {"name": "new", "search_space": [{"type": "float", "name": "x", "low": 0, "high": 1}]}


def send(api: APIClient, body: Any, kind: str = "application/json") -> Any:
    return api.generic("POST", STUDIES, body, kind)


def test_validation_errors_have_pointers(api: APIClient) -> None:
    space = [{"type": "float", "name": "lr", "low": 2, "high": 1}]
    document = assert_problem(api.post(STUDIES, BODY | {"search_space": space}), 400, "invalid")
    text = 'float parameter "lr": low (2.0) is above high (1.0)'
    assert document["errors"] == [{"pointer": "/search_space/0/low", "detail": text}]


@pytest.mark.parametrize(
    "url",
    [
        "/api/v1/nothing",
        "/api/v1/studies/",
        "/api/v1/studies/a/b",
        "/api/v1/studies/a%2Fb/best",
        "/api/v1/studies/a%00b",
        "/api/v1",
        "/api/v2/studies",
        "/api/v1/health/",
        "/api/v1/studies.json",
        "/api/v1/%ff",
    ],
)
def test_unknown_url_is_not_found(api: APIClient, url: str) -> None:
    assert_problem(api.get(url), 404, "not_found")
    assert_problem(api.post(url, {}), 404, "not_found")


def test_unknown_study_and_trial_are_not_found(api: APIClient, study: dict[str, Any]) -> None:
    assert_problem(api.get("/api/v1/studies/nobody"), 404, "study_not_found")
    assert_problem(api.get("/api/v1/studies/search/trials/0"), 404, "trial_not_found")
    assert_problem(api.get(f"/api/v1/studies/{'n' * 3000}"), 404, "study_not_found")


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("put", STUDIES, "GET, POST"),
        ("delete", STUDIES, "GET, POST"),
        ("post", "/api/v1/studies/search", "GET, PATCH, DELETE"),
        ("put", "/api/v1/studies/search", "GET, PATCH, DELETE"),
        ("get", SUGGEST, "POST"),
        ("get", "/api/v1/studies/search/trials/0/complete", "POST"),
        ("post", "/api/v1/studies/search/best", "GET"),
        ("post", "/api/v1/health", "GET"),
        ("delete", "/api/v1/ready", "GET"),
        ("post", "/api/v1/schema", "GET, HEAD, OPTIONS"),
        ("post", "/api/v1/docs", "GET, HEAD, OPTIONS"),
    ],
)
def test_unsupported_method_is_not_allowed(
    api: APIClient, method: str, url: str, allowed: str
) -> None:
    response = getattr(api, method)(url)
    assert_problem(response, 405, "method_not_allowed")
    assert set(allowed.split(", ")) <= {*response["Allow"].split(", "), "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "nonsense",
        "",
    ],
)
def test_other_media_type_is_unsupported(api: APIClient, kind: str) -> None:
    assert_problem(send(api, json.dumps(BODY), kind), 415, "unsupported_media_type")
    assert Study.objects.count() == 0


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_media_types_are_accepted(api: APIClient, kind: str) -> None:
    assert send(api, json.dumps(BODY), kind).status_code == 201


HEAD = '{"name": "new", "search_space": [{"type": "float", "name": "x", "low": 0, "high": 1}], '
MALFORMED: dict[str, str | bytes] = {
    "text": "nonsense",
    "cut off": '{"name": "new"',
    "trailing comma": '{"name": "new",}',
    "two documents": "{} {}",
    "single quotes": "{'name': 'new'}",
    "byte order mark": "\ufeff{}",
    "blank": "   ",
    "array": "[]",
    "text literal": '"name"',
    "number": "3",
    "null": "null",
    "true": "true",
    "NUL": HEAD + r'"user_attrs": {"a": "\u0000"}}',
    "NUL in a key": HEAD + r'"user_attrs": {"a": {"\u0000": 1}}}',
    "raw NUL": HEAD + '"user_attrs": {"a": "\0"}}',
    "lone surrogate": HEAD + r'"user_attrs": {"a": ["\ud800"]}}',
    "lone surrogate in a key": HEAD + r'"user_attrs": {"\udfff": 1}}',
    "surrogates the wrong way round": HEAD + r'"user_attrs": {"a": "\udc00\ud800"}}',
    "overflowing float": HEAD + '"user_attrs": {"a": 1e400}}',
    "overflowing negative": HEAD + '"user_attrs": {"a": -1e400}}',
    "overflowing int": HEAD + f'"user_attrs": {{"a": {"9" * 400}}}}}',
    "very long int": HEAD + f'"user_attrs": {{"a": {"9" * 100_000}}}}}',
    "NaN": HEAD + '"user_attrs": {"a": NaN}}',
    "Infinity": HEAD + '"user_attrs": {"a": [Infinity]}}',
    "-Infinity": HEAD + '"user_attrs": {"a": -Infinity}}',
    "deep arrays": "[" * 100_000,
    "deep closed arrays": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep attributes": HEAD + '"user_attrs": {"a": ' + "[" * 500 + "]" * 500 + "}}",
    "repeated key": HEAD + '"name": "other"}',
    "repeated key inside": HEAD + '"user_attrs": {"a": {"b": 1, "b": 1}}}',
    "invalid UTF-8": HEAD.encode() + b'"user_attrs": {"a": "\xff"}}',
    "UTF-16": json.dumps(BODY).encode("utf-16"),
    "latin-1": HEAD.encode() + '"user_attrs": {"a": "ü"}}'.encode("latin-1"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_body_is_refused(api: APIClient, study: dict[str, Any], body: Any) -> None:
    document = assert_problem(send(api, body), 400, "parse_error")
    assert len(document["detail"]) < 300
    assert_problem(api.generic("POST", SUGGEST, body, "application/json"), 400, "parse_error")
    assert Study.objects.count() == 1
    assert api.get("/api/v1/studies/search").json()["n_trials"] == 0


def test_repeated_key_among_many_is_refused_fast(api: APIClient) -> None:
    keys = ",".join(f'"{number}":0' for number in [*range(90_000), 89_999])
    assert_problem(send(api, f"{{{keys}}}"), 400, "parse_error")


def test_surrogate_pair_is_one_character(api: APIClient) -> None:
    body = HEAD + r'"user_attrs": {"a": "\ud83c\udf89"}}'
    assert send(api, body).json()["user_attrs"] == {"a": "🎉"}


def test_unknown_keys_are_refused(api: APIClient, study: dict[str, Any]) -> None:
    api.post(SUGGEST)
    for response, pointer in (
        (api.post(STUDIES, BODY | {"a/b": 1}), "/a~1b"),
        (api.post(STUDIES, BODY | {"x~y": None}), "/x~0y"),
        (api.post(SUGGEST, {"n": 1}), "/n"),
        (api.post("/api/v1/studies/search/trials/0/prune", {"n": 1}), "/n"),
        (api.get(f"{STUDIES}?a=1"), "/a"),
        (api.post(f"{STUDIES}?a=1", BODY), "/a"),
        (api.get("/api/v1/studies/search?format=xml"), "/format"),
        (api.get("/api/v1/studies/search/best?a"), "/a"),
        (api.get("/api/v1/studies/search/pareto?a=1"), "/a"),
        (api.delete("/api/v1/studies/search?force=1"), "/force"),
        (api.get("/api/v1/health?a=1"), "/a"),
        (api.get("/api/v1/ready?a=1"), "/a"),
    ):
        document = assert_problem(response, 400, "invalid")
        assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/xml", "nonsense", "", "a/b/c;q=x", "*/*;q=0", "text/html;q"],
)
def test_accept_header_changes_nothing(api: APIClient, accept: str) -> None:
    response = api.get(STUDIES, headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert_problem(api.get("/api/v1/studies/a", headers={"Accept": accept}), 404, "study_not_found")


def test_body_of_unknown_length_is_refused(api: APIClient) -> None:
    response = api.post(STUDIES, BODY, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")
    assert_problem(response, 411, "length_required")
    assert Study.objects.count() == 0


def test_unknown_host_is_refused(api: APIClient, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["tuner.example.org"]
    assert_problem(api.get(STUDIES, headers={"Host": "evil.example.org"}), 400, "invalid")
    assert api.get(STUDIES, headers={"Host": "tuner.example.org"}).status_code == 200


def test_server_error_stores_nothing(api: APIClient) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("secret reason")

    api.raise_request_exception = False
    post_save.connect(fail, sender=Study)
    try:
        response = api.post(STUDIES, BODY)
    finally:
        post_save.disconnect(fail, sender=Study)
    document = assert_problem(response, 500, "server_error")
    assert "secret" not in json.dumps(document)
    assert Study.objects.count() == 0
    assert api.post(STUDIES, BODY).status_code == 201


def test_html_stays_html_outside_the_api(db: None) -> None:
    response = Client().get("/nothing")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


# The database is away --------------------------------------------------------------------

AWAY = """
import json, sys
import django
django.setup()
from rest_framework.test import APIClient
api = APIClient()
body = json.loads(sys.argv[1])
answers = []
for response in (
    api.get("/api/v1/health"),
    api.get("/api/v1/ready"),
    api.get("/api/v1/studies"),
    api.post("/api/v1/studies", body, format="json"),
    api.post("/api/v1/studies", {}, format="json"),
    api.get("/api/v1/nothing"),
):
    answers.append(
        [response.status_code, response["Content-Type"], response.get("Retry-After"),
         json.loads(response.content)]
    )
print(json.dumps(answers))
"""


def test_service_answers_without_a_database() -> None:
    environment = os.environ | {
        "DATABASE_URL": "postgresql://tuner@127.0.0.1:1/away",
        "DB_POOL_TIMEOUT": "1",
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "ALLOWED_HOSTS": "testserver",
    }
    done = subprocess.run(
        [sys.executable, "-c", AWAY, json.dumps(BODY)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    health, ready, listed, created, invalid, unknown = json.loads(done.stdout)
    assert health[0] == 200
    unavailable = health[3].pop("unavailable")
    assert health[3] == {"status": "degraded", "version": __version__, "storage_connected": False}
    assert unavailable == missing_samplers()
    assert ready[0] == 503
    assert ready[3] == {"status": "not_ready", "reason": "the database cannot be reached"}
    for status, kind, retry_after, document in (listed, created):
        assert (status, kind, retry_after) == (503, "application/problem+json", "1")
        assert (document["status"], document["code"]) == (503, "storage_away")
    assert (invalid[0], invalid[3]["code"]) == (400, "invalid")
    assert (unknown[0], unknown[3]["code"]) == (404, "not_found")


# Health ----------------------------------------------------------------------------------


def test_health_is_healthy(api: APIClient, settings: Settings) -> None:
    response = api.get("/api/v1/health")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.json() == {
        "status": "healthy",
        "version": settings.VERSION,
        "storage_connected": True,
        "unavailable": missing_samplers(),
    }


def test_ready_is_ready(api: APIClient) -> None:
    response = api.get("/api/v1/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.django_db(transaction=True)
def test_ready_reports_a_missing_migration(api: APIClient) -> None:
    row = ("trials", "0001_initial")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_migrations SET name = 'other' WHERE app = %s AND name = %s", row
        )
        try:
            response = api.get("/api/v1/ready")
            health = api.get("/api/v1/health")
        finally:
            cursor.execute(
                "UPDATE django_migrations SET name = %s WHERE app = %s AND name = 'other'",
                row[::-1],
            )
    assert (response.status_code, response.json()) == (
        503,
        {
            "status": "not_ready",
            "reason": "migration trials.0001_initial is missing: run manage.py migrate",
        },
    )
    assert health.json()["status"] == "healthy"
    forget()
    assert api.get("/api/v1/ready").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_ready_reports_a_missing_migration_of_optuna(api: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM optuna.alembic_version")
        (revision,) = cursor.fetchone()
        cursor.execute("UPDATE optuna.alembic_version SET version_num = 'v2.6.0.a'")
        try:
            response = api.get("/api/v1/ready")
        finally:
            cursor.execute("UPDATE optuna.alembic_version SET version_num = %s", [revision])
    assert response.status_code == 503
    assert response.json()["status"] == "not_ready"
    assert "revision v2.6.0.a" in response.json()["reason"]
    forget()
    assert api.get("/api/v1/ready").status_code == 200


PROBES = ["/api/v1/health", "/api/v1/ready"]
ASKED: list[int] = []


def noted_check(cursor: psycopg.Cursor[Any]) -> None:
    ASKED.append(cursor.connection.info.backend_pid)


def test_probes_share_and_keep_one_database_check(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any client may ask, and each request would take a connection outside the pool."""
    monkeypatch.setattr(extensions, "READINESS_CHECKS", [noted_check])
    ASKED.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda path: Client().get(path), PROBES * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert len(ASKED) == 1
    forget()
    assert api.get("/api/v1/ready").status_code == 200
    assert len(ASKED) == 2
