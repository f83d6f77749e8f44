"""Completing a batch of trials, each with a result of its own."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_text_refused,
    create_study,
    list_trials,
    stored_trial,
    suggest_batch,
)

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"


def create(api: APIClient, n: int = 0, **more: Any) -> None:
    """A study with n running trials."""
    create_study(api, **{"sampler": "random", "pruner": "none"} | more)
    if n > 0:
        assert len(suggest_batch(api, n)) == n


def tell(api: APIClient, *items: Any) -> list[JSON]:
    response = api.post(f"{URL}/trials/complete-batch", {"trials": list(items)})
    assert response.status_code == 200, response.content
    assert list(response.json()) == ["results"]
    results = response.json()["results"]
    assert len(results) == len(items)
    return results


def completed(trial_id: int, values: Any, **more: Any) -> JSON:
    return {"trial_id": trial_id, "state": "COMPLETE", "values": values, **more}


def statuses(results: list[JSON]) -> list[tuple[int | None, int, str | None]]:
    return [(r["trial_id"], r["status"], r.get("error", {}).get("code")) for r in results]


def test_batch_accepts_all_kinds_of_outcomes(api: APIClient) -> None:
    create(api, 4, direction="minimize")
    attrs = {"gpu": "a100"}
    results = tell(
        api,
        completed(2, 0.5, intermediate_values={"0": 0.25}, user_attrs=attrs),
        {"trial_id": 0, "state": "PRUNED", "reason": "slow", "intermediate_values": {"3": 0.75}},
        {"trial_id": 1, "state": "FAIL", "reason": "out of memory", "user_attrs": attrs},
        completed(3, [0.25]),
    )
    assert statuses(results) == [(2, 200, None), (0, 200, None), (1, 200, None), (3, 200, None)]
    assert sorted((r["trial"] for r in results), key=lambda t: t["trial_id"]) == list_trials(api)
    keys = ("state", "values", "reason", "intermediate_values", "user_attrs")
    assert [tuple(each[key] for key in keys) for each in list_trials(api)] == [
        ("PRUNED", [0.75], "slow", {"3": 0.75}, {}),
        ("FAIL", None, "out of memory", {}, attrs),
        ("COMPLETE", [0.5], None, {"0": 0.25}, attrs),
        ("COMPLETE", [0.25], None, {}, {}),
    ]
    study = api.get(URL).json()
    assert study["trial_counts"] == {
        "WAITING": 0,
        "RUNNING": 0,
        "COMPLETE": 2,
        "PRUNED": 1,
        "FAIL": 1,
    }
    assert study["best_value"] == 0.25
    assert api.get(f"{URL}/best").json()["trial_id"] == 3


def test_batch_item_equals_a_single_request(api: APIClient) -> None:
    create(api, 1)
    (result,) = tell(api, completed(0, 1))
    assert result == {"trial_id": 0, "status": 200, "trial": stored_trial(api)}


def test_batch_items_are_decided_one_by_one(api: APIClient) -> None:
    create(api, 6)
    api.post(f"{URL}/trials", {"params": {"x": 0.5}})
    api.post(f"{URL}/trials/3/complete", {"values": 1})
    results = tell(
        api,
        completed(0, 0.5),
        completed(99, 0.5),
        completed(6, 0.5),
        completed(3, 2),
        completed(3, 1),
        completed(4, [1, 2]),
        completed(1, 0.25),
    )
    assert statuses(results) == [
        (0, 200, None),
        (99, 404, "trial_not_found"),
        (6, 409, "trial_not_running"),
        (3, 409, "trial_finished"),
        (3, 200, None),
        (4, 400, "invalid"),
        (1, 200, None),
    ]
    for result in results:
        problem = {"type", "title", "status", "detail", "code"}
        if result["status"] != 200:
            assert set(result) == {"trial_id", "status", "error"}
            assert problem <= result["error"].keys()
            assert result["error"]["status"] == result["status"]
    assert [each["pointer"] for each in results[5]["error"]["errors"]] == ["/trials/5/values"]
    ended = ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE", "RUNNING", "RUNNING", "WAITING"]
    assert [each["state"] for each in list_trials(api)] == ended


@pytest.mark.parametrize(
    ("item", "trial_id", "pointers"),
    [
        ({"state": "COMPLETE", "values": 1}, None, ["/trial_id"]),
        ({"trial_id": 1}, 1, ["/state"]),
        ({"trial_id": 1, "reason": "no"}, 1, ["/state"]),
        ({"trial_id": 1, "values": 1, "retry": True}, 1, ["/retry"]),
        ({"trial_id": 1, "state": "PRUNED", "retry": False}, 1, ["/retry"]),
        ({"trial_id": 1, "state": "COMPLETE"}, 1, ["/values"]),
        ({"trial_id": 1, "state": "COMPLETE", "values": None}, 1, ["/values"]),
        ({"trial_id": 1, "state": "COMPLETE", "values": "1"}, 1, ["/values"]),
        ({"trial_id": 1, "state": "COMPLETE", "values": [1, "2"]}, 1, ["/values/1"]),
        ({"trial_id": 1, "state": "PRUNED", "values": 1}, 1, ["/values"]),
        ({"trial_id": 1, "state": "FAIL", "values": 1}, 1, ["/values"]),
        ({"trial_id": 1, "state": "RUNNING"}, 1, ["/state"]),
        ({"trial_id": 1, "state": "WAITING"}, 1, ["/state"]),
        ({"trial_id": 1, "state": "complete", "values": 1}, 1, ["/state"]),
        ({"trial_id": 1, "state": 3, "values": 1}, 1, ["/state"]),
        ({"trial_id": 1, "state": ["FAIL"]}, 1, ["/state"]),
        ({"trial_id": "1", "state": "FAIL"}, None, ["/trial_id"]),
        ({"trial_id": True, "state": "FAIL"}, None, ["/trial_id"]),
        ({"trial_id": 1.0, "state": "FAIL"}, None, ["/trial_id"]),
        ({"trial_id": None, "state": "FAIL"}, None, ["/trial_id"]),
        ({"trial_id": -1, "state": "FAIL"}, -1, ["/trial_id"]),
        ({"trial_id": 2**31, "state": "FAIL"}, 2**31, ["/trial_id"]),
        ({"trial_id": 1, "state": "FAIL", "reason": 1}, 1, ["/reason"]),
        ({"trial_id": 1, "state": "FAIL", "why": "no"}, 1, ["/why"]),
        ({"trial_id": 1, "state": "FAIL", "user_attrs": []}, 1, ["/user_attrs"]),
        (
            {"trial_id": 1, "state": "FAIL", "intermediate_values": {"0": "1"}},
            1,
            ["/intermediate_values/0"],
        ),
        ({"trial_id": 1, "state": "PRUNED", "constraints": {"a": 1}}, 1, ["/constraints/a"]),
        (None, None, [""]),
        ([], None, [""]),
        ("x", None, [""]),
        (7, None, [""]),
        ({}, None, ["/trial_id"]),
    ],
)
def test_malformed_item_is_refused_alone(
    api: APIClient, item: Any, trial_id: int | None, pointers: list[str]
) -> None:
    create(api, 3)
    results = tell(api, completed(0, 1), item, completed(2, 2))
    assert statuses(results) == [(0, 200, None), (trial_id, 400, "invalid"), (2, 200, None)]
    told = sorted(each["pointer"] for each in results[1]["error"]["errors"])
    assert told == [f"/trials/1{pointer}" for pointer in pointers]
    assert [each["state"] for each in list_trials(api)] == ["COMPLETE", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/trials"),
        ({"trials": None}, "/trials"),
        ({"trials": []}, "/trials"),
        ({"trials": {}}, "/trials"),
        ({"trials": "x"}, "/trials"),
        ({"trials": [completed(0, 1)] * 1001}, "/trials"),
        ({"trials": [completed(0, 1)], "state": "COMPLETE"}, "/state"),
    ],
)
def test_malformed_list_is_refused_as_a_whole(api: APIClient, body: JSON, pointer: str) -> None:
    create(api, 1)
    response = api.post(f"{URL}/trials/complete-batch", body)
    assert response.status_code == 400, response.content
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert [each["state"] for each in list_trials(api)] == ["RUNNING"]


@pytest.mark.parametrize(
    "body",
    [
        '[{"trial_id": 0, "state": "FAIL"}]',
        '{"trials": [{"trial_id": 0, "state": "FAIL", "x": NaN}]}',
        '{"trials": [{"trial_id": 0, "state": "FAIL", "state": "FAIL"}]}',
    ],
)
def test_body_that_is_not_strict_json_is_refused(api: APIClient, body: str) -> None:
    create(api, 1)
    assert_text_refused(api, f"{URL}/trials/complete-batch", body)
    assert [each["state"] for each in list_trials(api)] == ["RUNNING"]


def test_batch_accepts_1000_items(api: APIClient) -> None:
    create(api, 2)
    results = tell(api, *[completed(n % 2, n % 2) for n in range(1000)])
    assert {each["status"] for each in results} == {200}
    assert [each["values"] for each in list_trials(api)] == [[0.0], [1.0]]


def test_first_of_two_outcomes_for_a_trial_counts(api: APIClient) -> None:
    create(api, 2)
    pruned = {"trial_id": 1, "state": "PRUNED", "intermediate_values": {"0": 3}}
    results = tell(
        api, completed(0, 1), completed(0, 1), completed(0, 2), pruned, completed(1, 3), pruned
    )
    assert [each["status"] for each in results] == [200, 200, 409, 200, 409, 200]
    assert results[0]["trial"] == results[1]["trial"] == list_trials(api)[0]
    assert results[3]["trial"] == results[5]["trial"] == list_trials(api)[1]
    assert [each["values"] for each in list_trials(api)] == [[1.0], [3.0]]
    assert api.get(URL).json()["trial_counts"]["COMPLETE"] == 1


def test_repeated_batch_is_accepted(api: APIClient) -> None:
    create(api, 3)
    items = [
        completed(0, 1, user_attrs={"a": 1}),
        {"trial_id": 1, "state": "PRUNED", "reason": "slow", "intermediate_values": {"0": 1}},
        {"trial_id": 2, "state": "FAIL", "reason": "gone"},
    ]
    first = tell(api, *items)
    study = api.get(URL).json()
    assert tell(api, *items) == first
    assert api.get(URL).json() == study
    for number, call in enumerate(("complete", "prune", "fail")):
        body = {"values": 1} if call == "complete" else {}
        told = api.post(f"{URL}/trials/{number}/{call}", body)
        assert (told.status_code, told.json()) == (200, first[number]["trial"])


@pytest.mark.parametrize(("direction", "best"), [("minimize", 3), ("maximize", 1)])
def test_best_after_a_batch_is_the_first_of_equals(
    api: APIClient, direction: str, best: int
) -> None:
    create(api, 8, direction=direction)
    values = {6: 0.0, 5: 1.0, 4: 0.5, 3: 0.0, 2: 0.5, 1: 1.0}
    tell(api, *[completed(number, value) for number, value in values.items()])
    found = api.get(f"{URL}/best").json()
    assert (found["trial_id"], found["value"]) == (best, values[best])
    study = api.get(URL).json()
    assert (study["best_value"], study["best_params"]) == (values[best], found["params"])
    tell(api, completed(7, values[best]), completed(0, values[best]))
    assert api.get(f"{URL}/best").json()["trial_id"] == 0


def test_front_after_a_batch_is_that_of_all_objectives(api: APIClient) -> None:
    create(api, 7, direction=["minimize", "maximize"])
    values = [[1, 1], [2, 3], [1, 1], [3, 3], [0, 0], [2, 2]]
    tell(api, *[completed(number, value) for number, value in reversed(list(enumerate(values)))])
    front = api.get(f"{URL}/pareto").json()
    assert [(each["trial_id"], each["values"]) for each in front] == [
        (0, [1.0, 1.0]),
        (1, [2.0, 3.0]),
        (2, [1.0, 1.0]),
        (4, [0.0, 0.0]),
    ]
    assert api.get(f"{URL}/best").json()["trial_id"] == 0
    tell(api, completed(6, [-1, 4]))
    assert [each["trial_id"] for each in api.get(f"{URL}/pareto").json()] == [6]


def test_items_have_constraints(api: APIClient) -> None:
    create(api, 3, direction="minimize", constraints=["latency"])
    results = tell(
        api,
        completed(0, 1, constraints={"latency": 0.5}),
        completed(1, 2, constraints={"latency": -0.5}),
        completed(2, 3),
    )
    assert [each["status"] for each in results] == [200, 200, 400]
    assert [e["pointer"] for e in results[2]["error"]["errors"]] == ["/trials/2/constraints"]
    assert results[0]["trial"]["constraints"] == {"latency": 0.5}
    assert api.get(f"{URL}/best").json()["trial_id"] == 1


def test_batch_that_uses_up_a_budget_completes_the_study(api: APIClient) -> None:
    create(api, 3, max_trials=3)
    tell(api, completed(0, 1), {"trial_id": 1, "state": "PRUNED"})
    assert api.get(URL).json()["state"] == "ACTIVE"
    tell(api, completed(2, 1))
    study = api.get(URL).json()
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_trials")


def test_batch_for_a_missing_study_is_not_found(api: APIClient) -> None:
    create(api)
    body = {"trials": [completed(0, 1)]}
    response = api.post("/api/v1/studies/none/trials/complete-batch", body)
    assert (response.status_code, response.json()["code"]) == (404, "study_not_found")
