"""A worker that repeats an ask gets back the running trials that it holds."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    assert_text_refused,
    complete,
    create_study,
    list_trials,
    suggest,
    suggest_batch,
)
from tests.support.database import database_clock

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
WORKERS = ["w", "a b", " w ", "gpu-7/ü", "工人", "👷", "x" * 128, "👷" * 128, "w:1", "%00", "'; --"]

create = partial(create_study, sampler="random", pruner="none")


def offered(offers: list[JSON]) -> list[tuple[int, bool]]:
    return [(each["trial_id"], each["reoffered"]) for each in offers]


# One trial -------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsgaii"])
def test_worker_asking_again_gets_its_trial_back(api: APIClient, sampler: str) -> None:
    create(api, sampler=sampler)
    first = suggest(api, worker_id="w")
    assert (first["trial_id"], first["worker_id"], first["reoffered"]) == (0, "w", False)
    for n in (1, 2):
        assert suggest(api, worker_id="w") == first | {"reoffered": True, "reoffers": n}
    (trial,) = list_trials(api)
    assert (trial["state"], trial["worker_id"]) == ("RUNNING", "w")
    assert trial["params"] == first["params"]


def test_worker_gets_the_lower_number_of_two_that_it_holds(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="another")
    suggest(api, worker_id="w")
    second = suggest(api, worker_id="w", new=True)
    assert (second["trial_id"], second["reoffered"], second["worker_id"]) == (2, False, "w")
    assert suggest(api, worker_id="w")["trial_id"] == 1
    complete(api, "search", 1, 1)
    assert suggest(api, worker_id="w") == second | {"reoffered": True, "reoffers": 1}
    assert suggest(api, worker_id="w", new=False)["trial_id"] == 2


@pytest.mark.parametrize(
    ("call", "body"),
    [("complete", {"values": 1}), ("prune", {}), ("fail", {}), ("fail", {"retry": True})],
)
def test_worker_gets_a_new_trial_after_completing(api: APIClient, call: str, body: JSON) -> None:
    create(api)
    suggest(api, worker_id="w")
    assert api.post(f"{URL}/trials/0/{call}", body).status_code == 200
    another = suggest(api, worker_id="w")
    assert (another["trial_id"], another["reoffered"]) == (1, False)


def test_different_workers_get_different_trials(api: APIClient) -> None:
    create(api)
    names = ["w", "W", " w", "w ", "w\u0301", "\u1e83"]  # the last two look the same
    assert [suggest(api, worker_id=name)["trial_id"] for name in names] == list(range(len(names)))
    assert [each["worker_id"] for each in list_trials(api)] == names
    again = [suggest(api, worker_id=name)["trial_id"] for name in names]
    assert again == list(range(len(names)))


@pytest.mark.parametrize("body", [{}, {"worker_id": None}])
def test_ask_without_a_worker_is_never_reoffered(api: APIClient, body: JSON) -> None:
    create(api)
    suggest(api, worker_id="w")
    for number in (1, 2):
        suggested = suggest(api, **body)
        assert (suggested["trial_id"], suggested["reoffered"]) == (number, False)
        assert (suggested["worker_id"], list_trials(api)[number]["worker_id"]) == (None, None)


def test_trial_of_another_study_is_not_reoffered(api: APIClient) -> None:
    create(api)
    create(api, name="other")
    suggest(api, worker_id="w")
    response = api.post("/api/v1/studies/other/trials/suggest", {"worker_id": "w"})
    assert (response.json()["study_name"], response.json()["reoffered"]) == ("other", False)
    assert suggest(api, worker_id="w")["study_name"] == "search"


def test_queued_trial_is_reoffered_to_the_worker_that_it_was_given_to(api: APIClient) -> None:
    create(api)
    api.post(f"{URL}/trials", [{"params": {"x": 0.25}}, {"params": {"x": 0.5}}])
    first = suggest(api, worker_id="w")
    assert (first["params"], first["reoffered"]) == ({"x": 0.25}, False)
    assert suggest(api, worker_id="w") == first | {"reoffered": True, "reoffers": 1}
    assert [each["state"] for each in list_trials(api)] == ["RUNNING", "WAITING"]


def test_worker_keeps_its_trial_while_the_study_is_full_or_paused(api: APIClient) -> None:
    create(api, max_trials=1, max_concurrent=1)
    suggest(api, worker_id="w")
    for action in (None, "pause", "resume"):
        if action is not None:
            assert api.post(f"{URL}/{action}").status_code == 200
        assert suggest(api, worker_id="w")["trial_id"] == 0
        assert offered(suggest_batch(api, 3, worker_id="w")) == [(0, True)]
        assert api.post(f"{URL}/trials/suggest", {"worker_id": "v"}).status_code in (409, 429)
        new = api.post(f"{URL}/trials/suggest", {"worker_id": "w", "new": True})
        assert new.status_code in (409, 429)


@pytest.mark.parametrize(
    ("action", "code"), [("complete", "study_completed"), ("cancel", "study_cancelled")]
)
def test_worker_gets_no_trial_of_an_ended_study(api: APIClient, action: str, code: str) -> None:
    create(api)
    suggest(api, worker_id="w")
    api.post(f"{URL}/{action}")
    for response in (
        api.post(f"{URL}/trials/suggest", {"worker_id": "w"}),
        api.post(f"{URL}/trials/suggest-batch", {"worker_id": "w", "count": 2}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, code)
    assert complete(api, "search", 0, 1)["state"] == "COMPLETE"


@pytest.mark.parametrize("worker_id", WORKERS)
def test_worker_id_may_be_any_printable_text(api: APIClient, worker_id: str) -> None:
    create(api)
    assert suggest(api, worker_id=worker_id)["worker_id"] == worker_id
    assert suggest(api, worker_id=worker_id)["reoffered"] is True
    assert [each["worker_id"] for each in list_trials(api)] == [worker_id]


@pytest.mark.parametrize(
    "worker_id",
    [
        *("", " ", "   ", "\u3000", "x" * 129, "👷" * 129),
        *("a\nb", "a\tb", "\x1b[2J", "a\u200eb", "\u2028", "\ue000"),
        *(7, 1.5, True, ["w"], {"name": "w"}),
    ],
)
def test_worker_id_is_validated(api: APIClient, worker_id: Any) -> None:
    create(api)
    body = {"worker_id": worker_id}
    for response in (
        api.post(f"{URL}/trials/suggest", body),
        api.post(f"{URL}/trials/suggest-batch", body | {"count": 1}),
    ):
        assert response.status_code == 400, response.content
        assert [each["pointer"] for each in response.json()["errors"]] == ["/worker_id"]
    assert list_trials(api) == []


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b"])
def test_worker_id_refuses_unstorable_text(api: APIClient, text: str) -> None:
    create(api)
    assert_text_refused(api, f"{URL}/trials/suggest", f'{{"worker_id": "{text}"}}')
    assert list_trials(api) == []


@pytest.mark.parametrize("new", ["true", 1, 0, [], {}])
def test_new_is_validated(api: APIClient, new: Any) -> None:
    create(api)
    response = api.post(f"{URL}/trials/suggest", {"worker_id": "w", "new": new})
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == ["/new"]
    assert list_trials(api) == []


# Batches ---------------------------------------------------------------------------------


def test_repeated_batch_gets_the_same_trials(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="another")
    first = suggest_batch(api, 3, worker_id="w")
    assert offered(first) == [(1, False), (2, False), (3, False)]
    again = suggest_batch(api, 3, worker_id="w")
    assert again == [each | {"reoffered": True, "reoffers": 1} for each in first]
    assert len(list_trials(api)) == 4


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsgaii"])
def test_repeated_batch_fills_up_with_new_trials(api: APIClient, sampler: str) -> None:
    create(api, sampler=sampler)
    first = suggest_batch(api, 3, worker_id="w")
    complete(api, "search", 1, 1)
    more = suggest_batch(api, 4, worker_id="w")
    assert offered(more) == [(0, True), (2, True), (3, False), (4, False)]
    assert [each["params"] for each in more[:2]] == [first[0]["params"], first[2]["params"]]
    assert {each["worker_id"] for each in more} == {"w"}
    fewer = suggest_batch(api, 2, worker_id="w")
    assert offered(fewer) == [(0, True), (2, True)]
    assert suggest(api, worker_id="w")["trial_id"] == 0


def test_batch_has_held_then_queued_then_new_trials(api: APIClient) -> None:
    create(api)
    suggest(api, worker_id="w")
    api.post(f"{URL}/trials", [{"params": {"x": 0.25}}, {"params": {}, "priority": 1}])
    offers = suggest_batch(api, 4, worker_id="w")
    assert offered(offers) == [(0, True), (2, False), (1, False), (3, False)]
    assert offers[2]["params"] == {"x": 0.25}


def test_new_batch_gets_new_trials(api: APIClient) -> None:
    create(api)
    suggest_batch(api, 2, worker_id="w")
    assert offered(suggest_batch(api, 2, worker_id="w", new=True)) == [(2, False), (3, False)]
    assert offered(suggest_batch(api, 9, worker_id="w"))[:4] == [(n, True) for n in range(4)]


def test_batch_is_filled_up_within_the_budget(api: APIClient) -> None:
    create(api, max_trials=3)
    suggest_batch(api, 2, worker_id="w")
    assert offered(suggest_batch(api, 9, worker_id="w")) == [(0, True), (1, True), (2, False)]
    assert offered(suggest_batch(api, 9, worker_id="w")) == [(n, True) for n in range(3)]
    response = api.post(f"{URL}/trials/suggest-batch", {"count": 2, "worker_id": "v"})
    assert (response.status_code, response.json()["code"]) == (429, "budget_in_flight")


def test_reoffered_trial_keeps_its_lease_by_default(api: APIClient) -> None:
    create_study(api, sampler="random")
    for lease in (60, 5):
        offer = suggest(api, worker_id="w", lease_seconds=lease)
        again = suggest(api, worker_id="w")
        for each in (offer, again):
            left = datetime.fromisoformat(each["lease_expires_at"]) - database_clock()
            assert timedelta(0) < left <= timedelta(seconds=lease)
        assert again["reoffered"]
