"""Lists of trials that are filtered and ordered by user attributes and constraints."""

import json
import math
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support import JSON, X_SPACE
from tests.support.api_client import (
    TRIALS_URL,
    create_study,
    get_page,
    invalid_pointers,
    page_links,
    start_trial,
    trial_action,
    trial_numbers,
)
from tests.support.database import recorded_statements
from tests.support.sample_studies import repeatable_examples
from tests.support.study_builders import add_trial_rows, build_study

CONSTRAINTS = ["load", "a/b"]


def build_attribute_study(*attributes: JSON, n: int | None = None) -> Study:
    """A study with a completed trial for each mapping of user attributes."""
    study = build_study(space=X_SPACE)
    rows: list[JSON] = [
        {"state": TrialState.COMPLETE, "values": [1.0], "user_attrs": each} for each in attributes
    ]
    add_trial_rows(study, rows)
    return study


def create_constrained_study(api: APIClient) -> None:
    """Create a study of six trials: load 1, -1, 0, none (running), 2 (failed), none (failed)."""
    create_study(api, constraints=CONSTRAINTS)
    for load in (1, -1, 0):
        trial_action(
            api, start_trial(api), "complete", values=1, constraints={"load": load, "a/b": -1}
        )
    start_trial(api)
    trial_action(api, start_trial(api), "fail", constraints={"load": 2, "a/b": -1})
    trial_action(api, start_trial(api), "fail")


# User attributes -------------------------------------------------------------------------

MIXED: list[JSON] = [
    {"a": 10},
    {"a": "10"},
    {"a": 9.5},
    {},
    {"a": True},
    {"a": None},
    {"a": [1]},
    {"a": -1e300},
    {"a": "9"},
    {"a": {"x": 1}},
    {"a": False},
    {"a": 10.0},
]
SORTED = [7, 2, 0, 11, 1, 8, 10, 4, 6, 9, 3, 5]


def test_attributes_are_ordered_by_type_and_value(db: None, api: APIClient) -> None:
    build_attribute_study(*MIXED)
    assert trial_numbers(get_page(api, order_by="user_attr.a")) == SORTED
    backwards = [*SORTED[9::-1], 3, 5]
    assert trial_numbers(get_page(api, order_by="-user_attr.a")) == backwards
    assert trial_numbers(get_page(api, order_by="user_attr.a", limit=4, offset=8)) == SORTED[8:]
    for name in ("ghost", "", "a.b", "x" * 2000):
        found = get_page(api, order_by=f"-user_attr.{name}")
        assert (trial_numbers(found), found["X-Total-Count"]) == (list(range(12)), "12")


@pytest.mark.parametrize(
    ("sought", "expected"),
    [
        ("10", [0, 1, 11]),
        ("10.0", [0, 11]),
        ("1e1", [0, 11]),
        ("9", [8]),
        ("true", [4]),
        ("false", [10]),
        ("True", []),
        ("", []),
        ("null", []),
        ("1e400", []),
        ("1" * 400, []),
        ({"min": 9.5}, [0, 2, 11]),
        ({"max": 9.5}, [2, 7]),
        ({"min": 9, "max": 9.9}, [2]),
    ],
)
def test_attribute_is_sought(db: None, api: APIClient, sought: Any, expected: list[int]) -> None:
    build_attribute_study(*MIXED)
    found = get_page(api, **{"user_attr.a": sought})
    assert (trial_numbers(found), found["X-Total-Count"]) == (expected, str(len(expected)))


def test_attributes_of_several_names_are_sought(db: None, api: APIClient) -> None:
    build_attribute_study(
        {"host": "a", "": 1, "ü.%s": "{x}"}, {"host": "a"}, {"": 1, "ü.%s": "{x}", "host": "b"}
    )
    assert trial_numbers(get_page(api, **{"user_attr.host": "a", "user_attr.": "1"})) == [0]
    assert trial_numbers(get_page(api, **{"user_attr.ü.%s": "{x}"})) == [0, 2]
    assert trial_numbers(get_page(api, **{"user_attr.host": "a", "state": "FAIL"})) == []
    assert trial_numbers(get_page(api, **{"user_attr.ghost": "a"})) == []


