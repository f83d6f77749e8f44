"""From each earlier state of our migrations, with data in it, to the newest."""

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from rest_framework.test import APIClient

from access.models import Token
from studies.models import Study
from tests.actors import COMMAND
from tests.play import complete, suggest, tell
from tests.stock import stock_storage
from tests.upgrade import databases
from tests.upgrade.filling import ATTRIBUTES, FRONT, KEY, PASTS, POINTS, SEARCH, THEIRS, fill
from transfer.domain.adoption import adopt

ROOT = Path(__file__).resolve().parents[2]
# Each of our migrations, in the order in which they came to be. A new one goes to the end.
HISTORY = [
    ("studies", "0001_optuna_schema"),
    ("studies", "0002_study"),
    ("trials", "0001_initial"),
    ("trials", "0002_cascades"),
    ("studies", "0003_lifecycle"),
    ("trials", "0003_coming_and_going"),
    ("trials", "0004_listing_keys"),
    ("access", "0001_initial"),
    ("access", "0002_limits"),
    ("access", "0003_audit"),
    ("trials", "0005_tokens"),
    ("trials", "0006_running_of_token"),
]
OURS = {app for app, _ in HISTORY}

At = Callable[[int], str]


def test_history_names_every_migration() -> None:
    graph = MigrationLoader(None).graph
    ours = {config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT}
    assert set(HISTORY) == {node for node in graph.nodes if node[0] in ours}
    for position, node in enumerate(HISTORY):
        needed = {parent.key for parent in graph.node_map[node].parents if parent.key[0] in ours}
        assert needed <= set(HISTORY[:position]), f"{node} stands before what it needs"


@pytest.fixture(scope="module")
def database_at(database_names: str) -> Iterator[At]:
    """Gives the name of an empty database that is migrated up to a place in the history.

    It is one, which goes on from place to place, as long as the tests ask in that order. Other
    apps than ours are at their newest from the beginning.
    """
    name = f"{database_names}past"
    reached: list[int] = []

    def migrated(place: int) -> str:
        if not reached or reached[-1] > place:
            databases.create(name)
            reached.clear()
        with databases.connected_to(name):
            if not reached:
                executor = MigrationExecutor(connection)
                leaves = executor.loader.graph.leaf_nodes()
                executor.migrate([leaf for leaf in leaves if leaf[0] not in OURS])
            for each in range(len(reached), place + 1):
                MigrationExecutor(connection).migrate([HISTORY[each]])
                reached.append(each)
        return name

    yield migrated
    databases.drop(name)


@pytest.fixture(params=range(len(HISTORY)), ids=[".".join(node) for node in HISTORY])
def upgraded(
    request: pytest.FixtureRequest, database_at: At, database_names: str
) -> Iterator[set[str]]:
    """Django works on a database that was filled at a state and migrated; its Django studies."""
    place: int = request.param
    template, name = database_at(place), f"{database_names}upgraded"
    databases.create(name, template=template)
    with databases.connected_to(name):
        loader = MigrationLoader(connection)
        fill(loader.project_state(HISTORY[: place + 1]).apps)
        call_command("migrate", verbosity=0)
        yield (
            {past.name for past in PASTS}
            if ("studies", "0002_study") in HISTORY[: place + 1]
            else set()
        )
    databases.drop(name)


def test_an_upgrade_keeps_all_data(upgraded: set[str], settings: Any) -> None:
    assert set(Study.objects.values_list("name", flat=True)) == upgraded
    adopt(actor=COMMAND, name=THEIRS)
    check_optuna()
    if upgraded:
        client = APIClient()
        client.default_format = "json"
        if Token.objects.exists():
            settings.AUTH_REQUIRED = True
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {KEY}")
        _assert_old_data_is_served(client)
        _assert_the_study_goes_on(client)
        check_optuna()


def check_optuna() -> None:
    call_command("check_optuna", stdout=StringIO())


def _assert_old_data_is_served(api: APIClient) -> None:
    studies = {study["study_name"]: study for study in api.get("/api/v1/studies").json()}
    assert set(studies) == {THEIRS, *(past.name for past in PASTS)}
    assert api.get("/api/v1/studies/search").json()["user_attrs"] == ATTRIBUTES
    with stock_storage("optuna") as storage:
        stock = optuna.load_study(study_name="search", storage=storage).trials
    assert studies["search"]["n_trials"] == len(stock)
    if not stock:
        return  # of before there were trials
    trials = api.get("/api/v1/studies/search/trials").json()
    assert [_told(trial) for trial in trials] == [
        (state, values, POINTS[number % len(POINTS)])
        for number, (state, values, _) in enumerate(SEARCH.outcomes)
    ]
    assert [trial.params for trial in stock] == [trial["params"] for trial in trials]
    best = api.get("/api/v1/studies/search/best").json()
    assert (best["trial_id"], best["value"], best["params"]) == (1, 0.25, POINTS[1])
    front = api.get("/api/v1/studies/front/pareto").json()
    assert [trial["trial_id"] for trial in front] == list(FRONT.front)


def _told(trial: dict[str, Any]) -> tuple[Any, ...]:
    return trial["state"], trial["values"], trial["params"]


def _assert_the_study_goes_on(api: APIClient) -> None:
    for study in ("search", "empty"):
        number = suggest(api, study)["trial_id"]
        tell(api, number, "report", study, step=1, value=0.5)
        complete(api, study, number, 0.125)
        assert api.get(f"/api/v1/studies/{study}/best").json()["trial_id"] == number
    running = api.get("/api/v1/studies/search/trials?state=RUNNING").json()
    for trial in running:  # which a worker of before the upgrade has
        complete(api, "search", trial["trial_id"], 0.0625)
        assert api.get("/api/v1/studies/search/best").json()["trial_id"] == trial["trial_id"]
    complete(api, "front", suggest(api, "front")["trial_id"], [1.0, 0.5])
    assert len(api.get("/api/v1/studies/front/pareto").json()) == 1
