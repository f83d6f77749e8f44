"""Filters and ordering of lists of trials."""

import math
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    add_trials,
    create_study,
    get_page,
    invalid_pointers,
    page_links,
    start_trial,
    trial_action,
    trial_numbers,
)
from tests.support.sample_studies import LISTED_PARAMS, LISTED_SPACE, create_listed_study
from tests.support.study_builders import add_trial_rows, build_study


@pytest.fixture
def played(api: APIClient) -> None:
    create_listed_study(api)


# Orders and filters ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"order_by": "number"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"order_by": "-number"}, [6, 5, 4, 3, 2, 1, 0]),
        ({"order_by": "value"}, [1, 3, 5, 0, 2, 4, 6]),
        ({"order_by": "-value"}, [0, 5, 3, 1, 2, 4, 6]),
        ({"order_by": "value", "offset": 3}, [0, 2, 4, 6]),
        ({"order_by": "value", "offset": 5}, [4, 6]),
        ({"order_by": "value", "offset": 7}, []),
        ({"order_by": "-value", "limit": 2, "offset": 3}, [1, 2]),
        ({"order_by": "-number", "limit": 2, "offset": 3}, [3, 2]),
        ({"order_by": "value", "state": "COMPLETE"}, [1, 3, 0]),
        ({"min_value": 2}, [0, 5]),
        ({"max_value": 1}, [1, 3]),
        ({"min_value": 1.5, "max_value": "2.0e0"}, [5]),
        ({"min_value": 1, "order_by": "value"}, [1, 3, 5, 0]),
        ({"min_value": 1, "order_by": "-number"}, [5, 3, 1, 0]),
        ({"worker_id": "w"}, [2]),
        ({"worker_id": "nobody"}, []),
        ({"params": {}}, [0, 1, 2, 3, 4, 5, 6]),
        ({"params": {"lr": 0.25}}, [1]),
        ({"params": {"lr": {"min": 0.75}, "kind": "1"}}, []),
        ({"params": {"lr": {"max": 0.25}, "kind": "1", "rate": 0.3}}, [1]),
        ({"params": {"n/m": {"min": 7.5, "max": 8}}, "state": "PRUNED"}, [5]),
        ({"params": {"kind": 2}, "min_value": 0}, [3]),
        ({"params": {"kind": 2.0}, "min_value": 0}, [3]),
        ({"params": {"kind": True}, "state": "FAIL"}, [4]),
        ({"params": {"kind": 2.5}, "state": "FAIL"}, []),
    ],
)
def test_list_is_ordered_and_filtered(
    api: APIClient, played: None, query: JSON, expected: list[int]
) -> None:
    response = get_page(api, **query)
    assert trial_numbers(response) == expected
    if not {"limit", "offset"} & query.keys():
        assert response["X-Total-Count"] == str(len(expected))


def test_float_steps_are_found_in_any_rounding(api: APIClient) -> None:
    create_study(api, search_space=LISTED_SPACE)
    for rate in (0.1 + 0.2, 0.3, 0.7, 0.1 * 7, 0.8):
        add_trials(
            api, {"params": LISTED_PARAMS | {"rate": rate}, "state": "COMPLETE", "values": 1}
        )
    for wanted, expected in (
        (0.3, [0, 1]),
        (0.1 + 0.2, [0, 1]),
        ({"min": 0.3, "max": 0.3}, [0, 1]),
        ({"max": 0.3}, [0, 1]),
        ({"min": 0.31, "max": 0.7}, [2, 3]),
        ({"min": 0.31, "max": 0.39}, []),
        ({"min": 0.8}, [4]),
        ({"min": -1e308, "max": 1e308}, [0, 1, 2, 3, 4]),
        ({"min": 1e308}, []),
    ):
        assert trial_numbers(get_page(api, params={"rate": wanted})) == expected, wanted


def test_durations_are_ordered(db: None, api: APIClient) -> None:
    study = build_study(space=LISTED_SPACE[:1])
    took: list[JSON] = [
        {"took": timedelta(seconds=2)},
        {"took": timedelta(microseconds=1)},
        {"state": TrialState.RUNNING},
        {"took": timedelta(days=40)},
        {"took": timedelta(0)},
        {"took": timedelta(0)},
        {"datetime_start": None, "took": timedelta(0)},
    ]
    add_trial_rows(study, [{"state": TrialState.FAIL, **each} for each in took])
    assert trial_numbers(get_page(api, order_by="duration")) == [4, 5, 1, 0, 3, 2, 6]
    assert trial_numbers(get_page(api, order_by="-duration")) == [3, 0, 1, 5, 4, 2, 6]
    assert trial_numbers(get_page(api, order_by="duration", limit=3, offset=4)) == [3, 2, 6]
    found = []
    url = f"{TRIALS_URL}?order_by=duration&limit=1"
    while url:
        response = get_page(api, url)
        found += trial_numbers(response)
        url = page_links(response).get("next", "")
    assert found == [4, 5, 1, 0, 3, 2, 6]


