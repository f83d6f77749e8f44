from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, text

from optuna_bridge.storage.schema import (
    REVISION,
    SchemaMismatch,
    create_optuna_schema,
    current_revision,
    wrong_revision,
)
from tests.support.optuna_oracle import optuna_url, rdb_storage

SCRATCH = "stock_optuna"


@pytest.fixture(scope="module")
def scratch(django_db_setup: None) -> Iterator[RDBStorage]:
    """A stock storage that has created its tables in a schema of its own."""
    engine = create_engine(optuna_url(SCRATCH))
    with engine.begin() as sqlalchemy:
        sqlalchemy.execute(text(f"DROP SCHEMA IF EXISTS {SCRATCH} CASCADE"))
        sqlalchemy.execute(text(f"CREATE SCHEMA {SCRATCH}"))
    with rdb_storage(SCRATCH) as storage:
        yield storage
    with engine.begin() as sqlalchemy:
        sqlalchemy.execute(text(f"DROP SCHEMA {SCRATCH} CASCADE"))
    engine.dispose()


def rows(statement: str, *arguments: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall() if cursor.description else []


def schema_exists() -> bool:
    return rows("SELECT 1 FROM pg_namespace WHERE nspname = 'optuna'") != []


def described(schema: str) -> dict[str, list[tuple]]:
    """All that makes up the tables of a schema, its own name left out."""
    statements = {
        "columns": "SELECT table_name, ordinal_position, column_name, data_type, udt_name, "
        "is_nullable, character_maximum_length, numeric_precision, datetime_precision, "
        "replace(column_default, %s || '.', '') "
        "FROM information_schema.columns WHERE table_schema = %s",
        "constraints": "SELECT conrelid::regclass::text, conname, "
        "replace(pg_get_constraintdef(oid), %s || '.', '') "
        "FROM pg_constraint WHERE connamespace = %s::regnamespace",
        "indexes": "SELECT tablename, indexname, replace(indexdef, %s || '.', '') "
        "FROM pg_indexes WHERE schemaname = %s",
        "sequences": "SELECT replace(sequencename, %s || '.', ''), data_type::text, start_value, "
        "increment_by, cycle FROM pg_sequences WHERE schemaname = %s",
        "enums": "SELECT replace(t.typname, %s || '.', ''), e.enumsortorder, e.enumlabel "
        "FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid "
        "WHERE t.typnamespace = %s::regnamespace",
        "version": f"SELECT %s, %s, * FROM {schema}.version_info",
    }
    found = {
        name: sorted(rows(each, schema, schema), key=repr) for name, each in statements.items()
    }
    strip = f"{schema}."
    found["constraints"] = sorted(
        (table.removeprefix(strip), *rest) for table, *rest in found["constraints"]
    )
    found["version"] = [row[2:] for row in found["version"]]
    return found


def test_revision_is_the_head_of_stock_optuna(scratch):
    assert scratch.get_head_version() == REVISION
    assert scratch.get_current_version() == REVISION


def test_migrated_tables_equal_stock_optunas(db, scratch):
    ours, stock = described("optuna"), described(SCRATCH)
    assert ours == stock
    assert len({row[0] for row in ours["columns"]}) == 13
    assert rows("TABLE optuna.alembic_version") == rows(f"TABLE {SCRATCH}.alembic_version")


def test_stock_optuna_accepts_the_migrated_schema(db):
    with rdb_storage("optuna") as storage:
        assert storage.get_current_version() == storage.get_head_version()
        assert storage.get_all_studies() == []


def test_create_keeps_a_schema_of_the_right_version(db):
    rows("INSERT INTO optuna.studies (study_name) VALUES ('theirs')")
    before = described("optuna")
    create_optuna_schema(None, None)
    assert rows("SELECT study_name FROM optuna.studies") == [("theirs",)]
    assert described("optuna") == before


def test_create_refuses_a_schema_of_another_version(db):
    rows("UPDATE optuna.alembic_version SET version_num = 'v2.6.0.a'")
    with pytest.raises(SchemaMismatch, match=r"revision v2\.6\.0\.a, but Optuna 5\.\S+ needs v3"):
        create_optuna_schema(None, None)


@pytest.mark.parametrize("is_there", [True, False], ids=["empty schema", "no schema"])
def test_create_makes_the_tables(db, is_there):
    before = described("optuna")
    rows("DROP SCHEMA optuna CASCADE")
    if is_there:
        rows("CREATE SCHEMA optuna")
    create_optuna_schema(None, None)
    assert described("optuna") == before
    assert rows("TABLE optuna.alembic_version") == [(REVISION,)]


def test_create_leaves_nothing_after_a_rollback(db):
    rows("DROP SCHEMA optuna CASCADE")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        create_optuna_schema(None, None)
        assert schema_exists()
        raise ZeroDivisionError
    assert not schema_exists()
    # Neither in the transaction's search path's schema, where a lost setting would put them.
    assert rows("SELECT to_regclass('public.trials'), to_regclass('public.alembic_version')") == [
        (None, None)
    ]


@pytest.mark.parametrize("path", ['"$user", public', "public, pg_catalog"])
def test_create_restores_the_search_path(db, path):
    rows("DROP SCHEMA optuna CASCADE")
    rows("SELECT set_config('search_path', %s, true)", path)
    create_optuna_schema(None, None)
    assert rows("SHOW search_path") == [(path,)]


def test_revision_of_an_absent_schema_is_none_and_wrong(db):
    rows("DROP SCHEMA optuna CASCADE")
    with connection.cursor() as cursor:
        assert current_revision(cursor) is None
        assert "revision None" in (wrong_revision(cursor) or "")


def test_revision_of_the_migrated_schema_is_right(db):
    with connection.cursor() as cursor:
        assert wrong_revision(cursor) is None


def test_introspection_leaves_out_optunas_tables(db):
    theirs = {name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname='optuna'")}
    assert len(theirs) == 13
    assert theirs.isdisjoint(connection.introspection.table_names())
