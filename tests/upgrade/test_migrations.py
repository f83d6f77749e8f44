"""Upgrades from each earlier state of the migrations, with data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from optuna.trial import FrozenTrial, TrialState, create_trial
from rest_framework.test import APIClient
from rest_framework_api_key.crypto import KeyGenerator

from access.models import Token
from optuna_bridge.space.search_space import SearchSpace
from studies.models import Study
from tests.support import ROOT
from tests.support.api_client import complete, suggest, trial_action
from tests.support.database import connected_to, create_database, drop_database
from tests.support.optuna_oracle import rdb_storage
from tests.support.study_builders import COMMAND
from transfer.domain.adoption import adopt

SPACE: list[dict[str, Any]] = [
    {"type": "float", "name": "lr", "low": 1e-05, "high": 0.1, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "categorical", "name": "kind", "choices": ["a", True, 1.5]},
]
SPACE_OF_TODAY = SearchSpace(SPACE)
POINTS: list[dict[str, Any]] = [
    {"lr": 0.001, "n": 3, "kind": "a"},
    {"lr": 0.01, "n": 5, "kind": True},
    {"lr": 1e-05, "n": 9, "kind": 1.5},
    {"lr": 0.1, "n": 1, "kind": "a"},
]
ATTRIBUTES = {"team": "vision", "budget": 1e16}
STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class Past:
    """A study that was played: its outcomes are a state, values and reports of each trial."""

    name: str
    directions: list[Literal["minimize", "maximize"]]
    best: int | None = None
    front: tuple[int, ...] = ()
    outcomes: list[tuple[str, list[float] | None, dict[int, float]]] = field(default_factory=list)


SEARCH = Past(
    "search",
    ["minimize"],
    best=1,
    front=(1,),
    outcomes=[
        ("COMPLETE", [0.5], {1: 0.75, 2: 0.5}),
        ("COMPLETE", [0.25], {}),
        ("PRUNED", None, {1: float("nan"), 2: 1e17}),
        ("FAIL", None, {}),
        ("RUNNING", None, {1: 0.5}),
    ],
)
FRONT = Past(
    "front",
    ["maximize", "minimize"],
    best=0,
    front=(0, 1),
    outcomes=[
        ("COMPLETE", [0.5, 1.0], {}),
        ("COMPLETE", [0.75, 2.0], {}),
        ("COMPLETE", [0.25, 2.0], {}),
    ],
)
EMPTY = Past("empty", ["maximize"])
KEY, PREFIX, HASHED_KEY = KeyGenerator().generate()  # of a worker's token
THEIRS = "theirs"  # which stock Optuna made, and Django does not know
PASTS = (SEARCH, FRONT, EMPTY)


def fill_optuna(node: tuple[str, str]) -> None:
    """Add what stock Optuna stores as soon as this migration brings its counterpart."""
    if node == ("studies", "0001_optuna_schema"):
        with rdb_storage("optuna") as storage:
            theirs = optuna.create_study(storage=storage, study_name=THEIRS)
            theirs.optimize(lambda trial: trial.suggest_float("y", 0, 1), n_trials=2)
    elif node == ("studies", "0002_study"):
        with rdb_storage("optuna") as storage:
            for past in PASTS:
                study = optuna.create_study(
                    storage=storage, study_name=past.name, directions=past.directions
                )
                for key, value in ATTRIBUTES.items():
                    study.set_user_attr(key, value)
    elif node == ("trials", "0001_initial"):
        with rdb_storage("optuna") as storage:
            for past in PASTS:
                study = optuna.load_study(storage=storage, study_name=past.name)
                for number, outcome in enumerate(past.outcomes):
                    study.add_trial(_trial(number, *outcome))


def fill(apps: Apps) -> None:
    """Fill Django's tables, at the state of these historical models."""
    models: dict[str, Any] = {model._meta.label_lower: model for model in apps.get_models()}
    if "access.token" in models:
        models["access.token"].objects.create(name="old", prefix=PREFIX, hashed_key=HASHED_KEY)
    if "studies.study" not in models:
        return
    with rdb_storage("optuna") as storage:
        for past in PASTS:
            study = optuna.load_study(storage=storage, study_name=past.name)
            columns = _columns(past, study)
            if "trials.trial" in models:
                columns |= _tallies(past, models["trials.trial"])
            row = models["studies.study"].objects.create(**columns)
            if "trials.trial" in models:
                for trial in study.trials:
                    _store(models, past, row, trial)
                _name_metrics(models["trials.trial"], row, study)


