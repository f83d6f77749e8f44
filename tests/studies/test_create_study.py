"""POST /studies: create a study, load an existing one, refuse invalid requests."""

from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.creation import HYPERBAND, SPACE, TPE, assert_invalid, post


def test_study_is_created(api: APIClient) -> None:
    body = {
        "name": "search-opt",
        "direction": "maximize",
        "search_space": [
            {"type": "float", "name": "learning_rate", "low": 0.0001, "high": 0.1, "log": True},
            {"type": "float", "name": "min_score", "low": 0.6, "high": 0.9, "step": 0.05},
            {"type": "int", "name": "batch_size", "low": 16, "high": 128, "step": 16},
            {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "rmsprop"]},
        ],
        "sampler": "tpe",
        "pruner": "hyperband",
        "load_if_exists": True,
    }
    response = api.post("/api/v1/studies", body)
    stored = Study.objects.get()
    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "study_id": stored.id,
        "study_name": "search-opt",
        "direction": "maximize",
        "n_trials": 0,
        "best_value": None,
        "best_params": None,
        "datetime_start": stored.created_at.isoformat(),
        "user_attrs": {},
        "search_space": body["search_space"],
        "search_space_version": 1,
        "retired": {},
        "sampler": "tpe",
        "sampler_options": TPE,
        "pruner": "hyperband",
        "pruner_options": HYPERBAND,
        "trial_counts": {"WAITING": 0, "RUNNING": 0, "COMPLETE": 0, "PRUNED": 0, "FAIL": 0},
        "state": "ACTIVE",
        "state_reason": None,
        "state_history": [],
        "max_trials": None,
        "max_concurrent": None,
        "max_failures": None,
        "target_value": None,
        "deadline": None,
        "stop_after_no_improvement": None,
        "n_trials_without_improvement": None,
        "lease_seconds": None,
        "max_retries": 0,
        "max_reoffers": 10,
        "max_trial_seconds": None,
        "max_consecutive_failures": None,
        "stop_running": False,
        "constraints": [],
        "parameter_constraints": [],
        "metric_names": None,
        "tags": [],
        "note": "",
        "duplicates": "allow",
        "pruning_direction": None,
        "repeats": None,
    }
    assert stored.created_at.isoformat().endswith("+00:00")


def test_study_defaults_are_filled_in(api: APIClient) -> None:
    study = post(api).json()
    assert (study["direction"], study["sampler"], study["pruner"]) == (
        "maximize",
        "tpe",
        "hyperband",
    )


def test_study_defaults_follow_the_settings(api: APIClient, settings: Settings) -> None:
    settings.DEFAULT_SAMPLER, settings.DEFAULT_PRUNER = "random", "none"
    study = post(api).json()
    assert (study["sampler"], study["pruner"]) == ("random", "none")


