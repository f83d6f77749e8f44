"""Optuna's tables brought to the revision that this version needs, by Optuna's own scripts.

`migrate` does it before its own migrations, in one transaction on Django's connection.
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
from optuna.storages import _rdb  # its scripts and its tables have no public name
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
    """Upgrade Optuna's tables where they are older; gives the revision that they had.

    None where there is nothing to do: they are right, or are not there yet. Raises
    `SchemaMismatch`, with nothing changed, where they cannot be upgraded.
    """
    with connection.cursor() as cursor:
        if current_revision(cursor) == REVISION or not has_tables(cursor):
            return None
        if current_revision(cursor) is None:
            raise SchemaMismatch(
                f"schema {SCHEMA} holds tables without a revision (alembic_version): they are not "
                "Optuna's, or of an Optuna before 0.9, and cannot be upgraded"
            )
        # Of two that migrate at the same time, the second finds the work done.
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
    # Replaces Optuna's alembic/env.py, which connects by itself.
    environment = EnvironmentContext(
        config, scripts, fn=lambda revision, _: scripts._upgrade_revs(REVISION, revision)
    )
    # A new engine: it learns at its first connection in which schema unqualified tables are.
    engine = create_engine(URL, **engine_kwargs())
    try:
        with engine.begin() as sqlalchemy, environment, warnings.catch_warnings():
            # Of the deprecated classes in which scripts read the distributions of old.
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
    """How the tables are not Optuna's; an index has another name where a script made it."""
    found = compare_metadata(environment.get_context(), BaseModel.metadata)
    return [each for each in found if each[0] not in ("add_index", "remove_index")]
