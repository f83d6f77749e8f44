"""Params of added trials are checked against the search space, value by value."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    assert_schemas_agree,
    assert_text_refused,
    create_study,
    invalid_pointers,
    suggest_batch,
)
from tests.support.sample_studies import numeric_parameters, repeatable_examples

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = f"{STUDIES}/search"
TRIALS = f"{URL}/trials"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "log", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "float", "name": "s", "low": 0.1, "high": 0.75, "step": 0.2},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "int", "name": "wide", "low": -(2**53), "high": 2**53},
    {"type": "categorical", "name": "c", "choices": ["a", 1, 2.5, False, ""]},
    {"type": "categorical", "name": "a/b~c", "choices": ["one", True, 0]},
]
FULL: JSON = {"x": 0.5, "log": 0.1, "s": 0.3, "n": 3, "wide": 0, "c": "a", "a/b~c": "one"}
WAITING: JSON = {"params": FULL}
COMPLETE: JSON = {"params": FULL, "state": "COMPLETE", "values": 1}
PRUNED: JSON = {"params": FULL, "state": "PRUNED"}
FAIL: JSON = {"params": FULL, "state": "FAIL"}

FIT: dict[str, list[Any]] = {
    "x": [0.0, 1.0, 0, 1, 5e-324, 0.1 + 0.2, -0.0],
    "log": [1e-5, 1, 1.0],
    "s": [0.1, 0.3, 0.5, 0.7, 0.30000000000000004],
    "n": [1, 3, 9],
    "wide": [-(2**53), 2**53, 2**53 - 1, 7],
    "c": ["a", 1, 2.5, False, ""],
    "a/b~c": ["one", True, 0],
}
OTHER_KINDS: list[Any] = ["0.5", "", True, False, None, [0.5], {}]
UNFIT: dict[str, list[Any]] = {
    "x": [5.0, -0.1, 1.0000000000000002, 2, -1e-300, 10**300, 1e308, *OTHER_KINDS],
    "log": [0, 0.0, -1, 9.999e-6, 1.1],
    "s": [0.2, 0.31, 0.75, 0.9, -0.1, 0, 1],
    "n": [0, 2, 10, 11, -1, 1.0, 1.5, 10**30, "1", *OTHER_KINDS],
    "wide": [2**53 + 1, -(2**53) - 1, 2**63, 0.0, 1e3],
    "c": ["b", "A", True, 0, "1", 2, "False", None, [], ["a"], {}],
    "a/b~c": [1, False, "True", "two"],
}

create = partial(create_study, search_space=SPACE, sampler="random", pruner="none")


def assert_nothing_is_stored(api: APIClient) -> None:
    assert api.get(TRIALS).json() == []
    assert api.get(URL).json()["n_trials"] == 0


@pytest.mark.parametrize("name", FIT)
def test_values_of_the_space_are_taken(api: APIClient, name: str) -> None:
    create(api)
    is_float = name in ("x", "log", "s")
    for value in FIT[name]:
        expected = repr(float(value) if is_float else value)
        for body in ({"params": {name: value}}, COMPLETE | {"params": FULL | {name: value}}):
            response = api.post(TRIALS, body)
            assert response.status_code == 201, response.content
            assert repr(response.json()["params"][name]) == expected
        served = api.post(f"{TRIALS}/suggest").json()
        assert repr(served["params"][name]) == expected


@pytest.mark.parametrize("name", UNFIT)
def test_values_outside_the_space_are_refused(api: APIClient, name: str) -> None:
    create(api)
    pointer = f"/params/{name.replace('~', '~0').replace('/', '~1')}"
    for value in UNFIT[name]:
        queued, finished = {"params": {name: value}}, COMPLETE | {"params": FULL | {name: value}}
        for body in (queued, finished):
            assert invalid_pointers(api.post(TRIALS, body)) == [pointer], value
            faults = invalid_pointers(api.post(TRIALS, [WAITING, COMPLETE, body]))
            assert faults == [f"/2{pointer}"], value
        assert_nothing_is_stored(api)


def test_choice_is_known_in_any_notation(api: APIClient) -> None:
    """JavaScript writes 2.0 as 2, and others 1 as 1.0: it is the same choice."""
    create(api, search_space=[{"type": "categorical", "name": "c", "choices": [1, 2.0]}])
    added = api.post(TRIALS, [{"params": {"c": 1.0}}, {"params": {"c": 2}}])
    assert added.status_code == 201, added.content
    assert repr([each["params"]["c"] for each in added.json()]) == "[1, 2.0]"


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "NaN", "Infinity"])
def test_number_that_is_not_finite_is_refused(api: APIClient, literal: str) -> None:
    create(api)
    for body in (
        f'{{"params": {{"x": {literal}}}}}',
        f'[{{"params": {{"x": {literal}}}}}]',
        f'{{"params": {{}}, "priority": {literal}}}',
    ):
        assert_text_refused(api, TRIALS, body)
    assert_nothing_is_stored(api)


def test_unknown_and_missing_names_are_refused(api: APIClient) -> None:
    create(api)
    assert invalid_pointers(api.post(TRIALS, {"params": {"y": 1, "x": 5.0, "X": 1}})) == [
        "/params/y",
        "/params/X",
        "/params/x",
    ]
    for finished in (COMPLETE, PRUNED, FAIL):
        body = finished | {"params": {"x": 0.5, "n": 3}}
        missing = {"/params/log", "/params/s", "/params/wide", "/params/c", "/params/a~1b~0c"}
        assert set(invalid_pointers(api.post(TRIALS, body))) == missing
    assert_nothing_is_stored(api)


def test_message_names_what_was_expected(api: APIClient) -> None:
    create(api)
    for params, words in (
        ({"x": 5.0}, ["x", "5.0", "0.0", "1.0"]),
        ({"s": 0.2}, ["s", "0.2", "0.1", "0.75", "steps of 0.2"]),
        ({"c": True}, ["c", "'a', 1, 2.5, False"]),
        ({"y": 1}, ["y", "x, log, s, n"]),
    ):
        detail = api.post(TRIALS, {"params": params}).json()["detail"]
        assert [word for word in words if word not in detail] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/params"]),
        ({"params": None}, ["/params"]),
        ({"params": []}, ["/params"]),
        ({"params": "x"}, ["/params"]),
        (WAITING | {"state": "RUNNING"}, ["/state"]),
        (WAITING | {"state": "complete"}, ["/state"]),
        (WAITING | {"state": 1}, ["/state"]),
        (WAITING | {"state": ["COMPLETE"]}, ["/state"]),
        *((WAITING | {"priority": each}, ["/priority"]) for each in ("1", 1.5, True, 2**31, [1])),
        (WAITING | {"user_attrs": []}, ["/user_attrs"]),
        (WAITING | {"number": 3}, ["/number"]),
        (WAITING | {"trial_id": 3}, ["/trial_id"]),
        # What only a finished trial has, and what only a waiting one has.
        (WAITING | {"values": 1}, ["/values"]),
        (WAITING | {"intermediate_values": {"0": 1}}, ["/intermediate_values"]),
        (WAITING | {"reason": "no"}, ["/reason"]),
        (WAITING | {"constraints": {}}, ["/constraints"]),
        (WAITING | {"state": "WAITING", "values": 1, "reason": "no"}, ["/reason", "/values"]),
        *((each | {"priority": 1}, ["/priority"]) for each in (COMPLETE, PRUNED, FAIL)),
        (WAITING | {"state": "COMPLETE"}, ["/values"]),
        (COMPLETE | {"values": None}, ["/values"]),
        (COMPLETE | {"values": [1, 2]}, ["/values"]),
        (COMPLETE | {"values": []}, ["/values"]),
        (COMPLETE | {"values": "1"}, ["/values"]),
        (COMPLETE | {"values": [None]}, ["/values/0"]),
        (PRUNED | {"values": 1}, ["/values"]),
        (FAIL | {"values": 1}, ["/values"]),
        (COMPLETE | {"intermediate_values": {"-1": 1}}, ["/intermediate_values/-1"]),
        (COMPLETE | {"intermediate_values": {"0": "1"}}, ["/intermediate_values/0"]),
        (COMPLETE | {"intermediate_values": [1]}, ["/intermediate_values"]),
        (COMPLETE | {"constraints": {"latency": 1}}, ["/constraints/latency"]),
        (FAIL | {"reason": 1}, ["/reason"]),
        (FAIL | {"retry": True}, ["/retry"]),
    ],
)
def test_malformed_trial_is_refused(api: APIClient, body: JSON, expected: list[str]) -> None:
    create(api)
    assert invalid_pointers(api.post(TRIALS, body)) == expected
    listed = [f"/1{pointer}" for pointer in expected]
    assert invalid_pointers(api.post(TRIALS, [WAITING, body])) == listed
    assert_nothing_is_stored(api)


@pytest.mark.parametrize("item", [None, 1, "x", [], [WAITING], True])
def test_list_of_other_types_is_refused(api: APIClient, item: Any) -> None:
    create(api)
    assert invalid_pointers(api.post(TRIALS, [WAITING, item])) == ["/1"]
    assert_nothing_is_stored(api)


@pytest.mark.parametrize("body", [[], [WAITING] * 1001])
def test_list_of_another_length_is_refused(api: APIClient, body: Any) -> None:
    create(api)
    response = api.post(TRIALS, body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert_nothing_is_stored(api)


@pytest.mark.parametrize(
    "body", ["1", '"x"', "null", "true", "", "[", '[{"params": {}, "params": {}}]']
)
def test_body_of_another_type_is_refused(api: APIClient, body: str) -> None:
    create(api)
    assert_text_refused(api, TRIALS, body)
    assert_nothing_is_stored(api)


@pytest.mark.parametrize("body", [[], [{}], [{"values": 1}]])
def test_list_is_refused_by_other_endpoints(api: APIClient, body: Any) -> None:
    create(api)
    api.post(f"{TRIALS}/suggest")
    calls = ("complete", "prune", "fail", "report", "heartbeat")
    urls = [f"{TRIALS}/0/{call}" for call in calls]
    urls += [f"{TRIALS}/{call}" for call in ("suggest", "suggest-batch", "complete-batch")]
    urls += [f"{URL}/{call}" for call in ("pause", "resume", "complete", "cancel")]
    for url in (*urls, STUDIES):
        assert api.post(url, body).status_code == 400, url
    assert api.patch(URL, body).status_code == 400
    assert api.delete(f"{TRIALS}/0", body).status_code == 400
    assert [each["state"] for each in api.get(TRIALS).json()] == ["RUNNING"]
    assert api.get(URL).json()["state"] == "ACTIVE"


def test_trial_of_a_missing_study_is_not_found(api: APIClient) -> None:
    create(api)
    for body in (WAITING, [COMPLETE]):
        response = api.post(f"{STUDIES}/none/trials", body)
        assert (response.status_code, response.json()["code"]) == (404, "study_not_found")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, at the ends of the floats
@pytest.mark.parametrize("sampler", ["random", "qmc"])
@repeatable_examples(12)
@given(space=st.lists(numeric_parameters(), min_size=1, max_size=4))
def test_suggested_point_can_be_queued_and_recorded(
    api: APIClient, sampler: str, space: list[JSON]
) -> None:
    api.post(STUDIES, {"name": "search", "search_space": SPACE})
    for index, parameter in enumerate(space):
        parameter["name"] = f"p{index}"
    with transaction.atomic():
        definition: JSON = {"name": "drawn", "search_space": space, "sampler": sampler}
        definition["sampler_options"] = {"seed": 1}
        if api.post(STUDIES, definition).status_code == 201:
            url = f"{STUDIES}/drawn/trials"
            params = [api.post(f"{url}/suggest").json()["params"] for _ in range(3)]
            new = [{"params": each} for each in params]
            new += [{"params": each, "state": "COMPLETE", "values": 1} for each in params]
            added = api.post(url, new)
            assert added.status_code == 201, added.content
            assert [repr(each["params"]) for each in added.json()] == list(map(repr, params * 2))
            served = [api.post(f"{url}/suggest").json()["params"] for _ in range(3)]
            assert repr(served) == repr(params)
            assert_schemas_agree("drawn")
        transaction.set_rollback(True)


def test_suggested_point_of_very_many_steps_can_be_queued(api: APIClient) -> None:
    space = [{"type": "float", "name": "x", "low": 0.0, "high": 1e6, "step": 0.001}]
    create(api, search_space=space, sampler_options={"seed": 1})
    for _ in range(3):
        offers = suggest_batch(api, 100)
        response = api.post(TRIALS, [{"params": offer["params"]} for offer in offers])
        assert response.status_code == 201, response.content
        assert api.post(f"{TRIALS}/suggest-batch", {"count": 100}).status_code == 200