def test_links_keep_the_sought_attribute(db: None, api: APIClient) -> None:
    build_attribute_study({"a": "x y"}, {"a": "z"}, {"a": "x y"}, {"a": "x y"})
    query: JSON = {"user_attr.a": "x y", "order_by": "-user_attr.a", "limit": 1}
    url, found = f"{TRIALS_URL}?user_attr.a=x+y&order_by=-user_attr.a&limit=1", []
    assert get_page(api, **query)["X-Total-Count"] == "3"
    while url:
        response = get_page(api, url)
        found += trial_numbers(response)
        url = page_links(response).get("next", "")
        assert not url or "user_attr.a=x+y&order_by=-user_attr.a" in url
    assert found == [3, 2, 0]


ATTRIBUTES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, 0.0, -0.0, 1, 1.0, 0.1 + 0.2, 0.3, 5e-324, "", "a", "x" * 300, [], {}]),
)


@repeatable_examples(25)
@given(
    attributes=st.lists(ATTRIBUTES, min_size=1, max_size=12),
    limit=st.integers(1, 4),
    sign=st.sampled_from(["", "-"]),
)
def test_pages_by_an_attribute_have_each_trial_once(
    api: APIClient, attributes: list[Any], limit: int, sign: str
) -> None:
    Study.objects.all().delete()
    build_attribute_study(*({"a": value} for value in attributes))
    whole = trial_numbers(get_page(api, order_by=f"{sign}user_attr.a", limit=1000))
    numbers = [n for n in whole if type(attributes[n]) in (int, float)]
    expected = [n for n, value in enumerate(attributes) if type(value) in (int, float)]
    expected.sort(key=lambda n: (attributes[n], n), reverse=sign == "-")
    assert numbers == expected
    assert whole[len(whole) - attributes.count(None) :] == [
        n for n, value in enumerate(attributes) if value is None
    ]
    found: list[int] = []
    url = f"{TRIALS_URL}?order_by={sign}user_attr.a&limit={limit}"
    while url:
        response = get_page(api, url)
        found += trial_numbers(response)
        url = page_links(response).get("next", "")
    assert found == whole


# Constraints -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"order_by": "constraint.load"}, [1, 2, 0, 4, 3, 5]),
        ({"order_by": "-constraint.load"}, [4, 0, 2, 1, 3, 5]),
        ({"order_by": "-constraint.a/b"}, [4, 2, 1, 0, 3, 5]),
        ({"constraint.load": "1"}, [0]),
        ({"constraint.load": {"max": 0}}, [1, 2]),
        ({"constraint.load": {"min": 0}, "constraint.a/b": {"min": -1, "max": 0}}, [0, 2, 4]),
        ({"constraint.load": {"min": 0}, "order_by": "-constraint.load"}, [4, 0, 2]),
        ({"feasible": "true"}, [1, 2]),
        ({"feasible": "false"}, [0, 4]),
        ({"feasible": "false", "state": "COMPLETE"}, [0]),
    ],
)
def test_constraints_filter_and_order(api: APIClient, query: JSON, expected: list[int]) -> None:
    create_constrained_study(api)
    found = get_page(api, **query)
    assert (trial_numbers(found), found["X-Total-Count"]) == (expected, str(len(expected)))


def test_infeasible_trials_are_not_feasible(api: APIClient) -> None:
    create_study(api)
    trial_action(api, start_trial(api), "fail", infeasible=True)
    trial_action(api, start_trial(api), "complete", values=1)
    assert trial_numbers(get_page(api, feasible="false")) == [0]
    assert trial_numbers(get_page(api, feasible="true")) == [1]