def test_study_is_loaded_where_the_definition_agrees(api: APIClient) -> None:
    created = post(api, user_attrs={"team": "search", "tags": ["a"]})
    loaded = post(api, user_attrs={"team": "search", "tags": ["a"]})
    assert (created.status_code, loaded.status_code) == (201, 200)
    assert loaded.json() == created.json()
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"load_if_exists": True},
        {"load_if_exists": None, "sampler": None, "pruner_options": None},
        {"direction": "minimize"},
        {"direction": ["minimize"]},
        {"sampler": "nsgaii"},
        {"sampler_options": {"seed": 3}},
        {"sampler_options": {"seed": None}},
        {"sampler_options": {"population_size": 50}},
        {"pruner": "median"},
        {"pruner_options": {"n_warmup_steps": 10}},
        {"user_attrs": {"team": "search"}},
    ],
)
def test_loading_compares_only_given_keys(api: APIClient, given: dict[str, Any]) -> None:
    stored = post(
        api,
        direction="minimize",
        sampler="nsgaii",
        sampler_options={"seed": 3},
        pruner="median",
        user_attrs={"team": "search"},
    )
    response = post(api, **given)
    assert (response.status_code, response.json()) == (200, stored.json())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"direction": "maximize"}, "direction"),
        ({"direction": ["minimize", "minimize"]}, "direction"),
        ({"sampler": "tpe"}, "sampler"),
        ({"sampler": "tpe", "sampler_options": {"n_startup_trials": 20}}, "sampler"),
        ({"sampler_options": {"seed": 4}}, "sampler_options.seed"),
        ({"sampler_options": {"crossover_prob": 0.5}}, "sampler_options.crossover_prob"),
        ({"pruner": "none"}, "pruner"),
        ({"pruner": "hyperband", "pruner_options": {"min_resource": 1}}, "pruner"),
        ({"pruner_options": {"interval_steps": 2}}, "pruner_options.interval_steps"),
        ({"user_attrs": {"team": "other"}}, "user_attrs.team"),
        ({"user_attrs": {"new": 1}}, "user_attrs.new"),
        ({"search_space": [{"type": "float", "name": "x", "low": 0, "high": 2}]}, "search_space"),
        ({"search_space": [{"type": "int", "name": "x", "low": 0, "high": 1}]}, "search_space"),
        (
            {"search_space": [*SPACE, {"type": "int", "name": "n", "low": 0, "high": 1}]},
            "search_space",
        ),
    ],
)
def test_loading_refuses_another_definition_and_names_what_differs(
    api: APIClient, given: dict[str, Any], named: str
) -> None:
    stored = post(
        api,
        direction="minimize",
        sampler="nsgaii",
        sampler_options={"seed": 3},
        pruner="median",
        user_attrs={"team": "search"},
    ).json()
    response = post(api, **given)
    assert (response.status_code, response.json()["code"]) == (409, "study_conflict")
    assert named in response.json()["detail"]
    assert api.get("/api/v1/studies/search").json() == stored


def test_loading_names_all_that_differs(api: APIClient) -> None:
    post(api, direction="minimize", sampler="random")
    detail = post(api, direction="maximize", sampler="tpe", pruner="none").json()["detail"]
    assert detail == (
        "study \"search\" exists and differs: direction is 'minimize', not 'maximize'; "
        "sampler is 'random', not 'tpe'; pruner is 'hyperband', not 'none'. Clone it under another "
        "name to go on with its trials and another definition"
    )


def test_loading_names_the_parameter_that_differs(api: APIClient) -> None:
    space: list[dict[str, Any]] = [
        {"type": "float", "name": "lr", "low": 0.0, "high": 1.0},
        {"type": "int", "name": "n", "low": 1, "high": 9, "step": 1},
        {"type": "categorical", "name": "kind", "choices": ["a", 1]},
        {"type": "float", "name": "old", "low": 0.0, "high": 1.0},
    ]
    post(api, search_space=space)
    other: list[dict[str, Any]] = [
        {"type": "float", "name": "new", "low": 0.0, "high": 1.0},
        {"type": "categorical", "name": "kind", "choices": ["a", True]},
        {"type": "int", "name": "n", "low": 1, "high": 9},
        {"type": "float", "name": "lr", "low": 0.0, "high": 2.0, "step": 0.5},
    ]
    assert (
        post(api, search_space=other)
        .json()["detail"]
        .startswith(
            'study "search" exists and differs: '
            'search_space: parameter "lr" differs: high is 1.0, not 2.0, step is None, not 0.5; '
            "search_space: parameter \"kind\" differs: choices is ['a', 1], not ['a', True]; "
            'search_space: parameter "old" is missing; '
            'search_space: parameter "new" is not one of the study\'s. Clone it'
        )
    )


@pytest.mark.parametrize("key", ["sampler_options", "pruner_options"])
def test_loading_refuses_an_unknown_option(api: APIClient, key: str) -> None:
    post(api)
    response = post(api, **{key: {"nonsense": 1}})
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [f"/{key}/nonsense"]


