"""Pages of lists of trials: links, cursors and statement counts."""

import math
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core import signing
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    assert_refused,
    create_study,
    get_page,
    invalid_pointers,
    page_links,
    start_trial,
    trial_action,
    trial_numbers,
)
from tests.support.database import recorded_statements
from tests.support.sample_studies import LISTED_SPACE, create_listed_study
from tests.support.study_builders import add_finished_trials, add_trial_rows, build_study
from trials.queries.ordering import TrialOrdering


@pytest.fixture
def played(api: APIClient) -> None:
    create_listed_study(api)


def refused(api: APIClient, **query: Any) -> list[str]:
    return invalid_pointers(api.get(f"{TRIALS_URL}?{urlencode(query)}"))


# Pages -----------------------------------------------------------------------------------


def test_default_list_links_by_offsets(api: APIClient, played: None) -> None:
    url = f"http://testserver{TRIALS_URL}?"
    assert get_page(api, limit=2, offset=2)["Link"] == (
        f'<{url}limit=2&offset=0>; rel="first", <{url}limit=2&offset=6>; rel="last", '
        f'<{url}limit=2&offset=4>; rel="next", <{url}limit=2&offset=0>; rel="prev"'
    )
    assert get_page(api, state="COMPLETE", limit=1)["Link"] == (
        f'<{url}limit=1&offset=0&state=COMPLETE>; rel="first", '
        f'<{url}limit=1&offset=2&state=COMPLETE>; rel="last", '
        f'<{url}limit=1&offset=1&state=COMPLETE>; rel="next"'
    )
    assert list(page_links(get_page(api, order_by="number", limit=1))) == ["first", "last", "next"]


def test_cursor_links_keep_the_other_query_parameters(api: APIClient, played: None) -> None:
    query: JSON = {"order_by": "-value", "params": '{"rate": 0.3}', "limit": 1, "min_value": "1"}
    response = get_page(api, **query)
    found = page_links(response)
    assert trial_numbers(response) == [0]
    assert response["X-Total-Count"] == "4"
    assert list(found) == ["first", "next"]
    assert (
        found["first"]
        == f"http://testserver{TRIALS_URL}?{urlencode({'limit': 1} | query)}&offset=0"
    )
    assert found["next"].startswith(
        f"http://testserver{TRIALS_URL}?{urlencode({'limit': 1} | query)}&c"
    )
    seen = []
    while "next" in found:
        response = get_page(api, found["next"])
        assert response["X-Total-Count"] == "4"
        seen += trial_numbers(response)
        found = page_links(response)
    assert seen == [5, 3, 1]
    assert list(found) == ["first"]


def test_offset_page_of_an_order_links_by_cursor(api: APIClient, played: None) -> None:
    response = get_page(api, order_by="value", limit=2, offset=3)
    found = page_links(response)
    assert trial_numbers(response) == [0, 2]
    url = f"http://testserver{TRIALS_URL}?limit=2&order_by=value&offset="
    assert found.pop("next").startswith(
        f"http://testserver{TRIALS_URL}?limit=2&order_by=value&cursor="
    )
    assert found == {"first": f"{url}0", "last": f"{url}6", "prev": f"{url}1"}
    assert trial_numbers(get_page(api, page_links(response)["next"])) == [4, 6]


def cursor_of(response: Any) -> str:
    return page_links(response)["next"].rsplit("cursor=", 1)[1].replace("%3A", ":")


def test_cursors_of_another_list_are_refused(api: APIClient, played: None) -> None:
    cursor = cursor_of(get_page(api, order_by="value", limit=1))
    assert trial_numbers(get_page(api, order_by="value", limit=1, cursor=cursor)) == [3]
    for query in ({"order_by": "-value"}, {"order_by": "duration"}, {}):
        response = api.get(f"{TRIALS_URL}?{urlencode(query | {'cursor': cursor})}")
        problem = assert_refused(response, 400, "invalid")
        assert problem["detail"] == (
            "cursor: this cursor is for another study, order_by or target_idx: leave it out"
        )
    for forged in (cursor[:-1], cursor + "x", signing.dumps([1, "value", 0, 1.0, 1])):
        assert refused(api, order_by="value", cursor=forged) == ["/cursor"]
    assert refused(api, order_by="value", cursor=cursor, offset=0) == ["/offset"]
    create_study(api, name="two")
    url = f"/api/v1/studies/two/trials?{urlencode({'order_by': 'value', 'cursor': cursor})}"
    assert invalid_pointers(api.get(url)) == ["/cursor"]


VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, 0.1 + 0.2, 0.3, 5e-324, -1e308, 1e16, math.inf, -math.inf]),
    st.floats(),
)


