"""Faults of the database: a 503 with the reason, and no partial write."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import ROOT, X_SPACE
from tests.support.api_client import STUDIES, STUDY_URL, assert_problem
from tests.support.database import session_setting
from transfer.api import spooling
from trials.models import Trial
from tuner_project.db.database import direct_cursor, lift_statement_timeout
from tuner_project.db.faults import AWAY, fault_of
from tuner_project.db.pool import PoolConnection

SUGGEST = f"{STUDY_URL}/trials/suggest"
BODY = {"name": "new", "search_space": X_SPACE}
EXPORT = "/api/v1/studies/search/export"


def let_writes_run(table: str, code: str) -> None:
    """Run PL/pgSQL at each write to a table, until the test's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION pg_temp.failing() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {code}; RETURN NEW; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER failing AFTER INSERT OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION pg_temp.failing()"
        )


def let_writes_work(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER failing ON {table}")


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("sqlstate", "code", "wait"),
    [
        ("08006", "storage_away", "1"),
        ("08P01", "storage_away", "1"),
        ("25P03", "storage_away", "1"),
        ("57P01", "storage_away", "1"),
        ("57P03", "storage_away", "1"),
        ("58030", "storage_away", "1"),
        ("53000", "storage_busy", "2"),
        ("53200", "storage_busy", "2"),
        ("53300", "storage_busy", "2"),
        ("57014", "storage_busy", "2"),
        ("40001", "storage_busy", "2"),
        ("40P01", "storage_busy", "2"),
        ("55P03", "storage_busy", "2"),
        ("53100", "storage_full", "30"),
        ("25006", "storage_read_only", "5"),
    ],
)
def test_fault_is_named_and_rolled_back(
    api: APIClient, study: dict[str, Any], sqlstate: str, code: str, wait: str
) -> None:
    for table, url, body in (
        ("optuna.studies", STUDIES, BODY),
        ("optuna.trial_params", SUGGEST, None),
    ):
        let_writes_run(table, f"RAISE EXCEPTION 'secret' USING ERRCODE = '{sqlstate}'")
        response = api.post(url, body)
        document = assert_problem(response, 503, code)
        assert response["Retry-After"] == wait
        assert "secret" not in json.dumps(document)
        let_writes_work(table)
    assert (Study.objects.count(), count("optuna.studies")) == (1, 1)
    assert (Trial.objects.count(), count("optuna.trials")) == (0, 0)
    assert api.post(STUDIES, BODY).status_code == 201
    assert api.post(SUGGEST).json()["trial_id"] == 0


@pytest.mark.parametrize("sqlstate", ["XX000", "42P01", "54001"])
def test_permanent_failure_is_a_server_error(api: APIClient, sqlstate: str) -> None:
    api.raise_request_exception = False
    let_writes_run("optuna.studies", f"RAISE EXCEPTION 'x' USING ERRCODE = '{sqlstate}'")
    assert_problem(api.post(STUDIES, BODY), 500, "server_error")
    assert Study.objects.count() == 0


def message(kind: bytes, content: bytes) -> bytes:
    """A message of PostgreSQL's protocol."""
    return kind + (len(content) + 4).to_bytes(4, "big") + content


def serve_until_the_commit(listener: socket.socket) -> None:
    """Serve one connection as a PgBouncer whose server is lost in the middle of a COMMIT."""
    done = {word: message(b"C", word + b"\0") for word in (b"BEGIN", b"COMMIT")}
    last_words = message(b"E", b"SFATAL\0VFATAL\0Mserver conn crashed?\0\0")
    client, _ = listener.accept()
    with client:
        client.recv(1000)  # the startup message
        client.sendall(message(b"R", bytes(4)) + message(b"Z", b"I"))
        while b"COMMIT" not in client.recv(1000):
            client.sendall(done[b"BEGIN"] + message(b"Z", b"T"))
        client.sendall(done[b"COMMIT"] + last_words)


