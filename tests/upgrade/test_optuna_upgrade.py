"""`migrate` upgrades tables of an older Optuna version, with their data."""

import warnings
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from django.core.management import CommandError, call_command
from django.db import connection
from optuna.storages import _rdb
from rest_framework.test import APIClient
from sqlalchemy import NullPool, create_engine

from optuna_bridge.storage.schema import REVISION, wrong_revision
from tests.support.api_client import complete, create_study, suggest, trial_action
from tests.support.optuna_oracle import optuna_url, rdb_storage
from tests.support.study_builders import COMMAND
from transfer.domain.adoption import adopt

NAMES = ("search", "theirs")
pytestmark = pytest.mark.usefixtures("fresh")
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "lr", "low": 1e-5, "high": 0.1, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "categorical", "name": "kind", "choices": ["a", True, 1.5]},
]


@pytest.fixture
def api(fresh: str) -> APIClient:
    client = APIClient()
    client.default_format = "json"
    return client


def execute(*statements: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def play(api: APIClient) -> None:
    """A study with trials of all kinds, and one that stock Optuna made."""
    create_study(api, search_space=SPACE, sampler="random", user_attrs={"team": "vision"})
    for value in (0.25, 1e17, 0.125):
        number = suggest(api)["trial_id"]
        trial_action(api, number, "report", step=1, value=value / 2)
        complete(api, "search", number, value)
    trial_action(api, suggest(api)["trial_id"], "fail", reason="lost")
    suggest(api)
    with rdb_storage("optuna") as storage:
        theirs = optuna.create_study(storage=storage, study_name="theirs")
        theirs.optimize(lambda trial: trial.suggest_float("y", 0, 1), n_trials=3)
        theirs.tell(theirs.ask(), float("inf"))


def seen_by_stock_optuna() -> dict[str, Any]:
    with rdb_storage("optuna") as storage:
        studies = [optuna.load_study(study_name=name, storage=storage) for name in NAMES]
        return {
            study.study_name: (study.directions, study.user_attrs, repr(study.trials))
            for study in studies
        }


def bring_back_to(revision: str) -> None:
    """Give the tables the shape of an earlier revision, by Optuna's scripts where they work."""
    # Optuna's tables and its scripts disagree on the name of this index.
    execute("ALTER INDEX optuna.ix_trials_study_id RENAME TO trials_study_id_key")
    if revision in ("v3.0.0.d", "v3.0.0.c"):
        downgrade(revision)
        return
    downgrade("v3.0.0.c")
    execute(  # what its script does, but for the name of the type
        "ALTER TABLE optuna.trial_intermediate_values DROP COLUMN intermediate_value_type",
        "DROP TYPE optuna.trialintermediatevaluetype",
        "UPDATE optuna.alembic_version SET version_num = 'v3.0.0.b'",
    )
    if revision != "v3.0.0.b":
        downgrade(revision)


def downgrade(revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(_rdb.__file__).parent / "alembic"))
    scripts = ScriptDirectory.from_config(config)
    environment = EnvironmentContext(
        config, scripts, fn=lambda found, _: scripts._downgrade_revs(revision, found)
    )
    engine = create_engine(optuna_url("optuna"), poolclass=NullPool)
    with engine.begin() as sqlalchemy, environment, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of distributions that Optuna has no more
        environment.configure(connection=sqlalchemy, render_as_batch=True)
        environment.run_migrations()


def migrate() -> str:
    written = StringIO()
    call_command("migrate", stdout=written)
    return written.getvalue()


def refusal() -> str:
    """What `migrate` is refused with, which changes nothing."""
    before = contents()
    with pytest.raises(CommandError) as refused:
        migrate()
    assert contents() == before
    return str(refused.value)


def contents() -> list[tuple[Any, ...]]:
    columns = execute(
        "SELECT table_name, column_name, udt_name, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'optuna' ORDER BY 1, 2"
    )
    revision = execute("TABLE optuna.alembic_version") if is_stamped() else []
    return columns + revision + execute("SELECT * FROM optuna.studies ORDER BY 1")


def is_stamped() -> bool:
    return execute("SELECT to_regclass('optuna.alembic_version') IS NOT NULL") == [(True,)]


@pytest.mark.parametrize(
    "revision",
    [
        "v3.0.0.d",
        # Their scripts run from v2.4.0.a as well.
        *[
            pytest.param(each, marks=pytest.mark.accept)
            for each in ("v3.0.0.c", "v3.0.0.b", "v3.0.0.a", "v2.6.0.a")
        ],
        "v2.4.0.a",
    ],
)
def test_older_tables_are_upgraded(api: APIClient, revision: str) -> None:
    play(api)
    before = seen_by_stock_optuna()
    bring_back_to(revision)
    assert execute("TABLE optuna.alembic_version") == [(revision,)]
    with connection.cursor() as cursor:
        assert f"in revision {revision}, but Optuna" in (wrong_revision(cursor) or "")

    said = f"Upgraded Optuna's tables from revision {revision} to {REVISION}.\n"
    assert migrate().count(said) == 1
    assert migrate().count("Upgraded") == 0

    assert execute("TABLE optuna.alembic_version") == [(REVISION,)]
    assert execute("SELECT library_version FROM optuna.version_info") == [(optuna.__version__,)]
    assert seen_by_stock_optuna() == before
    adopt(actor=COMMAND, name="theirs")
    call_command("check_optuna", stdout=StringIO())
    complete(api, "search", suggest(api)["trial_id"], 0.5)
    call_command("check_optuna", stdout=StringIO())


def test_tables_of_a_newer_optuna_are_refused() -> None:
    execute("UPDATE optuna.alembic_version SET version_num = 'v9.0.0.a'")
    assert refusal() == (
        f"schema optuna holds Optuna's tables in revision v9.0.0.a, which Optuna "
        f"{optuna.__version__} does not know: a newer Optuna made them, and so a newer version of "
        "this service is needed"
    )


@pytest.mark.parametrize("statement", ["DELETE FROM", "DROP TABLE"])
def test_tables_without_a_revision_are_refused(statement: str) -> None:
    execute(f"{statement} optuna.alembic_version")
    assert refusal().startswith("schema optuna holds tables without a revision (alembic_version)")


def test_failing_script_changes_nothing(api: APIClient) -> None:
    create_study(api)
    # Of a revision whose script finds what it is about to create.
    execute("UPDATE optuna.alembic_version SET version_num = 'v1.3.0.a'")
    assert refusal().startswith(
        f"Optuna's tables cannot be upgraded from revision v1.3.0.a to {REVISION}: "
    )


def test_scripts_to_another_revision_change_nothing() -> None:
    execute(
        "UPDATE optuna.alembic_version SET version_num = 'v3.0.0.d'",
        "ALTER TABLE optuna.trials DROP COLUMN datetime_start",
    )
    assert "but not to those that it needs" in refusal()