@pytest.mark.parametrize("direction", ["maximize", ["minimize", "maximize"]])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"pruner_options": {"min_resource": 2}},
        {"sampler_options": {"n_startup_trials": 3}},
        {"pruner": "hyperband", "pruner_options": {"max_resource": 81}},
    ],
)
def test_loading_ignores_changed_defaults(
    api: APIClient, settings: Settings, direction: Any, given: dict[str, Any]
) -> None:
    body = {"direction": direction} | given
    created = post(api, **body)
    assert created.status_code == 201, created.content
    for settings.DEFAULT_SAMPLER, settings.DEFAULT_PRUNER in (
        ("tpe", "hyperband"),
        ("random", "none"),
        ("nsgaii", "median"),
    ):
        loaded = post(api, **body)
        assert (loaded.status_code, loaded.json()) == (200, created.json())


@pytest.mark.parametrize(
    ("direction", "options", "meant"),
    [
        ("minimize", {}, True),
        (["minimize", "maximize"], {}, False),
        (["minimize", "maximize"], {"group": True}, True),
    ],
)
def test_loading_takes_what_null_stands_for(
    api: APIClient, direction: Any, options: dict[str, Any], meant: bool
) -> None:
    """A worker that has always sent `multivariate` meets a study created without it."""
    body = {"direction": direction, "sampler": "tpe"}
    assert post(api, **body, sampler_options=options).json()["sampler_options"] == TPE | options
    assert post(api, **body, sampler_options={"multivariate": meant}).status_code == 200
    assert post(api, **body, sampler_options={"multivariate": None}).status_code == 200
    refused = post(api, **body, sampler_options={"multivariate": not meant, "group": False})
    assert (refused.status_code, refused.json()["code"]) == (409, "study_conflict")


@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_loading_a_joint_study_needs_no_option(api: APIClient, direction: Any) -> None:
    """As a study of an earlier version, which stored `multivariate: true` as the default."""
    assert post(api, direction=direction, sampler_options={"multivariate": True}).status_code == 201
    for options in ({}, {"multivariate": None}, {"multivariate": True}):
        loaded = post(api, direction=direction, sampler_options=options)
        assert (loaded.status_code, loaded.json()["sampler_options"]["multivariate"]) == (200, True)


def test_loading_takes_the_same_space_in_another_spelling(api: APIClient) -> None:
    first = [
        {"type": "int", "name": "n", "low": 1, "high": 8, "step": 1, "log": False},
        {"type": "float", "name": "x", "low": 0.0, "high": 1.0, "log": False},
    ]
    second = [
        {"type": "float", "name": "x", "low": 0, "high": 1},
        {"type": "int", "name": "n", "low": 1, "high": 8},
    ]
    created = post(api, search_space=first)
    loaded = post(api, search_space=second)
    assert (loaded.status_code, loaded.json()) == (200, created.json())


def test_loading_distinguishes_true_from_1(api: APIClient) -> None:
    post(api, search_space=[{"type": "categorical", "name": "c", "choices": [1, 0]}])
    body = [{"type": "categorical", "name": "c", "choices": [True, False]}]
    assert post(api, search_space=body).status_code == 409


def test_existing_name_is_refused_without_load_if_exists(api: APIClient) -> None:
    stored = post(api, load_if_exists=False).json()
    response = post(api, load_if_exists=False)
    assert (response.status_code, response.json()["code"]) == (409, "study_exists")
    assert api.get("/api/v1/studies/search").json() == stored


@pytest.mark.parametrize(
    "direction",
    ["minimize", "maximize", ["minimize"], ["maximize", "minimize"], ["minimize"] * 10],
)
def test_direction_is_answered_as_given(api: APIClient, direction: Any) -> None:
    assert post(api, direction=direction).json()["direction"] == direction
    assert api.get("/api/v1/studies/search").json()["direction"] == direction
    assert api.get("/api/v1/studies").json()[0]["direction"] == direction


def test_direction_list_of_one_is_a_single_objective(api: APIClient) -> None:
    assert post(api, direction=["minimize"]).json()["pruner"] == "hyperband"
    api.post("/api/v1/studies/search/trials/suggest")
    told = api.post("/api/v1/studies/search/trials/0/complete", {"values": 0.5})
    assert told.json()["values"] == [0.5]
    assert api.get("/api/v1/studies/search").json()["best_value"] == 0.5
    assert api.get("/api/v1/studies/search/best").json()["value"] == 0.5
    assert api.get("/api/v1/studies/search/pareto").json()["code"] == "single_objective"


