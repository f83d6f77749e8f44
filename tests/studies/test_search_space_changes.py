"""PATCH of a study's search_space: its answers, its refusals, and the versions."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from studies.domain import change_search_space
from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    create_study,
    get_page,
    get_study,
    list_trials,
    post_study,
    post_suggest,
    suggest,
)

X = {"type": "float", "name": "x", "low": 0.0, "high": 1.0}
N = {"type": "int", "name": "n", "low": 1, "high": 8}
C = {"type": "categorical", "name": "c", "choices": ["a", "b"]}
WIDER_X = X | {"high": 2.0}
SECOND = {"search_space": [C, WIDER_X], "defaults": {"c": "b"}, "retired": {"n": 4}}


def patch(api: APIClient, **body: Any) -> Any:
    return api.patch(STUDY_URL, body)


def changed(api: APIClient, **body: Any) -> JSON:
    response = patch(api, **body)
    assert response.status_code == 200, response.content
    return response.json()


def test_change_is_answered_and_recorded(api: APIClient) -> None:
    created = create_study(api, search_space=[X, N], sampler="random")
    assert (created["search_space_version"], created["retired"]) == (1, {})
    assert suggest(api)["search_space_version"] == 1
    study = changed(api, **SECOND, if_version=1)
    assert study["search_space"] == [C, WIDER_X]
    assert (study["search_space_version"], study["retired"]) == (2, {"n": 4})
    assert get_study(api) == study
    new = suggest(api)
    assert list(new["params"]) == ["x", "n", "c"]
    assert (new["params"]["n"], new["search_space_version"]) == (4, 2)
    old, _ = list_trials(api)
    assert (old["params"]["c"], old["search_space_version"]) == ("b", 1)
    entry = AuditEntry.objects.latest("id")
    by_id = AuditEntry.objects.filter(details={"search_space_version": 2}).get()
    assert (by_id.action, by_id.subject, entry.subject) == ("changed", "search", "search")


def test_versions_are_listed_from_the_current_one(api: APIClient) -> None:
    created = create_study(api, search_space=[X, N], sampler="random")
    url = f"{STUDY_URL}/search-space-versions"
    [first] = get_page(api, url).json()
    assert first == {
        "version": 1,
        "datetime": created["datetime_start"],
        "actor": "anybody",
        "search_space": [X, N],
        "defaults": {},
        "retired": {},
    }
    changed(api, **SECOND)
    changed(api, search_space=[N | {"high": 9}, X], retired={"c": "a"})
    third, second, again = get_page(api, url).json()
    assert again == first
    assert {key: second[key] for key in SECOND} == SECOND
    assert (second["version"], third["version"]) == (2, 3)
    assert third["retired"] == {"c": "a"}
    assert first["datetime"] < second["datetime"] < third["datetime"]
    page = get_page(api, url, limit=1, offset=1)
    assert [each["version"] for each in page.json()] == [2]
    assert page["X-Total-Count"] == "3"


def test_repeated_change_does_nothing(api: APIClient) -> None:
    create_study(api, search_space=[X, N], sampler="random")
    body = {**SECOND, "if_version": 1}
    assert changed(api, **body) == changed(api, **body)
    assert changed(api, search_space=[WIDER_X, C])["search_space_version"] == 2


def test_value_of_a_retired_parameter_is_replaced(api: APIClient) -> None:
    create_study(api, search_space=[X, N], sampler="random")
    changed(api, search_space=[X], retired={"n": 4})
    study = changed(api, search_space=[X], retired={"n": 5})
    assert (study["search_space_version"], study["retired"]) == (3, {"n": 5})
    assert suggest(api)["params"]["n"] == 5
    back = changed(api, search_space=[X, N | {"low": 6, "high": 9}])
    assert back["retired"] == {}
    assert suggest(api)["params"]["n"] >= 6


def test_change_of_another_version_is_refused(api: APIClient) -> None:
    create_study(api, search_space=[X, N])
    changed(api, search_space=[WIDER_X, N], if_version=1)
    response = patch(api, search_space=[X, N], if_version=1, max_trials=5)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "search_space_changed")
    assert problem["search_space_version"] == 2
    assert get_study(api)["max_trials"] is None
    assert patch(api, max_trials=5, if_version=2).status_code == 200


def test_other_type_is_refused_and_clone_named(api: APIClient) -> None:
    create_study(api, search_space=[X, N])
    response = patch(api, search_space=[X | {"log": True, "low": 0.1}, N])
    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "search_space_incompatible")
    assert 'parameter "x": log is false, not true' in problem["detail"]
    assert "POST /studies/search/clone" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"search_space": [X, N, C]}, "/defaults/c"),
        ({"search_space": [X, N, C], "defaults": {"c": "z"}}, "/defaults/c"),
        ({"search_space": [X]}, "/retired/n"),
        ({"search_space": [X], "retired": {"n": 9}}, "/retired/n"),
        ({"search_space": [X | {"low": 5.0}, N]}, "/search_space/0/low"),
        ({"search_space": [X, X]}, "/search_space"),
        ({"search_space": []}, "/search_space"),
        ({"retired": {"n": 2}}, "/retired"),
        ({"search_space": [X, N], "if_version": 0}, "/if_version"),
    ],
)
def test_invalid_change_stores_nothing(api: APIClient, body: JSON, pointer: str) -> None:
    before = create_study(api, search_space=[X, N])
    response = patch(api, **body)
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert get_study(api) == before


def test_space_that_does_not_suit_the_sampler_is_refused(api: APIClient) -> None:
    create_study(api, search_space=[N], sampler="brute_force")
    response = patch(api, search_space=[N, X], defaults={"x": 0.5})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/search_space"
    assert get_study(api)["search_space_version"] == 1


def test_number_of_versions_is_bounded(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_search_space, "MAX_VERSIONS", 2)
    create_study(api, search_space=[X])
    changed(api, search_space=[WIDER_X])
    response = patch(api, search_space=[X])
    assert (response.status_code, response.json()["code"]) == (409, "too_many_search_spaces")


def test_values_are_checked_against_the_space_of_now(api: APIClient) -> None:
    create_study(api, search_space=[X, N], sampler="random")
    changed(api, search_space=[X | {"low": 0.5}], retired={"n": 4})
    assert post_suggest(api, fixed={"x": 0.2}).status_code == 400
    url = f"{STUDY_URL}/trials"
    assert api.post(url, {"params": {"x": 0.2}}).status_code == 400
    assert api.post(url, {"params": {"x": 0.7, "n": 5}}).status_code == 400
    recorded = api.post(url, {"params": {"x": 0.7}, "state": "COMPLETE", "values": 1.0})
    assert recorded.json()["params"] == {"x": 0.7, "n": 4}
    queued = api.post(url, {"params": {"x": 0.9, "n": 4}})
    assert (queued.status_code, queued.json()["search_space_version"]) == (201, 2)
    assert suggest(api)["params"] == {"x": 0.9, "n": 4}


def test_study_is_loaded_by_its_space_of_now(api: APIClient) -> None:
    create_study(api, search_space=[X, N], sampler="random")
    changed(api, **SECOND)
    assert post_study(api, search_space=[WIDER_X, C]).status_code == 200
    response = post_study(api, search_space=[X, N])
    assert (response.status_code, response.json()["code"]) == (409, "study_conflict")


@pytest.mark.parametrize(
    "space",
    [
        pytest.param([C, N], id="no-condition-any-more"),
        pytest.param([C, N | {"when": {"c": ["b"]}}], id="other-value"),
        pytest.param([C, N | {"when": {"c": ["a", "b"]}}], id="one-more-of-the-old-values"),
        pytest.param(
            [C, X, N | {"when": {"c": ["a"], "x": {"min": 0.5}}}], id="one-more-condition"
        ),
        pytest.param([C, N | {"when": {"c": ["a"]}}, X | {"when": {"c": ["b"]}}], id="new"),
        pytest.param([C], id="retired"),
    ],
)
def test_other_condition_for_trials_so_far_is_refused(api: APIClient, space: list[JSON]) -> None:
    create_study(api, search_space=[C, N | {"when": {"c": ["a"]}}])
    defaults = {"x": 0.5} if any(each["name"] == "x" for each in space) else {}
    retired = {} if any(each["name"] == "n" for each in space) else {"n": 1}
    response = patch(api, search_space=space, defaults=defaults, retired=retired)
    assert (response.status_code, response.json()["code"]) == (409, "search_space_incompatible")
    assert "condition" in response.json()["detail"]
    assert f"{STUDY_URL.removeprefix('/api/v1')}/clone" in response.json()["detail"]
    assert get_study(api)["search_space_version"] == 1


def test_condition_follows_new_values_and_loses_old_ones(api: APIClient) -> None:
    create_study(api, search_space=[C, N | {"when": {"c": ["a"]}}], sampler="random")
    third = C | {"choices": ["b", "d"]}
    changed(api, search_space=[third, N | {"high": 9, "when": {"c": ["d"]}}])
    params = [suggest(api)["params"] for _ in range(12)]
    assert {each["c"] for each in params} == {"b", "d"}
    assert all(("n" in each) == (each["c"] == "d") for each in params)
    back = C | {"choices": ["a", "b"]}
    response = patch(api, search_space=[back, N | {"when": {"c": ["b"]}}])
    assert response.status_code == 409
    changed(api, search_space=[back, N | {"when": {"c": ["a"]}}])
    params = [suggest(api)["params"] for _ in range(12)]
    assert all(("n" in each) == (each["c"] == "a") for each in params)


def test_constraints_between_parameters_hold_after_a_change(api: APIClient) -> None:
    texts = ["x + y <= n / 4"]
    y = X | {"name": "y"}
    create_study(api, search_space=[X, y, N], parameter_constraints=texts, sampler="random")
    narrow = X | {"low": 0.75}
    refused = patch(api, search_space=[narrow, y], retired={"n": 2})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert refused.json()["errors"][0]["pointer"] == "/parameter_constraints"
    changed(api, search_space=[narrow, WIDER_X | {"name": "y"}], retired={"n": 4})
    for _ in range(20):
        params = suggest(api)["params"]
        assert params["n"] == 4
        assert params["x"] >= 0.75
        assert params["x"] + params["y"] <= 1
    fixed = post_suggest(api, fixed={"y": 0.5})
    assert fixed.status_code == 400


def test_repeated_points_outside_of_the_space_are_not_learnt_from(api: APIClient) -> None:
    create_study(api, search_space=[X], repeats={"n": 2}, sampler="tpe", direction="minimize",
                 sampler_options={"n_startup_trials": 1, "seed": 1})  # fmt: skip
    for value in (0.1, 0.1):
        trial = suggest(api)
        api.post(f"{STUDY_URL}/trials/{trial['trial_id']}/complete", {"values": value})
    outside = trial["params"]["x"]
    low, high = (0.0, outside / 2) if outside > 0.5 else ((1 + outside) / 2, 1.0)
    changed(api, search_space=[X | {"low": low, "high": high}])
    pairs = [suggest(api) for _ in range(4)]
    assert [each["repeat"]["index"] for each in pairs] == [0, 1, 0, 1]
    assert all(low <= each["params"]["x"] <= high for each in pairs)
    assert get_study(api)["best_value"] == 0.1
