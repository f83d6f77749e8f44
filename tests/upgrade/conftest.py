from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.support.database import connected_to, create_migrated_database, drop_database


@pytest.fixture(scope="session")
def database_names(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Let tests connect; a prefix of names that other processes of tests do not use."""
    with django_db_blocker.unblock():
        yield f"{connection.settings_dict['NAME']}_"


@pytest.fixture
def fresh(database_names: str) -> Iterator[str]:
    """Django works on a database of this test, which is migrated and empty."""
    name = f"{database_names}fresh"
    create_migrated_database(name)
    with connected_to(name):
        yield name
    drop_database(name)
