"""Ask and tell over HTTP, and reading trials."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.models import NamedStudy
from tests.support.api_client import stored_trial
from trials.models import Trial

JSON = dict[str, Any]
URL = "/api/v1/studies/search/trials"
# Of a trial without a worker's name, a lease, another attempt, constraints or a reason.
UNEVENTFUL: JSON = {
    "constraints": None,
    "reason": None,
    "priority": 0,
    "worker_id": None,
    "lease_expires_at": None,
    "attempt": 1,
    "retry_of": None,
    "search_space_version": 1,
    "repeat": None,
    "reoffers": 0,
    "retried_as": None,
    "infeasible": False,
    "sampled_by": None,
    "retry_refused": None,
    "cancelled_retry": None,
}
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]


def create(api: APIClient, **more: Any) -> JSON:
    response = api.post("/api/v1/studies", {"name": "search", "search_space": SPACE} | more)
    assert response.status_code == 201, response.content
    return response.json()


def suggest(api: APIClient) -> JSON:
    response = api.post(f"{URL}/suggest")
    assert response.status_code == 200, response.content
    return response.json()


def complete(api: APIClient, trial_id: int, **body: Any) -> Any:
    return api.post(f"{URL}/{trial_id}/complete", body)


def report(number: int, steps: Mapping[int, float]) -> None:
    """Report intermediate values of a running trial, as Optuna's clients can."""
    with transaction.atomic():
        study = NamedStudy("search").locked()
        trial = Trial.objects.get_by_number(study, number)
        trial.steps, trial.step_values = list(steps), list(steps.values())
        rows = [(trial, step, value) for step, value in steps.items()]
        Trial.objects.change(study, [trial], was=[TrialState.RUNNING], steps=rows)