def test_infinite_constraints_are_ordered(db: None, api: APIClient) -> None:
    study = build_study(space=X_SPACE, constraints=["c"])
    values = (math.inf, 0.0, -math.inf, None)
    add_trial_rows(
        study,
        [
            {
                "state": TrialState.COMPLETE,
                "values": [1.0],
                "constraints": None if each is None else [each],
            }
            for each in values
        ],
    )
    assert trial_numbers(get_page(api, order_by="constraint.c")) == [2, 1, 0, 3]
    response = get_page(api, order_by="-constraint.c", limit=1)
    assert trial_numbers(get_page(api, page_links(response)["next"])) == [1]


# Refusals and cost -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("order_by=constraint.ghost", "/order_by"),
        ("order_by=user_attr", "/order_by"),
        ("order_by=--user_attr.a", "/order_by"),
        ("order_by=user_attr.%00", "/order_by"),
        ("order_by=constraint.%00", "/order_by"),
        ("constraint.ghost=1", "/constraint.ghost"),
        ("constraint.=1", "/constraint."),
        ("constraint.load=a", "/constraint.load"),
        ("constraint.load=", "/constraint.load"),
        ("constraint.load=1e400", "/constraint.load"),
        ("constraint.load={}", "/constraint.load"),
        ('constraint.load={"min":2,"max":1}', "/constraint.load/max"),
        ('constraint.load={"low":2}', "/constraint.load/low"),
        ("constraint.load=1&constraint.load=1", "/constraint.load"),
        ('user_attr.a={"min":"b"}', "/user_attr.a/min"),
        ("user_attr.a=%00", "/user_attr.a"),
        ("user_attr.%00=a", "/user_attr.\0"),
        ("feasible=1", "/feasible"),
        ("user_attr=a", "/user_attr"),
    ],
)
def test_invalid_condition_is_refused(api: APIClient, query: str, pointer: str) -> None:
    create_study(api, constraints=["load"])
    assert invalid_pointers(api.get(f"{TRIALS_URL}?{query}")) == [pointer]


def test_refusals_name_what_is_allowed(api: APIClient) -> None:
    create_study(api, constraints=["load", "size"])
    assert api.get(f"{TRIALS_URL}?order_by=size").json()["detail"] == (
        "/order_by: expected one of number, -number, value, -value, duration, -duration, "
        "user_attr.KEY, -user_attr.KEY, constraint.NAME, -constraint.NAME, not 'size'"
    )
    assert api.get(f"{TRIALS_URL}?order_by=constraint.x").json()["detail"] == (
        'order_by: the study has no constraint "x"; its constraints are: load, size'
    )


def test_cursor_of_another_attribute_is_refused(db: None, api: APIClient) -> None:
    build_attribute_study({"a": 1, "b": 1}, {"a": 2, "b": 1})
    link = page_links(get_page(api, order_by="user_attr.a", limit=1))["next"]
    assert trial_numbers(get_page(api, link)) == [1]
    assert invalid_pointers(api.get(link.replace("user_attr.a", "user_attr.b"))) == ["/cursor"]


@pytest.mark.parametrize("order_by", ["user_attr.a", "-constraint.c"])
def test_page_keeps_only_its_trials_in_memory(db: None, api: APIClient, order_by: str) -> None:
    """The database reads each trial of the study once, and sorts no more than the page."""
    study = build_study(space=X_SPACE, constraints=["c"])
    rows: list[JSON] = [
        {
            "state": TrialState.COMPLETE,
            "values": [1.0],
            "user_attrs": {"a": number * 37 % 101},
            "constraints": [number * 37 % 101],
        }
        for number in range(1000)
    ]
    add_trial_rows(study, rows)
    with recorded_statements() as statements:
        get_page(api, order_by=order_by, limit=10)
    pages = [(sql, given) for sql, given in statements if "sort_key" in sql]
    assert (len(pages), len(statements)) == (1, 2)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {pages[0][0]}", pages[0][1])
        ((plan,),) = cursor.fetchall()
    assert '"Sort Method": "top-N heapsort"' in json.dumps(plan)
