"""Setting and changing a study's budgets, lease and attributes."""

from itertools import product
from typing import Any

import optuna
import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    assert_schemas_agree,
    create_study,
    get_study,
    invalid_pointers,
    post_study,
)

URL = "/api/v1/studies/search"
DEADLINE = "2100-01-31T12:00:00+00:00"
BUDGETS: JSON = {
    "max_trials": 9,
    "max_concurrent": 3,
    "max_failures": 2,
    "target_value": 0.5,
    "deadline": DEADLINE,
}
LIFE: JSON = {**BUDGETS, "lease_seconds": 30.0, "max_retries": 1}


# Creation --------------------------------------------------------------------------------


def test_study_has_no_budgets_by_default(api: APIClient) -> None:
    study = create_study(api)
    assert {key: study[key] for key in LIFE} == {
        **dict.fromkeys(BUDGETS),
        "lease_seconds": None,
        "max_retries": 0,
    }


def test_study_is_created_with_budgets(api: APIClient) -> None:
    study = create_study(api, **LIFE)
    assert {key: study[key] for key in LIFE} == LIFE
    assert get_study(api) == study


def test_null_is_ignored_at_creation(api: APIClient) -> None:
    study = create_study(api, **dict.fromkeys(LIFE))
    assert {key: study[key] for key in LIFE} == {
        **dict.fromkeys(BUDGETS),
        "lease_seconds": None,
        "max_retries": 0,
    }


@pytest.mark.parametrize("given", [{}, LIFE, *({key: value} for key, value in LIFE.items())])
def test_loading_compares_given_keys(api: APIClient, given: JSON) -> None:
    study = create_study(api, **LIFE)
    response = post_study(api, **given)
    assert (response.status_code, response.json()) == (200, study)


def test_loading_does_not_compare_a_changed_default(api: APIClient, settings: LazySettings) -> None:
    study = create_study(api)
    settings.DEFAULT_LEASE_SECONDS = 60
    response = post_study(api)
    assert (response.status_code, response.json()) == (200, study)


def test_loading_takes_a_deadline_in_another_offset(api: APIClient) -> None:
    create_study(api, deadline="2100-01-31T12:00:00+05:30")
    assert post_study(api, deadline="2100-01-31T06:30:00Z").status_code == 200


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("max_trials", 10),
        ("max_concurrent", 1),
        ("max_failures", 3),
        ("target_value", 0.25),
        ("deadline", "2100-01-31T12:00:00+01:00"),
        ("lease_seconds", 31),
        ("lease_seconds", None),
        ("max_retries", 0),
    ],
)
def test_loading_names_what_differs(api: APIClient, key: str, other: Any) -> None:
    study = create_study(api, **LIFE)
    problem = assert_refused(post_study(api, **{key: other}), 409, "study_conflict")
    assert f"{key} is " in problem["detail"]
    assert get_study(api) == study


def test_loading_compares_with_current_and_first_values(api: APIClient) -> None:
    """Workers start with the body with which the study was created."""
    first = {"max_trials": 5, "deadline": "2100-01-31T12:00:00Z", "user_attrs": {"team": "ours"}}
    create_study(api, **first)
    now = {"max_trials": 7, "deadline": None, "user_attrs": {"team": "theirs"}}
    changed = api.patch(URL, now).json()
    for body in (first, now, {"max_trials": 7, "user_attrs": {"team": "ours"}}):
        response = post_study(api, **body)
        assert (response.status_code, response.json()) == (200, changed)
    for other in ({"max_trials": 6}, {"user_attrs": {"team": "x"}}, {"max_retries": 1}):
        assert_refused(post_study(api, **other), 409, "study_conflict")


# Changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "given", "answered"),
    [
        *(
            (key, number, number)
            for key in ("max_trials", "max_concurrent", "max_failures")
            for number in (1, 2**31 - 1)
        ),
        ("target_value", 3, 3.0),
        ("target_value", 0, 0.0),
        ("target_value", -1.5e300, -1.5e300),
        ("deadline", "2100-01-31T12:00:00+05:30", "2100-01-31T06:30:00+00:00"),
        ("deadline", "2100-01-31T12:00:00.25Z", "2100-01-31T12:00:00.250000+00:00"),
        ("lease_seconds", 0.05, 0.05),
        ("lease_seconds", 31_622_400, 31_622_400.0),
        ("max_retries", 0, 0),
        ("max_retries", 1000, 1000),
        ("user_attrs", {"ü": [1, None]}, {"ü": [1, None]}),
        ("user_attrs", {}, {}),
    ],
)
def test_keys_are_changed_one_by_one(api: APIClient, key: str, given: Any, answered: Any) -> None:
    study = create_study(api, user_attrs={"a": 1})
    response = api.patch(URL, {key: given})
    assert response.status_code == 200, response.content
    assert response.json() == {**study, key: answered}
    assert get_study(api) == {**study, key: answered}


