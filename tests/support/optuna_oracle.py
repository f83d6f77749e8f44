"""Stock Optuna as the oracle: on the service's tables, and in storages of its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from typing import Any

import optuna
from django.core.management import call_command
from django.db import connection
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import URL

from optuna_bridge.storage.storage import DjangoStorage

# On our tables ---------------------------------------------------------------------------


def optuna_url(schema: str) -> str:
    """The URL of the tests' database for SQLAlchemy; unqualified tables are those of `schema`."""
    given = connection.settings_dict
    query = {"host": given["HOST"], "port": str(given["PORT"])}
    url = URL.create(
        "postgresql+psycopg",
        username=given["USER"] or None,
        password=given["PASSWORD"] or None,
        database=given["NAME"],
        query={name: value for name, value in query.items() if value}
        | {"options": f"-csearch_path={schema}"},
    )
    return url.render_as_string(hide_password=False)


def rdb_storage(schema: str) -> AbstractContextManager[RDBStorage]:
    """Optuna's own storage on connections of its own, which see what is committed."""
    return rdb_storage_at(optuna_url(schema))


@contextmanager
def rdb_storage_at(url: str) -> Iterator[RDBStorage]:
    """Optuna's own storage, whose connections are closed at the end."""
    storage = RDBStorage(url)
    try:
        yield storage
    finally:
        storage.scoped_session.remove()
        storage.engine.dispose()


def load_optuna_study(name: str = "search") -> optuna.Study:
    """The study as Optuna loads it, on Django's connection."""
    return optuna.load_study(study_name=name, storage=DjangoStorage())


# In its own storages ---------------------------------------------------------------------


def create_optuna_study(url: str, name: str = "stock", **options: Any) -> optuna.Study:
    storage: Any = url if "://" in url else JournalStorage(JournalFileBackend(url))
    return optuna.create_study(study_name=name, storage=storage, **options)


def close_storage(study: optuna.Study) -> None:
    """Close the connections of the study's storage, which would warn otherwise."""
    backend = getattr(study._storage, "_backend", None)
    if isinstance(backend, RDBStorage):
        backend.scoped_session.remove()
        backend.engine.dispose()


def run_import_study(*arguments: str) -> str:
    output = StringIO()
    call_command("import_study", *arguments, stdout=output)
    return output.getvalue()