def _trial(number: int, state: str, values: list[float] | None, steps: Any) -> FrozenTrial:
    return create_trial(
        state=TrialState[state],
        values=values,
        params=POINTS[number % len(POINTS)],
        distributions=SPACE_OF_TODAY.distributions,
        intermediate_values=steps,
        user_attrs={"host": f"gpu-{number}"},
    )


def _columns(past: Past, study: optuna.Study) -> dict[str, Any]:
    """What all versions of the study's table have."""
    return {
        "id": study._study_id,
        "name": past.name,
        "directions": past.directions,
        "direction_is_list": len(past.directions) > 1,
        "search_space": SPACE,
        "distributions": SPACE_OF_TODAY.distributions_json(),
        "sampler": "tpe",
        "sampler_options": {"seed": None},
        "pruner": "median" if len(past.directions) == 1 else "none",
        "pruner_options": {},
        "user_attrs": ATTRIBUTES,
    }


def _tallies(past: Past, trial_model: Any) -> dict[str, Any]:
    states = [state for state, _, _ in past.outcomes]
    tallies: dict[str, Any] = {f"n_{state.lower()}": states.count(state) for state in STATES}
    tallies |= {"next_number": len(states), "revision": len(states)}
    if past.best is not None:
        tallies |= {
            "best_number": past.best,
            "best_values": past.outcomes[past.best][1],
            "best_internal_params": SPACE_OF_TODAY.to_internal(POINTS[past.best]),
        }
    # Counted by the migration that brought retries, and since.
    if any(field.name == "retried_as" for field in trial_model._meta.get_fields()):
        tallies["n_failures"] = states.count("FAIL")
    return tallies


def _store(models: Any, past: Past, study: Any, trial: FrozenTrial) -> None:
    columns = {
        "id": trial._trial_id,
        "study": study,
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values,
        "internal_params": SPACE_OF_TODAY.to_internal(trial.params),
        "datetime_start": _in_utc(trial.datetime_start),
        "datetime_complete": _in_utc(trial.datetime_complete),
        "user_attrs": trial.user_attrs,
        "on_front": trial.number in past.front,
        "revision": trial.number + 1,
    }
    row = models["trials.trial"].objects.create(**columns)
    for step, value in trial.intermediate_values.items():
        steps = models["trials.intermediatevalue"].objects
        steps.create(trial=row, step=step, value=value)


def _name_metrics(trial_model: Any, row: Any, study: optuna.Study) -> None:
    """Name the objectives; before studies had the field, imports did so with the first trial."""
    first = trial_model.objects.filter(study=row, number=0)
    if hasattr(trial_model, "study_attrs") and first.exists():
        names = [f"metric {index}" for index in range(len(study.directions))]
        attrs: dict[str, Any] = {"study:metric_names": names, "other": 1}
        first.update(study_attrs=attrs)
        if hasattr(row, "metric_names"):
            row.metric_names = names
            row.save()
        for key, value in attrs.items():
            study._storage.set_study_system_attr(study._study_id, key, value)


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


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
    ("studies", "0004_attempts"),
    ("trials", "0007_attempts"),
    ("access", "0004_action_invalidated"),
    ("studies", "0005_metric_names"),
    ("trials", "0008_infinite_values"),
    ("studies", "0006_longer_pruner_names"),
    ("studies", "0007_stop_after_no_improvement"),
    ("studies", "0008_repeats"),
    ("trials", "0009_repeats"),
    ("studies", "0009_parameter_constraints"),
    ("studies", "0010_search_space_versions"),
    ("trials", "0010_space_version"),
    ("trials", "0011_infeasible_groups"),
    ("trials", "0012_attachments"),
    ("access", "0005_webhooks_in_audit"),
    ("studies", "0011_front_revision"),
    ("events", "0001_initial"),
    ("studies", "0012_tags_and_note"),
    ("access", "0006_shares"),
]
OURS = {app for app, _ in HISTORY}
# Whose tables are filled as those of the one before: an upgrade from there passes them, too.
# `make accept` begins at these.
FILLED_AS_BEFORE = {
    ("trials", "0002_cascades"),
    ("trials", "0004_listing_keys"),
    ("access", "0002_limits"),
    ("access", "0003_audit"),
    ("trials", "0006_running_of_token"),
    ("access", "0004_action_invalidated"),
    ("access", "0006_shares"),
    ("trials", "0008_infinite_values"),
    ("studies", "0006_longer_pruner_names"),
    ("access", "0005_webhooks_in_audit"),
}

