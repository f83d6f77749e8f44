"""The tests' PostgreSQL: an early pytest plugin that starts it, and helpers that use it directly.

The plugin gives Django's settings the database of TEST_DATABASE_URL, or an embedded PostgreSQL with
a data folder of its own.
"""

import gc
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.support import ROOT

# The plugin -------------------------------------------------------------------------------

# Processes of the tests compile a module once, also where this is set for other reasons.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Neither a developer's .env nor the database that they work on affects the tests.
for name in ("DATABASE_URL", "DEBUG", "ALLOWED_HOSTS", "HTTPS", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)
for name in ("SAMPLER", "PRUNER", "LEASE_SECONDS"):
    os.environ.pop(f"DEFAULT_{name}", None)
os.environ |= {"TUNER_ENV_FILE": os.devnull, "SECRET_KEY": "tests"}
# Open, whatever the database: tests of access close it. No timeout: the machine may be busy.
os.environ |= {"AUTH_REQUIRED": "false", "DB_STATEMENT_TIMEOUT": "0"}
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
else:
    os.environ["TUNER_DATA_DIR"] = str(ROOT / ".data-of-tests")

_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    from tuner_project.db.database import running_database

    _stack.enter_context(running_database())
    if not os.environ.get("TEST_DATABASE_URL"):
        _configure_server()


def _configure_server() -> None:
    """Let the tests' own server commit without waiting for the disk, and do nothing by itself.

    After a crash of the machine its data folder may be damaged: delete it. The autovacuum would
    count rows at any moment, on which the plans of statements depend.
    """
    parameters = connection.get_connection_params() | {"user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**parameters, autocommit=True) as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            server.execute(f"ALTER SYSTEM SET {name} = off")
        server.execute("SELECT pg_reload_conf()")


@pytest.hookimpl
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let garbage collections pass over the imported libraries and the collected tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    from tuner_project.db.database import close_pool

    close_pool()
    _stack.close()


# Statements -------------------------------------------------------------------------------


@contextmanager
def recorded_statements() -> Iterator[list[tuple[str, Any]]]:
    """Record the statements that run on Django's connection in the block, with their parameters.

    Django's own log does not know the text of prepared statements.
    """
    statements: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield statements


@contextmanager
def session_setting(name: str, value: str) -> Iterator[None]:
    """Set a variable of PostgreSQL's session in the block."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET {name} = {value}")
        try:
            yield
        finally:
            cursor.execute(f"RESET {name}")


def database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now


def move_leases_into_past() -> None:
    """Move the expiry of all leases, on trials and on studies, one hour back."""
    with connection.cursor() as cursor:
        for table, column in (
            ("trials_trial", "lease_expires_at"),
            ("studies_study", "next_lease_expiry"),
        ):
            cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '1 hour'")


# Concurrency ------------------------------------------------------------------------------


def call_and_close_connection(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a thread of a pool, and close the thread's connection afterwards."""
    try:
        return function(*arguments)
    finally:
        connection.close()


def wait_for_lock_waiters(n: int) -> None:
    """Wait until n statements wait for a lock in this database."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps it
            cursor.execute(
                "SELECT FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.rowcount >= n:
                return
        time.sleep(0.01)
    raise AssertionError(f"fewer than {n} wait for a lock")


# The tables -------------------------------------------------------------------------------

# What `migrate` writes, and tests only read.
_KEPT_TABLES = {
    "public.django_migrations",
    "public.django_content_type",
    "public.auth_permission",
    "optuna.alembic_version",
    "optuna.version_info",
}


def empty_tables() -> None:
    """Empty the tables that have rows, of both schemas.

    Django's `flush` empties all tables of its own schema, and then writes the content types and
    the permissions again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_tables_with_rows())
        if tables := [table for (table,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


@cache
def _tables_with_rows() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname IN ('public', 'optuna')"
        )
        tables = {table for (table,) in cursor.fetchall()} - _KEPT_TABLES
    return " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in sorted(tables)
    )


# Further databases ------------------------------------------------------------------------

_TEMPLATE = "tuner_template"
_TEMPLATE_LOCK = 0x7465737473  # "tests"


def create_migrated_database(name: str) -> None:
    """Create a migrated, empty database as a copy of a template.

    The template is made once for all processes and runs, until the product or what is installed
    changes.
    """
    template = f"{_TEMPLATE}_{_fingerprint()}"
    with _connected_to_server() as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])  # until it is closed
        found = server.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_TEMPLATE]
        ).fetchall()
        if (template,) not in found:
            for (old,) in found:
                drop_database(old)
            _create_template(template)
        create_database(name, template=template)


def _create_template(name: str) -> None:
    from django.core.management import call_command

    unfinished = f"{_TEMPLATE}_unfinished"
    create_database(unfinished)
    with connected_to(unfinished):
        call_command("migrate", verbosity=0)
    _run_on_server("ALTER DATABASE {} RENAME TO {}", unfinished, name)


@cache
def _fingerprint() -> str:
    """A hash of the product's code and of the installed packages' versions."""
    content = hashlib.sha256()
    for package in sorted(file.parent for file in ROOT.glob("*/__init__.py")):
        if package.name not in {"bench", "tests"}:
            for file in sorted(package.rglob("*.py")):
                content.update(file.read_bytes())
    for name in sorted(f"{each.name} {each.version}" for each in metadata.distributions()):
        content.update(name.encode())
    return content.hexdigest()[:16]


def database_url(name: str) -> str:
    """The URL of another database on the tests' server."""
    parameters = connection.get_connection_params()
    names = ("user", "password", "host", "port")
    query = {name: str(parameters[name]) for name in names if parameters.get(name)}
    return f"postgresql://?{urlencode(query | {'dbname': name})}"


def create_database(name: str, *, template: str = "template0") -> None:
    """Create a database, empty or as a copy of one to which there is no connection."""
    drop_database(name)
    _run_on_server("CREATE DATABASE {} TEMPLATE {}", name, template)


def drop_database(name: str) -> None:
    """Drop a database after its connections; FORCE may not end an autovacuum worker's."""
    with _connected_to_server() as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND usename = current_user",
            [name],
        )
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def connected_to(name: str) -> Iterator[None]:
    """Let Django work on this database in the block."""
    before = {key: connection.settings_dict[key] for key in ("NAME", "OPTIONS")}
    # Without a pool, whose threads may still connect when it is closed.
    _change_connection({"NAME": name, "OPTIONS": before["OPTIONS"] | {"pool": False}})
    try:
        yield
    finally:
        _change_connection(before)


def _change_connection(settings: dict[str, Any]) -> None:
    from django.contrib.contenttypes.models import ContentType

    from studies.models.definitions import definitions
    from trials.sampling.session_registry import session_registry
    from tuner_project.db.database import close_pool

    close_pool()
    connection.settings_dict.update(settings)
    # What a process remembers of its database.
    session_registry.clear()
    definitions.clear()
    ContentType.objects.clear_cache()


def _run_on_server(statement: str, *names: str) -> None:
    with _connected_to_server() as server:
        server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _connected_to_server() -> psycopg.Connection[Any]:
    """A connection that autocommits, to the database that all servers have."""
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    return psycopg.connect(**parameters, autocommit=True)
