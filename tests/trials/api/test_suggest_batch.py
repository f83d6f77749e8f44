"""Batches of suggestions, and of results."""

from functools import partial
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import complete, create_study, list_trials, suggest, suggest_batch

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "int", "name": "n", "low": 1, "high": 100, "log": True},
    {"type": "categorical", "name": "kind", "choices": ["a", "b", "c"]},
]

KEYS = (
    *("trial_id", "params", "study_name", "study_id", "worker_id", "lease_expires_at", "attempt"),
    *("retry_of", "reoffers", "repeat", "user_attrs", "intermediate_values"),
    "search_space_version",
)

create = partial(create_study, search_space=SPACE, sampler="random", pruner="none")


@pytest.mark.parametrize("count", [1, 2, 100])
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii", "qmc"])
def test_batch_starts_the_requested_number(api: APIClient, sampler: str, count: int) -> None:
    create(api, sampler=sampler, lease_seconds=60)
    suggest(api)
    offers = suggest_batch(api, count)
    assert [each["trial_id"] for each in offers] == list(range(1, count + 1))
    stored = list_trials(api)
    assert [each["state"] for each in stored] == ["RUNNING"] * (count + 1)
    for offer, trial in zip(offers, stored[1:], strict=True):
        assert offer == {key: trial[key] for key in KEYS} | {"reoffered": False}
    assert len({each["lease_expires_at"] for each in offers}) == 1  # of one moment
    assert api.get(URL).json()["trial_counts"]["RUNNING"] == count + 1


def test_batch_answers_trials_like_single_asks(api: APIClient) -> None:
    create(api)
    assert suggest_batch(api, 1)[0].keys() == suggest(api).keys()


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii"])
def test_batch_is_smaller_where_drawing_takes_too_long(
    api: APIClient, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(api, sampler=sampler)
    monkeypatch.setattr("trials.domain.asking.ask.MAX_DRAWING_SECONDS", 0)
    assert [each["trial_id"] for each in suggest_batch(api, 100)] == [0]
    assert suggest(api)["trial_id"] == 1
    monkeypatch.undo()
    assert [each["trial_id"] for each in suggest_batch(api, 3)] == [2, 3, 4]


def test_batch_of_queued_trials_is_smaller_where_drawing_takes_too_long(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(api, sampler="tpe")
    whole = {"x": 1.0, "n": 2, "kind": "a"}
    for params in (whole, {"x": 1.0}, whole, {"x": 2.0}):
        assert api.post(f"{URL}/trials", {"params": params}).status_code == 201
    monkeypatch.setattr("trials.domain.asking.ask.MAX_DRAWING_SECONDS", 0)
    assert [each["trial_id"] for each in suggest_batch(api, 100)] == [0]
    assert [each["trial_id"] for each in suggest_batch(api, 100)] == [1, 2]
    assert [each["trial_id"] for each in suggest_batch(api, 100)] == [3]
    assert [each["trial_id"] for each in suggest_batch(api, 100)] == [4]


@pytest.mark.parametrize(
    ("budget", "count"),
    [({"max_trials": 3}, 3), ({"max_concurrent": 4}, 4), ({"max_trials": 5}, 5)],
)
def test_batch_is_smaller_where_the_budget_leaves_no_more(
    api: APIClient, budget: JSON, count: int
) -> None:
    create(api, **budget)
    assert len(suggest_batch(api, 100)) == count
    response = api.post(f"{URL}/trials/suggest-batch", {"count": 1})
    assert (response.status_code, response["Retry-After"]) == (429, "1")
    assert len(list_trials(api)) == count


@pytest.mark.parametrize("count", [0, -1, 101, 10**30, "3", 1.5, 1.0, True, [3], {}, None])
def test_batch_refuses_another_count(api: APIClient, count: Any) -> None:
    create(api)
    response = api.post(f"{URL}/trials/suggest-batch", {"count": count})
    assert response.status_code == 400, response.content
    assert [each["pointer"] for each in response.json()["errors"]] == ["/count"]
    assert list_trials(api) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/count"), ({"count": 1, "n": 1}, "/n"), ({"worker": "w"}, "/worker")],
)
def test_batch_refuses_other_keys(api: APIClient, body: JSON, pointer: str) -> None:
    create(api)
    response = api.post(f"{URL}/trials/suggest-batch", body)
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert list_trials(api) == []


def test_single_ask_refuses_a_count(api: APIClient) -> None:
    create(api)
    assert api.post(f"{URL}/trials/suggest", {"count": 1}).status_code == 400


def test_batch_of_a_missing_study_is_not_found(api: APIClient) -> None:
    create(api)
    response = api.post("/api/v1/studies/none/trials/suggest-batch", {"count": 1})
    assert (response.status_code, response.json()["code"]) == (404, "study_not_found")


@pytest.mark.parametrize("options", [{}, {"seed": 7}])
def test_points_of_a_batch_differ_after_completed_trials(api: APIClient, options: JSON) -> None:
    create(api, sampler="tpe", sampler_options=options, direction="minimize")
    for offer in suggest_batch(api, 30):
        complete(api, "search", offer["trial_id"], offer["params"]["x"] ** 2)
    points = {tuple(each["params"].values()) for each in suggest_batch(api, 20)}
    assert len(points) == 20
    assert len({point[0] for point in points}) == 20


@pytest.mark.parametrize(
    ("sampler", "options", "n"),
    [
        ("tpe", {"n_startup_trials": 4}, 8),
        ("gp", {"n_startup_trials": 4}, 3),
        ("nsgaii", {"population_size": 4}, 8),
        ("random", {}, 8),
        ("qmc", {"scramble": True}, 8),
    ],
)
def test_seeded_batch_equals_as_many_asks(
    api: APIClient, sampler: str, options: JSON, n: int
) -> None:
    """Whatever is batched, before and after trials are told."""
    played: list[list[str]] = []
    for name in ("search", "one-by-one"):
        create(api, name=name, sampler=sampler, sampler_options=options | {"seed": 7})
        points: list[str] = []
        for _ in range(2):
            is_batch = name == "search"
            offers = (
                suggest_batch(api, n, name) if is_batch else [suggest(api, name) for _ in range(n)]
            )
            points += [repr(each["params"]) for each in offers]
            for offer in offers:
                complete(api, name, offer["trial_id"], offer["params"]["x"] ** 2)
        played.append(points)
    assert played[0] == played[1]
    assert len(set(played[0])) > n


def test_batch_is_one_transaction(api: APIClient) -> None:
    """A database that fails at the last of the trials keeps none of them."""
    create(api)
    suggest(api)
    before = (list_trials(api), api.get(URL).json())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.number = 5 THEN RAISE data_exception; END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON optuna.trials "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(DataError), transaction.atomic():
        suggest_batch(api, 5)
    assert (list_trials(api), api.get(URL).json()) == before
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON optuna.trials")
    assert [each["trial_id"] for each in suggest_batch(api, 5)] == [1, 2, 3, 4, 5]
