"""An early pytest plugin: gives Django's settings the database of the tests.

That is TEST_DATABASE_URL, or an embedded PostgreSQL with a data folder of its own.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Neither a developer's .env nor the database that they work on have a say in the tests.
for name in ("DATABASE_URL", "DEBUG", "ALLOWED_HOSTS", "HTTPS", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)
for name in ("SAMPLER", "PRUNER", "LEASE_SECONDS"):
    os.environ.pop(f"DEFAULT_{name}", None)
os.environ |= {"TUNER_ENV_FILE": os.devnull, "SECRET_KEY": "tests"}
# Open, whatever the database: tests of access close it. And as patient as a busy machine needs.
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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    from tuner_project.db.database import close_pool

    close_pool()
    _stack.close()