def optunas_rows() -> list[tuple[Any, ...]]:
    """What Optuna's schema says of how trials went."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.number, t.state::text, v.objective, v.value, i.step, a.key "
            "FROM optuna.trials t LEFT JOIN optuna.trial_values v USING (trial_id) "
            "LEFT JOIN optuna.trial_intermediate_values i USING (trial_id) "
            "LEFT JOIN optuna.trial_user_attributes a USING (trial_id) ORDER BY 1, 3, 5, 6"
        )
        return cursor.fetchall()


def seconds(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() == timedelta(0)
    assert text.endswith("+00:00")
    return moment


# Ask -------------------------------------------------------------------------------------


def test_suggest_starts_a_trial(api: APIClient, study: JSON) -> None:
    response = api.post(f"{URL}/suggest")
    assert response.status_code == 200
    suggested = response.json()
    assert (suggested["trial_id"], suggested["study_name"]) == (0, "search")
    params = suggested["params"]
    assert list(params) == ["learning_rate", "min_score", "batch_size", "optimizer"]
    assert [type(value) for value in params.values()] == [float, float, int, str]
    assert 0.0001 <= params["learning_rate"] <= 0.1
    assert params["batch_size"] in range(16, 129, 16)
    assert params["optimizer"] in ("adam", "sgd", "rmsprop")
    trial = stored_trial(api)
    assert trial == {
        "trial_id": 0,
        "study_name": "search",
        "study_id": suggested["study_id"],
        "state": "RUNNING",
        "values": None,
        "params": params,
        "datetime_start": trial["datetime_start"],
        "datetime_complete": None,
        "duration_seconds": None,
        "user_attrs": {},
        "intermediate_values": {},
        **UNEVENTFUL,
    }
    assert seconds(trial["datetime_start"])


def test_suggest_numbers_trials_without_gaps(api: APIClient, study: JSON) -> None:
    assert [suggest(api)["trial_id"] for _ in range(3)] == [0, 1, 2]
    found = api.get("/api/v1/studies/search").json()
    assert (found["n_trials"], found["trial_counts"]["RUNNING"]) == (3, 3)


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_suggest_takes_an_empty_body(api: APIClient, study: JSON, body: Any) -> None:
    response = api.generic("POST", f"{URL}/suggest", body, "application/json")
    assert response.status_code == 200


def test_suggest_takes_no_content_type_without_a_body(api: APIClient, study: JSON) -> None:
    assert api.generic("POST", f"{URL}/suggest", "", "").status_code == 200


def test_suggest_refuses_keys(api: APIClient, study: JSON) -> None:
    for response in (
        api.post(f"{URL}/suggest", {"n": 2}),
        api.post(f"{URL}/suggest?n=2"),
        api.generic("POST", f"{URL}/suggest", "[]", "application/json"),
    ):
        assert response.status_code == 400
    assert api.get(URL).json() == []


# Tell ------------------------------------------------------------------------------------


def test_complete_ends_a_trial(api: APIClient) -> None:
    create(api)
    suggested = suggest(api)
    body = {
        "values": 0.5,
        "intermediate_values": {"10": 0.3, "0": 1, "2": -0.25},
        "user_attrs": {"z": [1, 1.5, None], "a": {"ü": True}},
    }
    response = api.post(f"{URL}/0/complete", body)
    trial = response.json()
    assert response.status_code == 200
    assert trial == {
        "trial_id": 0,
        "study_name": "search",
        "study_id": suggested["study_id"],
        "state": "COMPLETE",
        "values": [0.5],
        "params": suggested["params"],
        "datetime_start": trial["datetime_start"],
        "datetime_complete": trial["datetime_complete"],
        "duration_seconds": trial["duration_seconds"],
        "user_attrs": {"z": [1, 1.5, None], "a": {"ü": True}},
        "intermediate_values": {"0": 1.0, "2": -0.25, "10": 0.3},
        **UNEVENTFUL,
    }
    assert list(trial["intermediate_values"]) == ["0", "2", "10"]
    took = seconds(trial["datetime_complete"]) - seconds(trial["datetime_start"])
    assert trial["duration_seconds"] == took.total_seconds() >= 0
    assert stored_trial(api) == trial
    assert api.get(URL).json() == [trial]


@pytest.mark.parametrize(
    ("direction", "told", "stored"),
    [
        ("minimize", 1, [1.0]),
        ("minimize", [1], [1.0]),
        ("minimize", -0.5e300, [-0.5e300]),
        (["minimize"], 2, [2.0]),
        (["minimize", "maximize"], [1, 2.5], [1.0, 2.5]),
        (["minimize"] * 10, list(range(10)), [float(each) for each in range(10)]),
    ],
)
def test_complete_takes_one_number_for_each_objective(
    api: APIClient, direction: Any, told: Any, stored: list[float]
) -> None:
    create(api, direction=direction)
    suggest(api)
    response = complete(api, 0, values=told)
    assert (response.status_code, response.json()["values"]) == (200, stored)


REFUSED = [
    ({}, "/values"),
    ({"values": None}, "/values"),
    ({"values": []}, "/values"),
    ({"values": [1, 2]}, "/values"),
    ({"values": "0.5"}, "/values"),
    ({"values": True}, "/values"),
    ({"values": {}}, "/values"),
    ({"values": ["0.5"]}, "/values/0"),
    ({"values": [False]}, "/values/0"),
    ({"values": [None]}, "/values/0"),
    ({"values": [[1]]}, "/values/0"),
    ({"values": 1, "value": 1}, "/value"),
    ({"values": 1, "state": "COMPLETE"}, "/state"),
    ({"values": 1, "intermediate_values": []}, "/intermediate_values"),
    ({"values": 1, "intermediate_values": "0"}, "/intermediate_values"),
    *(
        ({"values": 1, "intermediate_values": {step: 1}}, f"/intermediate_values/{step}")
        for step in ("-1", "1.0", "1.5", "a", "", " 1", "01", "+1", "1e3", "٣", "²")
    ),
    ({"values": 1, "intermediate_values": {str(2**31): 1}}, "/intermediate_values/2147483648"),
    ({"values": 1, "intermediate_values": {"0": 1, "9": "1"}}, "/intermediate_values/9"),
    ({"values": 1, "intermediate_values": {"0": True}}, "/intermediate_values/0"),
    ({"values": 1, "intermediate_values": {"0": [1]}}, "/intermediate_values/0"),
    ({"values": 1, "user_attrs": []}, "/user_attrs"),
    ({"values": 1, "user_attrs": "a"}, "/user_attrs"),
]


@pytest.mark.parametrize(("body", "pointer"), REFUSED)
def test_complete_refuses_invalid_bodies_and_the_trial_keeps_running(
    api: APIClient, body: JSON, pointer: str
) -> None:
    create(api)
    suggest(api)
    before = (api.get(f"{URL}/0").json(), api.get("/api/v1/studies/search").json(), optunas_rows())
    response = api.post(f"{URL}/0/complete", body)
    assert response.status_code == 400, response.content
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    after = (api.get(f"{URL}/0").json(), api.get("/api/v1/studies/search").json(), optunas_rows())
    assert after == before
    assert before[0]["state"] == "RUNNING"
    assert complete(api, 0, values=1).status_code == 200


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "[1, NaN]"])
@pytest.mark.parametrize(
    "body", ['{"values": %s}', '{"values": 1, "intermediate_values": {"0": %s}}']
)
def test_complete_refuses_numbers_that_are_not_finite(
    api: APIClient, body: str, literal: str
) -> None:
    create(api)
    suggest(api)
    response = api.generic("POST", f"{URL}/0/complete", body % literal, "application/json")
    assert response.status_code == 400
    assert api.get(f"{URL}/0").json()["state"] == "RUNNING"


@pytest.mark.parametrize("values", [1, [1], [1, 2, 3], []])
def test_complete_refuses_another_number_of_values(api: APIClient, values: Any) -> None:
    create(api, direction=["minimize", "minimize"])
    suggest(api)
    response = complete(api, 0, values=values)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/values"]
    assert api.get(f"{URL}/0").json()["state"] == "RUNNING"


def test_complete_takes_the_last_possible_step(api: APIClient) -> None:
    create(api)
    suggest(api)
    steps = {"0": 0.0, "2147483647": 1.0}
    told = complete(api, 0, values=1, intermediate_values=steps).json()
    assert told["intermediate_values"] == steps


def test_complete_accepts_null_as_missing(api: APIClient) -> None:
    create(api)
    suggest(api)
    told = complete(api, 0, values=1, intermediate_values=None, user_attrs=None)
    assert told.status_code == 200
    assert (told.json()["intermediate_values"], told.json()["user_attrs"]) == ({}, {})


TOLD: JSON = {
    "values": 0.5,
    "intermediate_values": {"1": 0.1, "2": 0.2},
    "user_attrs": {"a": 1, "b": [True]},
}


@pytest.mark.parametrize(
    "again",
    [
        TOLD,
        {"values": 0.5},
        {"values": [0.5]},
        {"values": 0.5, "intermediate_values": {}, "user_attrs": {}},
        {"values": 0.5, "intermediate_values": {"2": 0.2}},
        {"values": 0.5, "user_attrs": {"b": [True]}},
        {"values": 0.5, "intermediate_values": None, "user_attrs": None},
    ],
)
def test_complete_again_with_the_same_outcome_is_accepted(api: APIClient, again: JSON) -> None:
    create(api)
    suggest(api)
    first = complete(api, 0, **TOLD).json()
    study = api.get("/api/v1/studies/search").json()
    response = complete(api, 0, **again)
    assert (response.status_code, response.json()) == (200, first)
    assert api.get("/api/v1/studies/search").json() == study


@pytest.mark.parametrize(
    "other",
    [
        {"values": 0.6},
        {"values": -0.5},
        {"values": 0.5, "intermediate_values": {"1": 0.2}},
        {"values": 0.5, "intermediate_values": {"1": 0.1, "3": 0.3}},
        {"values": 0.5, "user_attrs": {"a": 2}},
        {"values": 0.5, "user_attrs": {"new": 1}},
        {"values": 0.5, "user_attrs": {"a": None}},
    ],
)
def test_complete_again_with_another_outcome_is_refused(api: APIClient, other: JSON) -> None:
    create(api)
    suggest(api)
    first = complete(api, 0, **TOLD).json()
    response = complete(api, 0, **other)
    assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
    assert response.json()["detail"] == (
        "trial 0 has ended already: it has state COMPLETE and values [0.5]"
    )
    assert stored_trial(api) == first


def test_complete_after_prune_and_prune_after_complete_are_refused(api: APIClient) -> None:
    create(api)
    suggest(api), suggest(api)
    complete(api, 0, values=1)
    api.post(f"{URL}/1/prune")
    for response, stored in (
        (api.post(f"{URL}/0/prune"), "state COMPLETE and values [1.0]"),
        (complete(api, 1, values=1), "state PRUNED and no value"),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "trial_finished")
        assert response.json()["detail"].endswith(f"it has {stored}")
    assert [each["state"] for each in api.get(URL).json()] == ["COMPLETE", "PRUNED"]


def test_prune_ends_a_trial(api: APIClient) -> None:
    create(api)
    suggested = suggest(api)
    response = api.post(f"{URL}/0/prune")
    trial = response.json()
    assert response.status_code == 200
    assert (trial["state"], trial["values"], trial["params"]) == (
        "PRUNED",
        None,
        suggested["params"],
    )
    assert seconds(trial["datetime_complete"]) >= seconds(trial["datetime_start"])
    assert stored_trial(api) == trial
    counts = api.get("/api/v1/studies/search").json()["trial_counts"]
    assert (counts["RUNNING"], counts["PRUNED"]) == (0, 1)


def test_prune_takes_the_last_intermediate_value(api: APIClient) -> None:
    create(api)
    suggest(api)
    report(0, {9: 0.9, 0: 0.1, 3: 0.3})
    trial = api.post(f"{URL}/0/prune").json()
    assert trial["values"] == [0.9]
    assert trial["intermediate_values"] == {"0": 0.1, "3": 0.3, "9": 0.9}
    assert api.post(f"{URL}/0/prune").json() == trial
    assert api.get("/api/v1/studies/search").json()["best_value"] is None


@pytest.mark.parametrize("last", [float("nan"), float("inf"), float("-inf")])
def test_prune_never_stores_a_value_outside_json(api: APIClient, last: float) -> None:
    create(api)
    suggest(api)
    report(0, {0: 0.1, 3: last})
    trial = api.post(f"{URL}/0/prune").json()
    assert trial["intermediate_values"] == {"0": 0.1, "3": None}
    assert trial["values"] in (None, [None])
    assert api.get(URL).json() == [trial]


def test_prune_again_is_accepted(api: APIClient) -> None:
    create(api)
    suggest(api)
    first = api.post(f"{URL}/0/prune").json()
    again = api.post(f"{URL}/0/prune")
    assert (again.status_code, again.json()) == (200, first)


def test_prune_of_several_objectives_has_no_value(api: APIClient) -> None:
    create(api, direction=["minimize", "minimize"])
    suggest(api)
    trial = api.post(f"{URL}/0/prune").json()
    assert (trial["state"], trial["values"]) == ("PRUNED", None)


def test_prune_refuses_keys(api: APIClient) -> None:
    create(api)
    suggest(api)
    response = api.post(f"{URL}/0/prune", {"values": 1})
    assert response.status_code == 400
    assert api.get(f"{URL}/0").json()["state"] == "RUNNING"


def test_complete_keeps_what_was_reported(api: APIClient) -> None:
    create(api)
    suggest(api)
    report(0, {1: 0.1})
    told = complete(api, 0, values=1, intermediate_values={"1": 0.1, "2": 0.2}).json()
    assert told["intermediate_values"] == {"1": 0.1, "2": 0.2}


@pytest.mark.parametrize("trial_id", ["1", "999999999", "2147483647", "9" * 30, "-1", "x", "1.0"])
def test_unknown_trial_is_not_found(api: APIClient, trial_id: str) -> None:
    create(api)
    suggest(api)
    for response in (
        api.get(f"{URL}/{trial_id}"),
        api.post(f"{URL}/{trial_id}/complete", {"values": 1}),
        api.post(f"{URL}/{trial_id}/prune"),
    ):
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"


def test_trial_of_another_study_is_not_found(api: APIClient) -> None:
    create(api)
    create(api, name="other")
    suggest(api)
    response = api.get("/api/v1/studies/other/trials/0")
    assert (response.status_code, response.json()["code"]) == (404, "trial_not_found")


# List ------------------------------------------------------------------------------------


def fill(api: APIClient) -> None:
    """Trials 0 to 6: complete, pruned, running, complete, pruned, running, complete."""
    create(api)
    for number in range(7):
        suggest(api)
        if number % 3 == 0:
            complete(api, number, values=number)
        elif number % 3 == 1:
            api.post(f"{URL}/{number}/prune")


@pytest.mark.parametrize(
    ("query", "numbers", "total"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6], 7),
        ("?limit=2", [0, 1], 7),
        ("?limit=3&offset=5", [5, 6], 7),
        ("?offset=7", [], 7),
        ("?offset=2147483647", [], 7),
        ("?state=COMPLETE", [0, 3, 6], 3),
        ("?state=COMPLETE&limit=1&offset=1", [3], 3),
        ("?state=RUNNING", [2, 5], 2),
        ("?state=PRUNED&offset=1", [4], 2),
        ("?state=WAITING", [], 0),
        ("?state=FAIL", [], 0),
    ],
)
def test_list_is_ordered_by_number(
    api: APIClient, query: str, numbers: list[int], total: int
) -> None:
    fill(api)
    response = api.get(f"{URL}{query}")
    assert response.status_code == 200
    assert [trial["trial_id"] for trial in response.json()] == numbers
    assert response["X-Total-Count"] == str(total)
    for trial in response.json():
        assert trial == stored_trial(api, trial["trial_id"])


def test_list_links_to_other_pages(api: APIClient) -> None:
    fill(api)
    response = api.get(f"{URL}?state=COMPLETE&limit=1&offset=1")
    url = f"http://testserver{URL}?"
    links = list(re.findall(r'<([^>]+)>; rel="(\w+)"', response["Link"]))
    assert all(link.startswith(url) for link, _ in links)
    pages = {name: api.get(link).json() for link, name in links}
    assert {name: [each["trial_id"] for each in page] for name, page in pages.items()} == {
        "first": [0],
        "prev": [0],
        "next": [6],
        "last": [6],
    }


def test_list_takes_100_by_default(api: APIClient) -> None:
    create(api)
    assert "limit=100&" in api.get(URL)["Link"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("state=complete", "/state"),
        ("state=DONE", "/state"),
        ("state=", "/state"),
        ("state=COMPLETE&state=FAIL", "/state"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("offset=-1", "/offset"),
        ("sort=number", "/sort"),
    ],
)
def test_list_refuses_invalid_queries(api: APIClient, query: str, pointer: str) -> None:
    create(api)
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_two_queries(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    create(api)
    for number in range(count):
        suggest(api)
        complete(api, number, values=1, intermediate_values={"0": 1}, user_attrs={"a": 1})
    with django_assert_num_queries(2):
        assert len(api.get(URL).json()) == count
    with django_assert_num_queries(3):  # the third for its note and links
        assert api.get(f"{URL}/0").status_code == 200