def test_connection_lost_in_a_commit_is_an_absent_storage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_until_the_commit, args=[listener])
        server.start()
        url = f"postgresql://x@127.0.0.1:{listener.getsockname()[1]}/x?sslmode=disable"
        lost = psycopg.connect(f"{url}&gssencmode=disable")
        lost.execute("SELECT 1")
        with pytest.raises(psycopg.InternalError, match="received 2 results") as caught:
            lost.commit()
        lost.close()
        server.join()
    assert fault_of(caught.value) == AWAY


def test_statement_timeout_is_a_busy_storage(api: APIClient) -> None:
    let_writes_run("optuna.studies", "PERFORM pg_sleep(30)")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 100")
        assert_problem(api.post(STUDIES, BODY), 503, "storage_busy")
        cursor.execute("SET LOCAL statement_timeout = 0")
    assert Study.objects.count() == 0


def full_file(**more: Any) -> Any:
    return Path("/dev/full").open("w+b", 0)


def test_full_disk_of_the_service_is_reported(
    api: APIClient, study: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = b"".join(api.get(EXPORT)).decode()
    monkeypatch.setattr(spooling, "IN_MEMORY", 10)  # what is larger goes to a file, which is full
    monkeypatch.setattr(tempfile, "TemporaryFile", full_file)
    response = api.generic("POST", "/api/v1/studies/import", file, "application/x-ndjson")
    for each in (api.get(EXPORT), response):
        assert_problem(each, 503, "service_full")
        assert each["Retry-After"] == "30"
    assert Study.objects.count() == 1


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Another session holds the whole table."""
    with direct_cursor(timeout=10) as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.django_db(transaction=True)
def test_lock_timeout_is_a_busy_storage(api: APIClient, study: dict[str, Any]) -> None:
    with session_setting("lock_timeout", "100"), locked("studies_study"):
        assert_problem(api.get(STUDIES), 503, "storage_busy")
        assert_problem(api.post(SUGGEST), 503, "storage_busy")
    assert Trial.objects.count() == 0
    assert api.post(SUGGEST).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_standby_reads_and_refuses_writes(api: APIClient, study: dict[str, Any]) -> None:
    with session_setting("default_transaction_read_only", "on"):
        assert api.get(STUDIES).status_code == 200
        assert_problem(api.post(STUDIES, BODY), 503, "storage_read_only")
    assert api.post(STUDIES, BODY).status_code == 201


# Pages -----------------------------------------------------------------------------------


def assert_is_page(response: Any, wait: str) -> None:
    assert (response.status_code, response["Retry-After"]) == (503, wait)
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>Not available now</h1>" in response.content


@pytest.mark.django_db(transaction=True)
def test_admin_page_reports_the_fault(staff_client: Callable[..., Client]) -> None:
    client = staff_client("view_study")
    with session_setting("lock_timeout", "100"):
        for table in ("studies_study", "django_session"):
            with locked(table):
                assert_is_page(client.get("/admin/studies/study/"), "2")
    assert client.get("/admin/studies/study/").status_code == 200


def failing_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        get_response(request)
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$")
        raise AssertionError

    return middleware


@pytest.mark.django_db(transaction=True)
def test_fault_in_a_middleware_is_reported_alike(api: APIClient, settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.failing_middleware"]
    api.raise_request_exception = False
    assert_is_page(api.get("/favicon.ico"), "30")
    assert_problem(api.get("/api/v1/nothing"), 503, "storage_full")


# Connections -----------------------------------------------------------------------------

BUSY = """
import sys, threading
from django.db import connection
import django
django.setup()
from rest_framework.test import APIClient
connection.ensure_connection()  # the only one
def ask():
    response = APIClient().get("/api/v1/studies")
    print(response.status_code, response.json()["code"], response["Retry-After"])
thread = threading.Thread(target=ask)
thread.start()
thread.join()
connection.close()
from tuner_project.db.database import close_pool
close_pool()
"""


def test_exhausted_pool_is_a_busy_storage(django_db_setup: None) -> None:
    of_tests = connection.get_connection_params()
    names = {name: of_tests[name] for name in ("dbname", "user", "host", "port")}
    query = "&".join(f"{name}={value}" for name, value in names.items())
    done = subprocess.run(
        [sys.executable, "-c", BUSY],
        env=os.environ | {
            "DATABASE_URL": f"postgresql://?{query}", "DJANGO_SETTINGS_MODULE":
            "tuner_project.settings", "ALLOWED_HOSTS": "testserver", "WEB_THREADS": "1",
            "DB_POOL_MAX_SIZE": "1", "DB_POOL_TIMEOUT": "1",
        },
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("503 storage_busy 2\n", 0), done.stderr


@pytest.fixture
def new_connection(
    django_db_setup: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PoolConnection]:
    def connect(*, timeout: int, has_sessions: bool) -> PoolConnection:
        monkeypatch.setattr(PoolConnection, "statement_timeout", timeout)
        monkeypatch.setattr(PoolConnection, "has_sessions", has_sessions)
        return PoolConnection.connect(**connection.get_connection_params())

    return connect


def timeout_of(cursor: Any) -> str:
    cursor.execute("SHOW statement_timeout")
    return str(cursor.fetchone()[0])


def test_session_has_timeouts(new_connection: Callable[..., PoolConnection]) -> None:
    with new_connection(timeout=7000, has_sessions=True) as direct:
        direct.autocommit = True
        assert timeout_of(direct.cursor()) == "7s"
        with pytest.raises(psycopg.errors.QueryCanceled):
            direct.execute("SET statement_timeout = 50; SELECT pg_sleep(30)")


def test_transaction_has_timeouts_behind_a_pooler(
    new_connection: Callable[..., PoolConnection],
) -> None:
    with new_connection(timeout=7000, has_sessions=False) as direct:
        for _ in range(2):
            assert timeout_of(direct.cursor()) == "7s"
            direct.commit()
        with direct.pipeline(), direct.cursor() as cursor:
            assert timeout_of(cursor) == "7s"
        direct.rollback()
        direct.autocommit = True
        assert timeout_of(direct.cursor()) == "0"


def test_command_has_no_timeouts_behind_a_pooler(
    new_connection: Callable[..., PoolConnection],
) -> None:
    with new_connection(timeout=0, has_sessions=False) as direct:
        direct.execute("SET statement_timeout = 7000")  # as its connect_query does
        direct.commit()
        assert timeout_of(direct.cursor()) == "0"
        direct.rollback()
        direct.autocommit = True
        assert timeout_of(direct.cursor()) == "7s"


@pytest.mark.parametrize("pooler", ["true", "false"])
def test_commands_use_the_pooler_setting(pooler: str) -> None:
    show = "from tuner_project.db.pool import PoolConnection; print(PoolConnection.has_sessions)"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", show],
        env=os.environ | {"DB_POOLER": pooler, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
                          "SECRET_KEY": "x" * 50},
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == (str(pooler == "false"), 0), done.stderr


def test_reading_all_trials_has_no_timeout(api: APIClient, study: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 7000")
        lift_statement_timeout()
        assert timeout_of(cursor) == "0"
    for method, url in (("get", EXPORT), ("delete", "/api/v1/studies/search")):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 7000")
            response = getattr(api, method)(url)
            if response.streaming:
                list(response.streaming_content)
            assert timeout_of(cursor) == "0"


@pytest.mark.django_db(transaction=True)
def test_fault_in_a_pipeline_keeps_its_name(api: APIClient, study: dict[str, Any]) -> None:
    """What a receiver sends is not answered before the next statement is sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION public.failing() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER failing AFTER INSERT ON trials_trial "
            "FOR EACH ROW EXECUTE FUNCTION public.failing()"
        )
        try:
            response = api.post(SUGGEST)
        finally:
            cursor.execute("DROP FUNCTION public.failing CASCADE")
    assert_problem(response, 503, "storage_full")
    assert (Trial.objects.count(), count("optuna.trials")) == (0, 0)