def test_infinite_values_are_ordered_and_nan_comes_last(db: None, api: APIClient) -> None:
    study = build_study(space=LISTED_SPACE[:1])
    values = [math.nan, math.inf, 1e300, -math.inf, -1e300]
    add_trial_rows(study, [{"state": TrialState.COMPLETE, "values": [value]} for value in values])
    assert trial_numbers(get_page(api, order_by="value")) == [3, 4, 2, 1, 0]
    assert trial_numbers(get_page(api, order_by="-value")) == [1, 2, 4, 3, 0]
    assert trial_numbers(get_page(api, min_value=-1.7e308)) == [1, 2, 4]
    assert trial_numbers(get_page(api, max_value=1.7e308, order_by="value")) == [3, 4, 2]


def test_objective_is_chosen(api: APIClient) -> None:
    create_study(api, direction=["minimize", "maximize"])
    for values in ([1, 5], [2, 4], [3, 6]):
        trial_action(api, start_trial(api), "complete", values=values)
    assert trial_numbers(get_page(api, order_by="value")) == [0, 1, 2]
    assert trial_numbers(get_page(api, order_by="value", target_idx=1)) == [1, 0, 2]
    assert trial_numbers(get_page(api, min_value=5, target_idx=1)) == [0, 2]
    assert trial_numbers(get_page(api, target_idx=1)) == [0, 1, 2]
    for index in ("2", "999999999999"):
        assert invalid_pointers(api.get(f"{TRIALS_URL}?target_idx={index}")) == ["/target_idx"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("order_by=size", "/order_by"),
        ("order_by=--value", "/order_by"),
        ("order_by=", "/order_by"),
        ("order_by=value&order_by=value", "/order_by"),
        ("target_idx=-1", "/target_idx"),
        ("target_idx=0.0", "/target_idx"),
        ("target_idx=1", "/target_idx"),
        ("min_value=nan", "/min_value"),
        ("min_value=Infinity", "/min_value"),
        ("min_value=1e400", "/min_value"),
        ("min_value=%201", "/min_value"),
        ("min_value=1_0", "/min_value"),
        ("max_value=", "/max_value"),
        ("max_value=true", "/max_value"),
        ("min_value=2&max_value=1", "/max_value"),
        ("worker_id=", "/worker_id"),
        ("worker_id=a%00b", "/worker_id"),
        (f"worker_id={'w' * 129}", "/worker_id"),
        ("params=", "/params"),
        ("params=1", "/params"),
        ("params=[]", "/params"),
        ('params={"lr":0.5', "/params"),
        ('params={"lr":NaN}', "/params"),
        ('params={"lr":1e400}', "/params"),
        ('params={"lr":0.5,"lr":0.5}', "/params"),
        (f"params={'[' * 3000}", "/params"),
        ('params={"ghost":1}', "/params/ghost"),
        ('params={"ghost":{"min":1}}', "/params/ghost"),
        ('params={"lr":2}', "/params/lr"),
        ('params={"lr":true}', "/params/lr"),
        ('params={"lr":null}', "/params/lr"),
        ('params={"lr":[0.5]}', "/params/lr"),
        ('params={"lr":{}}', "/params/lr"),
        ('params={"lr":{"min":null}}', "/params/lr"),
        ('params={"lr":{"min":"a"}}', "/params/lr/min"),
        ('params={"lr":{"low":1}}', "/params/lr/low"),
        ('params={"lr":{"min":2,"max":1}}', "/params/lr/max"),
        ('params={"rate":0.35}', "/params/rate"),
        ('params={"n/m":1.5}', "/params/n~1m"),
        ('params={"kind":1}', "/params/kind"),
        ('params={"kind":"2"}', "/params/kind"),
        ('params={"kind":{"min":1}}', "/params/kind"),
        ("cursor=", "/cursor"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=a:b:c", "/cursor"),
        ("cursor=%00%C3%BC", "/cursor"),
        ("sort=value", "/sort"),
    ],
)
def test_invalid_query_is_refused(api: APIClient, query: str, pointer: str) -> None:
    create_study(api, search_space=LISTED_SPACE)
    assert invalid_pointers(api.get(f"{TRIALS_URL}?{query}")) == [pointer]