def row_of(value: float | None) -> JSON:
    if value is None:
        return {"state": TrialState.RUNNING}
    took = timedelta(microseconds=abs(hash(value)) % 3)
    return {"state": TrialState.COMPLETE, "values": [value], "took": took}


def sorted_numbers(rows: Sequence[JSON], order_by: str) -> list[int]:
    def key(row: JSON) -> Any:
        if order_by.endswith("number"):
            return 0
        if order_by.endswith("duration"):
            return row.get("took")
        value = row.get("values", [math.nan])[0]
        return None if math.isnan(value) else value

    keys = [(key(row), number) for number, row in enumerate(rows)]
    keyed = sorted((each for each in keys if each[0] is not None), reverse=order_by[0] == "-")
    return [number for _, number in keyed] + [number for each, number in keys if each is None]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.lists(VALUES, min_size=1, max_size=12),
    added=st.lists(st.lists(VALUES, max_size=2), max_size=6),
    limits=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    order_by=st.sampled_from(["number", "-number", "value", "-value", "duration", "-duration"]),
)
def test_pages_neither_repeat_nor_miss_trials(
    api: APIClient,
    values: list[float | None],
    added: list[list[float | None]],
    limits: list[int],
    order_by: str,
) -> None:
    Study.objects.all().delete()
    study = build_study(space=LISTED_SPACE[:1])
    rows = [row_of(value) for value in values]
    add_trial_rows(study, rows)
    was_there = sorted_numbers(rows, order_by)

    found: list[int] = []
    url, page = f"{TRIALS_URL}?params={{}}&order_by={order_by}&limit={limits[0]}", 0
    while url:
        response = get_page(api, url)
        found += trial_numbers(response)
        if page < len(added) and added[page]:
            new = [row_of(value) for value in added[page]]
            add_trial_rows(study, new)
            rows += new
        url, page = page_links(response).get("next", ""), page + 1
        url = re.sub(r"limit=\d+", f"limit={limits[page % len(limits)]}", url)

    assert len(set(found)) == len(found)
    assert [number for number in found if number < len(values)] == was_there
    everything = sorted_numbers(rows, order_by)
    assert found == [number for number in everything if number in set(found)]
    assert trial_numbers(get_page(api, order_by=order_by, limit=1000)) == everything


def test_completed_trials_do_not_come_twice(api: APIClient) -> None:
    """Those that change while they are paged through may be missed, and are never repeated."""
    create_study(api)
    for value in (1, 2, None, None):
        number = start_trial(api)
        if value is not None:
            trial_action(api, number, "complete", values=value)
    response = get_page(api, order_by="value", limit=2)
    assert trial_numbers(response) == [0, 1]
    trial_action(api, 2, "complete", values=0.5)
    response = get_page(api, page_links(response)["next"])
    assert trial_numbers(response) == [3]
    assert list(page_links(response)) == ["first"]


# What it costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_four_queries_at_most(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    create_study(api)
    for _ in range(count):
        trial_action(api, start_trial(api), "complete", values=1, intermediate_values={"0": 1})
    for query, n in (
        ({"order_by": "number"}, 2),
        ({"order_by": "-number"}, 2),
        ({"order_by": "value"}, 3),
        ({"order_by": "value", "state": "COMPLETE"}, 3),
        ({"order_by": "-value", "worker_id": "w"}, 4),
        ({"order_by": "-value", "params": '{"x": {"min": 0}}', "offset": 1}, 4),
        ({"order_by": "duration", "offset": 1}, 4),
        ({"min_value": 0}, 3),
    ):
        with django_assert_num_queries(n):
            get_page(api, **query)


@pytest.mark.parametrize("order_by", ["value", "-value", "duration", "-duration"])
def test_page_of_many_is_an_index_range(db: None, order_by: str) -> None:
    study = build_study()
    add_finished_trials(study, 5000)
    add_trial_rows(
        study, [{"state": TrialState.RUNNING, "internal_params": [0.01, 0.6, 16, 0]}] * 500
    )
    key = 700 / 7 if order_by.endswith("value") else timedelta(0)
    walk = TrialOrdering(order_by)
    with recorded_statements() as statements:
        for after in (None, (key, 700), (None, 4700)):
            assert len(walk.page(study.trials.with_steps(), 100, after)) == 100
    assert len(statements) == 3
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE trials_trial")
        for sql, parameters in statements:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
            ((plan,),) = cursor.fetchall()
            (scan,) = plan[0]["Plan"]["Plans"]
            assert scan["Index Name"] == f"trial_{order_by.removeprefix('-')}"
            assert "Filter" not in scan
