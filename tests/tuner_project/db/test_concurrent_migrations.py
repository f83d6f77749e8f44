"""Several processes that migrate an empty database at the same time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.support import ROOT

EMPTY = "test_empty"
ADMIN = """
from django.core.management import call_command
from tuner_project.management.commands.serve import ADMIN_LOCK, Command
from tuner_project.db.database import only_one
call_command("migrate", verbosity=0)
with only_one(ADMIN_LOCK):
    Command()._create_admin()
"""


@pytest.fixture
def empty_database(django_db_setup: None) -> Iterator[str]:
    """The URL of a database without tables."""
    params = connection.get_connection_params()
    server = {name: params[name] for name in ("user", "host", "port")}
    with psycopg.connect(**server, dbname=params["dbname"], autocommit=True) as direct:
        name = sql.Identifier(EMPTY)
        direct.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        direct.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield f"postgresql://?{urlencode(server | {'dbname': EMPTY})}"
        direct.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.mark.accept
def test_concurrent_starts_migrate_one_after_the_other(empty_database: str) -> None:
    environment = os.environ | {"DATABASE_URL": empty_database}
    starting = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", ADMIN],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=300), process.returncode) for process in starting]

    assert [(errors, code) for _, errors, code in ended] == [("", 0)] * 3
    assert sorted("Admin account" in output for output, *_ in ended) == [False, False, True]
    with psycopg.connect(empty_database) as direct:
        users = direct.execute("SELECT username FROM auth_user").fetchall()
        applied = direct.execute("SELECT app, name FROM django_migrations").fetchall()
    assert users == [("admin",)]
    assert len(set(applied)) == len(applied) > 0
