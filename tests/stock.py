"""Stock Optuna, as somebody else's tool would use it on the tests' database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import connection
from optuna.storages import RDBStorage
from sqlalchemy import URL


def stock_url(schema: str) -> str:
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


def stock_storage(schema: str) -> AbstractContextManager[RDBStorage]:
    """Optuna's own storage on connections of its own, which see what is committed."""
    return storage_at(stock_url(schema))


@contextmanager
def storage_at(url: str) -> Iterator[RDBStorage]:
    """Optuna's own storage, whose connections are closed in the end."""
    storage = RDBStorage(url)
    try:
        yield storage
    finally:
        storage.scoped_session.remove()
        storage.engine.dispose()