def test_all_keys_are_changed_together(api: APIClient) -> None:
    study = create_study(api)
    changes = {**LIFE, "user_attrs": {"b": 2}}
    assert api.patch(URL, changes).json() == {**study, **changes}


def test_empty_change_is_accepted(api: APIClient) -> None:
    study = create_study(api, **LIFE)
    response = api.patch(URL, {})
    assert (response.status_code, response.json()) == (200, study)


@pytest.mark.parametrize("key", [*BUDGETS, "lease_seconds"])
def test_null_removes_a_value(api: APIClient, key: str) -> None:
    study = create_study(api, **LIFE)
    response = api.patch(URL, {key: None})
    assert (response.status_code, response.json()) == (200, {**study, key: None})


@pytest.mark.parametrize("key", ["max_retries", "user_attrs"])
def test_null_is_ignored_where_it_is_no_value(api: APIClient, key: str) -> None:
    study = create_study(api, **LIFE, user_attrs={"a": 1})
    response = api.patch(URL, {key: None})
    assert (response.status_code, response.json()) == (200, study)


COUNTS: list[Any] = [0, -1, "3", 1.5, 1.0, True, 2**31, [1], {}]
RETRIES: list[Any] = [-1, "3", 1.5, True, 1001, []]
TARGETS: list[Any] = ["3", "NaN", True, [0.5], {}]
LEASES: list[Any] = [0, -1, "3", True, [], 31_622_401, 1e300]
REFUSED: list[tuple[str, Any]] = [
    *product(["max_trials", "max_concurrent", "max_failures"], COUNTS),
    *product(["max_retries"], RETRIES),
    *product(["target_value"], TARGETS),
    *product(["lease_seconds"], LEASES),
    ("deadline", "2100-01-31T12:00:00"),
    ("deadline", "2100-01-31"),
    ("deadline", "2100-02-30T12:00:00+00:00"),
    ("deadline", "0001-01-01T00:00:00+23:00"),
    ("deadline", "9999-12-31T23:59:59-23:00"),
    ("deadline", "2100-01-31T12:00:00+25:00"),
    ("deadline", "tomorrow"),
    ("deadline", ""),
    ("deadline", 4_105_000_000),
    ("deadline", True),
    ("deadline", []),
]


@pytest.mark.parametrize(("key", "value"), REFUSED)
def test_invalid_change_is_refused_and_not_stored(api: APIClient, key: str, value: Any) -> None:
    assert invalid_pointers(post_study(api, **{key: value})) == [f"/{key}"]
    assert api.get("/api/v1/studies").json() == []
    study = create_study(api)
    other = {"max_trials": 5, "user_attrs": {"a": 1}}
    assert invalid_pointers(api.patch(URL, other | {key: value})) == [f"/{key}"]
    assert get_study(api) == study


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user_attrs", []),
        ("user_attrs", "a"),
        ("state", "PAUSED"),
        ("name", "other"),
        ("direction", "minimize"),
        ("sampler", "random"),
        ("constraints", []),
        ("duplicates", "avoid"),
        ("load_if_exists", True),
    ],
)
def test_change_of_a_fixed_key_is_refused(api: APIClient, key: str, value: Any) -> None:
    study = create_study(api)
    assert invalid_pointers(api.patch(URL, {"max_trials": 5, key: value})) == [f"/{key}"]
    assert get_study(api) == study


@pytest.mark.parametrize("key", ["target_value", "lease_seconds"])
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_not_finite_are_refused(api: APIClient, key: str, literal: str) -> None:
    study = create_study(api)
    response = api.generic("PATCH", URL, f'{{"{key}": {literal}}}', "application/json")
    assert response.status_code == 400
    assert get_study(api) == study


def test_target_is_refused_for_several_objectives(api: APIClient) -> None:
    two = {"direction": ["minimize", "maximize"]}
    assert invalid_pointers(post_study(api, **two, target_value=1)) == ["/target_value"]
    assert api.get("/api/v1/studies").json() == []
    study = create_study(api, **two, target_value=None)
    changes = {"max_trials": 5, "target_value": 1}
    assert invalid_pointers(api.patch(URL, changes)) == ["/target_value"]
    assert get_study(api) == study
    assert api.patch(URL, {"target_value": None}).status_code == 200


def test_target_is_accepted_for_a_list_of_one_objective(api: APIClient) -> None:
    assert create_study(api, direction=["minimize"], target_value=1)["target_value"] == 1.0


def test_changed_user_attrs_reach_optuna(api: APIClient) -> None:
    create_study(api, user_attrs={"a": 1, "b": 2})
    api.patch(URL, {"user_attrs": {"b": [3], "c": None}})
    loaded = optuna.load_study(study_name="search", storage=DjangoStorage())
    assert loaded.user_attrs == {"b": [3], "c": None}
    assert_schemas_agree()
