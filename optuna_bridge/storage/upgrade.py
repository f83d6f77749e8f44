"""Upgrade of Optuna's tables to the revision that the installed Optuna needs, by its own scripts.

The command `migrate` runs it before Django's migrations, in one transaction on Django's connection.
"""

import warnings
from pathlib import Path
from typing import Any

import optuna
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from django.db import connection, transaction
from optuna.storages import _rdb  # the migration scripts and tables have no public name
from optuna.storages._rdb.models import SCHEMA_VERSION, BaseModel
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.dialect import URL, engine_kwargs
from optuna_bridge.storage.schema import (
    REVISION,
    SchemaMismatch,
    current_revision,
    has_tables,
    unqualified_names,
)


@transaction.atomic
def upgrade_optuna_schema() -> str | None:
    """Upgrade Optuna's tables if their revision is older than the needed one.

    Returns:
        The revision that the tables had; None if they are up to date or do not exist yet.

    Raises:
        SchemaMismatch: they cannot be upgraded; nothing is changed.
    """
    with connection.cursor() as cursor:
        if current_revision(cursor) == REVISION or not has_tables(cursor):
            return None
        if current_revision(cursor) is None:
            raise SchemaMismatch(
                f"schema {SCHEMA} holds tables without a revision (alembic_version): they are not "
                "Optuna's, or of an Optuna before 0.9, and cannot be upgraded"
            )
        # If two processes migrate at the same time, the second one waits and has nothing to do.
        cursor.execute(f"LOCK TABLE {SCHEMA}.alembic_version IN EXCLUSIVE MODE")
        found = current_revision(cursor)
        if found == REVISION:
            return None
        config = Config()
        folder = str(Path(_rdb.__file__).parent / "alembic")
        config.set_main_option("script_location", folder.replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        if found not in {script.revision for script in scripts.walk_revisions(head=REVISION)}:
            raise SchemaMismatch(
                f"schema {SCHEMA} holds Optuna's tables in revision {found}, which Optuna "
                f"{optuna.__version__} does not know: a newer Optuna made them, and so a newer "
                "version of this service is needed"
            )
        with unqualified_names(cursor):
            _upgrade(config, scripts, found)
        cursor.execute(
            f"UPDATE {SCHEMA}.version_info SET schema_version = %s, library_version = %s",
            [SCHEMA_VERSION, optuna.__version__],
        )
    return found


def _upgrade(config: Config, scripts: ScriptDirectory, found: str | None) -> None:
    # Replaces Optuna's alembic/env.py, which opens its own connection.
    environment = EnvironmentContext(
        config, scripts, fn=lambda revision, _: scripts._upgrade_revs(REVISION, revision)
    )
    # A new engine, since an engine determines its default schema at its first connection.
    engine = create_engine(URL, **engine_kwargs())
    try:
        with engine.begin() as sqlalchemy, environment, warnings.catch_warnings():
            # The scripts read old distributions by deprecated classes, which warn.
            warnings.simplefilter("ignore", FutureWarning)
            environment.configure(
                connection=sqlalchemy, target_metadata=BaseModel.metadata, render_as_batch=True
            )
            environment.run_migrations()
            differing = _differences(environment)
    except (SQLAlchemyError, ValueError, AssertionError) as error:  # what the scripts raise
        raise SchemaMismatch(
            f"Optuna's tables cannot be upgraded from revision {found} to {REVISION}: {error}"
        ) from error
    if differing:
        raise SchemaMismatch(
            f"Optuna's scripts upgraded its tables from revision {found} to {REVISION}, but not "
            f"to those that it needs: {differing}"
        )


def _differences(environment: EnvironmentContext) -> list[Any]:
    """Return the differences from Optuna's tables, except indexes: scripts name them otherwise."""
    found = compare_metadata(environment.get_context(), BaseModel.metadata)
    return [each for each in found if each[0] not in ("add_index", "remove_index")]
