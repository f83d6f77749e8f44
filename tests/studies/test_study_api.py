"""Listing, reading and deleting studies; their names in paths."""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import complete, create_study, page_links, start_trial
from trials.models import Trial

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
NAMES = [
    "a b",
    "ü",
    "100%",
    "100%25",
    "x?y#z",
    "search.v2",
    "...",
    "a+b&c=d;e",
    " a ",
    "日本語 🎉",
    "suggest",
    "trials",
    "\\",
    "n" * 256,
    "🎉" * 256,
]


def create(api: APIClient, name: str, **more: Any) -> dict[str, Any]:
    response = api.post("/api/v1/studies", {"name": name, "search_space": SPACE} | more)
    assert response.status_code == 201, response.content
    return response.json()


def tell(api: APIClient, name: str, values: Any) -> dict[str, Any]:
    trial = api.post(f"/api/v1/studies/{name}/trials/suggest").json()
    url = f"/api/v1/studies/{name}/trials/{trial['trial_id']}/complete"
    assert api.post(url, {"values": values}).status_code == 200
    return trial


def names(response: Any) -> list[str]:
    return [study["study_name"] for study in response.json()]


def test_study_is_retrieved(api: APIClient, study: dict[str, Any]) -> None:
    response = api.get("/api/v1/studies/search")
    assert (response.status_code, response.json()) == (200, study)


def test_study_has_its_best_trial(api: APIClient) -> None:
    create(api, "search", direction="minimize")
    _, best, _ = (tell(api, "search", value) for value in (2, 1, 3))
    api.post("/api/v1/studies/search/trials/suggest")
    study = api.get("/api/v1/studies/search").json()
    assert study["n_trials"] == 4
    assert study["trial_counts"] == {
        "WAITING": 0,
        "RUNNING": 1,
        "COMPLETE": 3,
        "PRUNED": 0,
        "FAIL": 0,
    }
    assert (study["best_value"], study["best_params"]) == (1.0, best["params"])


def test_study_of_several_objectives_has_the_best_trial_of_best(api: APIClient) -> None:
    create(api, "search", direction=["minimize", "maximize"])
    for values in ([3, 3], [1, 5], [2, 9]):
        tell(api, "search", values)
    study = api.get("/api/v1/studies/search").json()
    best = api.get("/api/v1/studies/search/best").json()
    assert study["best_value"] == best["value"] == [1.0, 5.0]
    assert study["best_params"] == best["params"]


