from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.support.database import connected_to, create_database, drop_database

MIGRATED = "upgrade_migrated"


@pytest.fixture(scope="session")
def database_names(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Lets tests connect; gives a beginning of names, which other processes of tests do not use."""
    with django_db_blocker.unblock():
        yield f"{connection.settings_dict['NAME']}_"


@pytest.fixture(scope="session")
def migrated(database_names: str) -> Iterator[str]:
    """The name of a database that is migrated, and empty."""
    name = f"{database_names}{MIGRATED}"
    create_database(name)
    with connected_to(name):
        call_command("migrate", verbosity=0)
    yield name
    drop_database(name)


@pytest.fixture
def fresh(migrated: str, database_names: str) -> Iterator[str]:
    """Django works on a database of this test, which is migrated and empty."""
    name = f"{database_names}fresh"
    create_database(name, template=migrated)
    with connected_to(name):
        yield name
    drop_database(name)