@pytest.mark.parametrize(
    "direction", [[], ["minimize"] * 11, "up", "MINIMIZE", 1, True, {}, [["minimize"]], [None]]
)
def test_direction_is_validated(api: APIClient, direction: Any) -> None:
    assert_invalid(post(api, direction=direction), "/direction")


@pytest.mark.parametrize("pruner", ["hyperband", "median", "none", None])
def test_several_objectives_ignore_the_pruner(api: APIClient, pruner: str | None) -> None:
    study = post(api, direction=["minimize", "maximize"], pruner=pruner).json()
    assert (study["pruner"], study["pruner_options"]) == ("none", {})
    assert post(api, direction=["minimize", "maximize"], pruner="median").status_code == 200


def test_several_objectives_accept_pruner_options(api: APIClient) -> None:
    body = {
        "direction": ["minimize", "maximize"],
        "pruner": "hyperband",
        "pruner_options": {"max_resource": 81},
    }
    created, loaded = post(api, **body), post(api, **body)
    assert (created.status_code, loaded.status_code) == (201, 200)
    assert (created.json()["pruner"], created.json()["pruner_options"]) == ("none", {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sampler", "cma"),
        ("sampler", "TPE"),
        ("sampler", 1),
        ("sampler", ["tpe"]),
        ("pruner", "asha"),
        ("pruner", True),
        ("sampler_options", []),
        ("sampler_options", "seed"),
        ("pruner_options", 3),
        ("user_attrs", []),
        ("user_attrs", "team"),
        ("load_if_exists", "true"),
        ("load_if_exists", 1),
        ("load_if_exists", 0),
        ("name", None),
        ("name", 5),
        ("name", True),
        ("search_space", None),
        ("search_space", {}),
        ("search_space", "x"),
        ("unknown", None),
        ("study_name", "search"),
    ],
)
def test_wrong_types_and_unknown_keys_are_refused(api: APIClient, key: str, value: Any) -> None:
    assert_invalid(post(api, **{key: value}), f"/{key}")


@pytest.mark.parametrize("key", ["name", "search_space"])
def test_missing_keys_are_refused(api: APIClient, key: str) -> None:
    body = {"name": "search", "search_space": SPACE}
    del body[key]
    assert_invalid(api.post("/api/v1/studies", body), f"/{key}")


def test_null_is_ignored(api: APIClient) -> None:
    optional = [
        "direction",
        "sampler",
        "sampler_options",
        "pruner",
        "pruner_options",
        "user_attrs",
        "load_if_exists",
    ]
    response = post(api, **dict.fromkeys(optional))
    assert response.status_code == 201
    assert response.json()["direction"] == "maximize"


def test_user_attrs_are_kept_exactly(api: APIClient) -> None:
    attrs = {
        "z": [1, 1.0, 1e16, -0.0, True, None, {"b": "ü", "a": ""}],
        "a": "text",
        "": 0,
        "null": None,
        "long " * 100: 2**70,
    }
    created = post(api, user_attrs=attrs)
    assert created.status_code == 201, created.content
    stored = api.get("/api/v1/studies/search").json()["user_attrs"]
    assert repr(stored) == repr(attrs)


def test_user_attr_name_that_optuna_cannot_store_is_refused(api: APIClient) -> None:
    assert_invalid(post(api, user_attrs={"k" * 513: 1}), f"/user_attrs/{'k' * 513}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "/",
        ".",
        "..",
        "x" * 257,
        "a\nb",
        "a\tb",
        "\x7f",
        "\u2028",
        "\u0378",
        " ",
        "\u3000 \u00a0",
    ],
)
def test_name_that_does_not_fit_a_path_is_refused(api: APIClient, name: str) -> None:
    assert_invalid(post(api, name=name), "/name")