def test_unknown_study_is_not_found(api: APIClient) -> None:
    for response in (
        api.get("/api/v1/studies/nobody"),
        api.delete("/api/v1/studies/nobody"),
        api.post("/api/v1/studies/nobody/trials/suggest"),
        api.get("/api/v1/studies/nobody/trials"),
        api.get("/api/v1/studies/nobody/trials/0"),
        api.post("/api/v1/studies/nobody/trials/0/complete", {"values": 1}),
        api.post("/api/v1/studies/nobody/trials/0/prune"),
        api.get("/api/v1/studies/nobody/best"),
        api.get("/api/v1/studies/nobody/pareto"),
        api.get("/api/v1/studies/nobody/importance"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "study_not_found")


@pytest.mark.parametrize("name", NAMES)
def test_name_works_in_each_path(api: APIClient, name: str) -> None:
    assert create(api, name, direction=["minimize", "minimize"])["study_name"] == name
    url = f"/api/v1/studies/{quote(name, safe='')}"
    assert api.get(url).json()["study_name"] == name
    assert names(api.get("/api/v1/studies")) == [name]
    suggested = api.post(f"{url}/trials/suggest").json()
    assert (suggested["trial_id"], suggested["study_name"]) == (0, name)
    told = api.post(f"{url}/trials/0/complete", {"values": [1, 2]}).json()
    assert (told["state"], told["study_name"]) == ("COMPLETE", name)
    assert api.get(f"{url}/trials/0").json() == told | {"note": None, "links": {}}
    assert api.post(f"{url}/trials/suggest").json()["trial_id"] == 1
    assert api.post(f"{url}/trials/1/prune").json()["state"] == "PRUNED"
    trials = api.get(f"{url}/trials?limit=1")
    assert trials.json() == [told]
    next_url = trials["Link"].split('>; rel="next"')[0].rsplit("<", 1)[1]
    assert [each["trial_id"] for each in api.get(next_url).json()] == [1]
    assert api.get(f"{url}/best").json()["trial_id"] == 0
    assert len(api.get(f"{url}/pareto").json()) == 1
    assert api.get(f"{url}/importance").json()["code"] == "too_few_trials"
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


def test_names_are_compared_exactly(api: APIClient) -> None:
    for name in ("a", "A", "a ", "ä", "a\u0308"):
        create(api, name)
    assert names(api.get("/api/v1/studies")) == ["a\u0308", "ä", "a ", "A", "a"]


def test_list_is_empty_without_studies(api: APIClient) -> None:
    response = api.get("/api/v1/studies")
    assert (response.status_code, response.json()) == (200, [])
    assert response["X-Total-Count"] == "0"


def test_list_begins_with_the_newest(api: APIClient) -> None:
    studies = [create(api, name) for name in ("b", "a", "c")]
    of_space = ("search_space", "parameter_constraints", "search_space_version", "retired")
    without = ("best_params", "user_attrs", *of_space)
    assert api.get("/api/v1/studies").json() == [
        {key: value for key, value in study.items() if key not in without}
        for study in reversed(studies)
    ]


def test_list_is_paged(api: APIClient) -> None:
    for name in ("s0", "s1", "s2", "s3", "s4"):
        create(api, name)
    response = api.get("/api/v1/studies?limit=2&offset=2")
    assert names(response) == ["s2", "s1"]
    assert response["X-Total-Count"] == "5"
    url = "http://testserver/api/v1/studies?limit=2"
    assert response["Link"] == (
        f'<{url}&offset=0>; rel="first", <{url}&offset=4>; rel="last", '
        f'<{url}&offset=4>; rel="next", <{url}&offset=0>; rel="prev"'
    )


def test_list_past_its_end_is_empty(api: APIClient) -> None:
    create(api, "search")
    response = api.get("/api/v1/studies?offset=2147483647")
    assert (names(response), response["X-Total-Count"]) == ([], "1")


def test_list_takes_1000_at_most_and_by_default(api: APIClient) -> None:
    create(api, "search")
    assert "limit=1000&" in api.get("/api/v1/studies")["Link"]
    assert api.get("/api/v1/studies?limit=1000").status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=", "/limit"),
        ("limit=abc", "/limit"),
        ("limit=٣", "/limit"),
        ("limit=%205", "/limit"),
        ("offset=-1", "/offset"),
        ("offset=2147483648", "/offset"),
        (f"offset={'9' * 30}", "/offset"),
        ("offset=1e3", "/offset"),
        ("limit=1&limit=2", "/limit"),
        ("page=2", "/page"),
        ("state=COMPLETE", "/state"),
    ],
)
def test_list_refuses_invalid_queries(api: APIClient, query: str, pointer: str) -> None:
    response = api.get(f"/api/v1/studies?{query}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_two_queries(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    for number in range(count):
        create(api, f"s{number}", direction=["minimize", "minimize"])
        tell(api, f"s{number}", [1, 2])
    with django_assert_num_queries(2):
        assert len(api.get("/api/v1/studies").json()) == count


@pytest.mark.parametrize("count", [1, 3])
def test_study_takes_one_query(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    create(api, "search")
    for number in range(count):
        tell(api, "search", number)
    with django_assert_num_queries(1):
        assert api.get("/api/v1/studies/search").json()["n_trials"] == count


def test_deleted_study_is_gone_from_both_schemas(api: APIClient) -> None:
    create(api, "other")
    tell(api, "other", 1)
    before = row_counts()
    create(api, "search", user_attrs={"a": 1}, sampler="nsgaii")
    api.post("/api/v1/studies/search/trials/suggest")
    body = {"values": 1, "intermediate_values": {"0": 1}, "user_attrs": {"b": 2}}
    api.post("/api/v1/studies/search/trials/0/complete", body)
    assert row_counts() != before
    response = api.delete("/api/v1/studies/search")
    assert (response.status_code, response.content) == (204, b"")
    assert row_counts() == before
    assert (Study.objects.count(), Trial.objects.count()) == (1, 1)


def row_counts() -> dict[str, int]:
    """How many rows each table of ours and of Optuna's has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema = 'optuna' OR table_name ~ '^(studies|trials)_'"
        )
        tables = [table for (table,) in cursor.fetchall()]
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
    return counts


def test_deleting_twice_is_not_found(api: APIClient, study: dict[str, Any]) -> None:
    assert api.delete("/api/v1/studies/search").status_code == 204
    response = api.delete("/api/v1/studies/search")
    assert (response.status_code, response.json()["code"]) == (404, "study_not_found")


def test_deleted_name_is_free_again(api: APIClient, study: dict[str, Any]) -> None:
    tell(api, "search", 1)
    api.delete("/api/v1/studies/search")
    again = create(api, "search")
    assert again["study_id"] > study["study_id"]
    assert api.post("/api/v1/studies/search/trials/suggest").json()["trial_id"] == 0


def test_delete_with_a_body_of_unknown_keys_is_refused(api: APIClient, study: Any) -> None:
    response = api.delete("/api/v1/studies/search", {"force": True})
    assert response.status_code == 400
    assert Study.objects.count() == 1


# Filters and orders ----------------------------------------------------------------------


@pytest.fixture
def several(api: APIClient) -> None:
    for name, direction, sampler, attrs in (
        ("search-a", "maximize", "tpe", {"team": "x", "size": 5, "paid": True}),
        ("search-b", "minimize", "random", {"team": "y", "size": 5.5}),
        ("other", "maximize", "tpe", {"team": "x", "a.b": "c", "note": None}),
    ):
        create_study(api, name=name, direction=direction, sampler=sampler, user_attrs=attrs)
    for name, value in (("search-a", 1), ("other", 3), ("other", 2)):
        complete(api, name, start_trial(api, name), value)
    api.post("/api/v1/studies/search-b/pause")


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["other", "search-b", "search-a"]),
        ({"order_by": "-created"}, ["other", "search-b", "search-a"]),
        ({"order_by": "created"}, ["search-a", "search-b", "other"]),
        ({"order_by": "name"}, ["other", "search-a", "search-b"]),
        ({"order_by": "-name"}, ["search-b", "search-a", "other"]),
        ({"order_by": "trials"}, ["search-b", "search-a", "other"]),
        ({"order_by": "-trials"}, ["other", "search-a", "search-b"]),
        ({"order_by": "best"}, ["search-a", "other", "search-b"]),
        ({"order_by": "-best"}, ["other", "search-a", "search-b"]),
        ({"name": "search-*"}, ["search-b", "search-a"]),
        ({"name": "*a"}, ["search-a"]),
        ({"name": "search.a"}, []),
        ({"name": "*"}, ["other", "search-b", "search-a"]),
        ({"state": "PAUSED"}, ["search-b"]),
        ({"sampler": "tpe", "order_by": "name"}, ["other", "search-a"]),
        ({"user_attr.team": "x"}, ["other", "search-a"]),
        ({"user_attr.team": "x", "user_attr.size": "5"}, ["search-a"]),
        ({"user_attr.paid": "true"}, ["search-a"]),
        ({"user_attr.a.b": "c"}, ["other"]),
        ({"user_attr.note": ""}, []),
        ({"user_attr.team": "'; --"}, []),
        ({"user_attr.": "x"}, []),
    ],
)
def test_studies_are_filtered_and_ordered(
    api: APIClient, query: dict[str, str], expected: list[str]
) -> None:
    response = api.get("/api/v1/studies", query)
    assert names(response) == expected
    assert response["X-Total-Count"] == str(len(expected))


@pytest.mark.usefixtures("several")
def test_links_keep_the_filters(api: APIClient) -> None:
    query = {"user_attr.team": "x", "order_by": "name", "limit": "1"}
    first = api.get("/api/v1/studies", query)
    assert (names(first), first["X-Total-Count"]) == (["other"], "2")
    second = api.get(page_links(first)["next"])
    assert names(second) == ["search-a"]
    assert "next" not in page_links(second)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"state": "active"}, "/state"),
        ({"sampler": "asha"}, "/sampler"),
        ({"order_by": "value"}, "/order_by"),
        ({"name": ""}, "/name"),
        ({"user_attrs.team": "x"}, "/user_attrs.team"),
        ({"user_attr.team": "x\0"}, None),
    ],
)
def test_invalid_filter_is_refused(
    api: APIClient, query: dict[str, str], pointer: str | None
) -> None:
    response = api.get("/api/v1/studies", query)
    assert response.status_code == 400
    if pointer is not None:
        assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
