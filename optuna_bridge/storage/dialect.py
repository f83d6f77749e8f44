"""A SQLAlchemy dialect that uses Django's connection and transactions.

Each transaction of SQLAlchemy is a block of `transaction.atomic()`. So Optuna's writes belong to
the enclosing Django transaction and are rolled back with it.
"""

from typing import Any

from django.db import connection, transaction
from sqlalchemy import create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

URL = "postgresql+django://"
registry.register("postgresql.django", __name__, "DjangoDialect")


class DjangoDialect(PGDialect_psycopg):
    """The psycopg dialect on a connection that Django manages."""

    driver = "django"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        atomic = transaction.atomic()
        atomic.__enter__()
        _open_blocks(dbapi_connection).append(atomic)

    def do_commit(self, dbapi_connection: Any) -> None:
        blocks = _open_blocks(dbapi_connection)
        if blocks:
            blocks.pop().__exit__(None, None, None)

    def do_rollback(self, dbapi_connection: Any) -> None:
        blocks = _open_blocks(dbapi_connection)
        if blocks:
            transaction.set_rollback(True)
            blocks.pop().__exit__(None, None, None)

    def do_close(self, dbapi_connection: Any) -> None:
        """Leave the connection open, since Django manages it."""

    do_terminate = do_close


def engine_kwargs() -> dict[str, Any]:
    """Return the arguments of `create_engine` for an engine on Django's connection."""
    return {
        "creator": _djangos_connection,
        "poolclass": NullPool,
        "pool_reset_on_return": None,
        "use_native_hstore": False,
    }


def engine(schema: str) -> Engine:
    """Create an engine on Django's connection, with its tables in `schema`."""
    mapped = {"schema_translate_map": {None: schema}}
    return create_engine(URL, execution_options=mapped, **engine_kwargs())


def _djangos_connection() -> Any:
    connection.ensure_connection()
    return connection.connection


def _open_blocks(dbapi_connection: Any) -> list[transaction.Atomic]:
    """Return the stack of atomic blocks that SQLAlchemy opened, kept on their connection."""
    return dbapi_connection.__dict__.setdefault("_optuna_blocks", [])