At = Callable[[int], str]


def test_migration_history_is_complete() -> None:
    graph = MigrationLoader(None).graph
    ours = {config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT}
    assert set(HISTORY) == {node for node in graph.nodes if node[0] in ours}
    for position, node in enumerate(HISTORY):
        needed = {parent.key for parent in graph.node_map[node].parents if parent.key[0] in ours}
        assert needed <= set(HISTORY[:position]), f"{node} stands before what it needs"


@pytest.fixture(scope="module")
def database_at(database_names: str) -> Iterator[At]:
    """Gives the name of a database that is migrated up to a place in the history.

    It is one, which goes on from place to place, as long as the tests ask in that order, with
    Optuna's data and without ours. Other apps than ours are at their newest from the beginning.
    """
    name = f"{database_names}past"
    reached: list[int] = []

    def migrated(place: int) -> str:
        if not reached or reached[-1] > place:
            create_database(name)
            reached.clear()
        with connected_to(name):
            if not reached:
                executor = MigrationExecutor(connection)
                leaves = executor.loader.graph.leaf_nodes()
                executor.migrate([leaf for leaf in leaves if leaf[0] not in OURS])
            for each in range(len(reached), place + 1):
                MigrationExecutor(connection).migrate([HISTORY[each]])
                fill_optuna(HISTORY[each])
                reached.append(each)
        return name

    yield migrated
    drop_database(name)


@pytest.fixture(
    params=[
        pytest.param(
            place,
            id=".".join(node),
            marks=[pytest.mark.accept] if node in FILLED_AS_BEFORE else [],
        )
        for place, node in enumerate(HISTORY)
    ]
)
def upgraded(
    request: pytest.FixtureRequest, database_at: At, database_names: str
) -> Iterator[set[str]]:
    """Django works on a database that was filled at a state and migrated; its Django studies."""
    place: int = request.param
    template, name = database_at(place), f"{database_names}upgraded"
    create_database(name, template=template)
    with connected_to(name):
        loader = MigrationLoader(connection)
        fill(loader.project_state(HISTORY[: place + 1]).apps)
        call_command("migrate", verbosity=0)
        yield (
            {past.name for past in PASTS}
            if ("studies", "0002_study") in HISTORY[: place + 1]
            else set()
        )
    drop_database(name)


def test_upgrade_keeps_all_data(upgraded: set[str], settings: Any) -> None:
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
    with rdb_storage("optuna") as storage:
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
    with rdb_storage("optuna") as storage:
        named = optuna.load_study(study_name="search", storage=storage).metric_names
    assert studies["search"]["metric_names"] == named
    best = api.get("/api/v1/studies/search/best").json()
    assert (best["trial_id"], best["value"], best["params"]) == (1, 0.25, POINTS[1])
    front = api.get("/api/v1/studies/front/pareto").json()
    assert [trial["trial_id"] for trial in front] == list(FRONT.front)


def _told(trial: dict[str, Any]) -> tuple[Any, ...]:
    return trial["state"], trial["values"], trial["params"]


def _assert_the_study_goes_on(api: APIClient) -> None:
    for study in ("search", "empty"):
        number = suggest(api, study)["trial_id"]
        trial_action(api, number, "report", study, step=1, value=0.5)
        complete(api, study, number, 0.125)
        assert api.get(f"/api/v1/studies/{study}/best").json()["trial_id"] == number
    running = api.get("/api/v1/studies/search/trials?state=RUNNING").json()
    for trial in running:  # which a worker of before the upgrade has
        complete(api, "search", trial["trial_id"], 0.0625)
        assert api.get("/api/v1/studies/search/best").json()["trial_id"] == trial["trial_id"]
    complete(api, "front", suggest(api, "front")["trial_id"], [1.0, 0.5])
    assert len(api.get("/api/v1/studies/front/pareto").json()) == 1
