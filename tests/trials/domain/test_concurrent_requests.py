"""Simultaneous requests to gunicorn's two processes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import X_SPACE
from tests.support.http_client import Answer, HttpClient, trials_path
from tests.support.workers import (
    N_WORKERS,
    Request,
    bodies_of_status,
    count_codes,
    count_statuses,
    one_for_each_worker,
    suggest_request,
    trial_request,
)

ROUNDS = 5
SPREAD = 0.02  # seconds, in which either of two may come first
ASKED_BY_ONE = {"worker_id": "one"}


SendTogether = Callable[..., list[Answer]]


def test_concurrent_creations_create_one_study(send_together: SendTogether) -> None:
    for round_ in range(ROUNDS):
        body = {"name": f"created-{round_}", "search_space": X_SPACE}

        answers = send_together(one_for_each_worker(("POST", "/studies", body)))

        assert count_statuses(answers) == {201: 1, 200: N_WORKERS - 1}
        assert len({answer.body["study_id"] for answer in answers}) == 1


def test_concurrent_tells_store_one_result(send_together: SendTogether, client: HttpClient) -> None:
    client.create_study(name="tells", search_space=X_SPACE, sampler="random")
    for number in range(ROUNDS):
        client.suggest("tells")

        answers = send_together(
            [
                trial_request("tells", number, "complete", values=worker)
                for worker in range(N_WORKERS)
            ]
        )

        assert count_statuses(answers) == {200: 1, 409: N_WORKERS - 1}
        stored = client.get(f"{trials_path('tells')}/{number}")["values"]
        assert [won["values"] for won in bodies_of_status(answers, 200)] == [stored]
        assert {lost["detail"] for lost in bodies_of_status(answers, 409)} == {
            f"trial {number} has ended already: it has state COMPLETE and values {stored}"
        }
    counts = client.get("/studies/tells")["trial_counts"]
    assert (counts["COMPLETE"], counts["RUNNING"]) == (ROUNDS, 0)


def test_concurrent_batches_are_decided_item_by_item(
    send_together: SendTogether, client: HttpClient
) -> None:
    client.create_study(name="batches", search_space=X_SPACE, sampler="random")
    for _ in range(ROUNDS):
        body = {"count": 5}
        batch = client.call("POST", f"{trials_path('batches')}/suggest-batch", body).expect(200)
        numbers = [trial["trial_id"] for trial in batch["trials"]]

        def told(worker: int, numbers: list[int] = numbers) -> Request:
            order = numbers if worker % 2 else numbers[::-1]
            items = [{"trial_id": n, "state": "COMPLETE", "values": worker} for n in order]
            return "POST", f"{trials_path('batches')}/complete-batch", {"trials": items}

        answers = send_together([told(worker) for worker in range(N_WORKERS)])

        assert count_statuses(answers) == {200: N_WORKERS}
        results = [result for answer in answers for result in answer.body["results"]]
        won = {each["trial_id"]: each["trial"] for each in results if each["status"] == 200}
        assert sorted(won) == numbers
        assert len([each for each in results if each["status"] == 409]) == 5 * (N_WORKERS - 1)
        for number, trial in won.items():
            assert client.get(f"{trials_path('batches')}/{number}")["values"] == trial["values"]


def test_concurrent_asks_get_a_trial_each(send_together: SendTogether, client: HttpClient) -> None:
    client.create_study(name="asks", search_space=X_SPACE, sampler="tpe")

    answers = [
        answer
        for _ in range(ROUNDS)
        for answer in send_together(one_for_each_worker(suggest_request("asks")))
    ]

    assert sorted(answer.body["trial_id"] for answer in answers) == list(range(ROUNDS * N_WORKERS))
    assert len({answer.body["params"]["x"] for answer in answers}) == ROUNDS * N_WORKERS


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsgaii"])
def test_concurrent_asks_of_one_worker_get_one_trial(
    send_together: SendTogether, client: HttpClient, sampler: str
) -> None:
    study = f"one-worker-{sampler}"
    client.create_study(name=study, search_space=X_SPACE, sampler=sampler)
    for number in range(ROUNDS):
        answers = send_together(one_for_each_worker(suggest_request(study, **ASKED_BY_ONE)))

        assert count_statuses(answers) == {200: N_WORKERS}
        assert {answer.body["trial_id"] for answer in answers} == {number}
        assert len({answer.body["params"]["x"] for answer in answers}) == 1
        assert sorted(answer.body["reoffered"] for answer in answers) == [False] + [True] * 7
        client.complete(study, number, values=0.5)
    assert client.get(f"/studies/{study}")["n_trials"] == ROUNDS


def test_concurrent_batches_of_one_worker_get_the_same_trials(
    send_together: SendTogether, client: HttpClient
) -> None:
    client.create_study(name="one-workers-batches", search_space=X_SPACE, sampler="random")
    path = f"{trials_path('one-workers-batches')}/suggest-batch"

    answers = send_together(one_for_each_worker(("POST", path, {"count": 3, **ASKED_BY_ONE})))

    assert count_statuses(answers) == {200: N_WORKERS}
    offers = [answer.body["trials"] for answer in answers]
    assert [[trial["trial_id"] for trial in offer] for offer in offers] == [[0, 1, 2]] * N_WORKERS
    fresh = [offer for offer in offers if not any(trial["reoffered"] for trial in offer)]
    assert len(fresh) == 1
    assert client.get("/studies/one-workers-batches")["n_trials"] == 3


@pytest.mark.parametrize("params", [{"x": 0.3, "y": 0.2}, {"x": 0.3}], ids=["full", "partial"])
@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
def test_queued_trial_goes_to_one_of_concurrent_asks(
    send_together: SendTogether, client: HttpClient, sampler: str, params: dict[str, float]
) -> None:
    study = f"queued-{sampler}-{len(params)}"
    space = [*X_SPACE, {"type": "float", "name": "y", "low": 0, "high": 1}]
    client.create_study(name=study, search_space=space, sampler=sampler)
    for round_ in range(ROUNDS):
        first = round_ * N_WORKERS
        queued = client.call("POST", trials_path(study), {"params": params}).expect(201)
        assert queued["trial_id"] == first

        answers = send_together(one_for_each_worker(suggest_request(study)))

        assert count_statuses(answers) == {200: N_WORKERS}
        offers = sorted(bodies_of_status(answers, 200), key=lambda offer: int(offer["trial_id"]))
        assert [offer["trial_id"] for offer in offers] == list(range(first, first + N_WORKERS))
        assert offers[0]["params"].items() >= params.items()
        assert 0.3 not in [offer["params"]["x"] for offer in offers[1:]]


def test_queued_trial_is_either_cancelled_or_served(
    send_together: SendTogether, client: HttpClient
) -> None:
    client.create_study(name="cancelled", search_space=X_SPACE, sampler="random")
    for _ in range(ROUNDS):
        queued = client.call("POST", trials_path("cancelled"), {"params": {"x": 0.5}}).expect(201)
        number = queued["trial_id"]
        path = f"{trials_path('cancelled')}/{number}"

        answers = send_together(
            one_for_each_worker(("DELETE", path, None), suggest_request("cancelled")), SPREAD
        )

        cancels, asks = answers[::2], answers[1::2]
        assert count_statuses(asks) == {200: len(asks)}
        assert len({offer["trial_id"] for offer in bodies_of_status(asks, 200)}) == len(asks)
        stored = client.get(path)
        if number in [offer["trial_id"] for offer in bodies_of_status(asks, 200)]:
            assert count_codes(cancels) == {"trial_not_waiting": len(cancels)}
            assert stored["state"] == "RUNNING"
        else:
            assert count_statuses(cancels) == {200: len(cancels)}
            assert (stored["state"], stored["reason"]) == ("FAIL", "cancelled")


@pytest.mark.parametrize(
    ("action", "body"),
    [("suggest", {}), ("suggest", ASKED_BY_ONE), ("suggest-batch", {"count": 3})],
    ids=["asks", "asks of one worker", "batches"],
)
def test_asks_during_a_deletion_are_served_or_not_found(
    send_together: SendTogether, client: HttpClient, action: str, body: dict[str, Any]
) -> None:
    for round_ in range(ROUNDS):
        name = f"deleted-{action}-{len(body)}-{round_}"
        client.create_study(name=name, search_space=X_SPACE, sampler="random")
        asking = ("POST", f"{trials_path(name)}/{action}", body)

        deleted, *asked = send_together(
            [("DELETE", f"/studies/{name}", None), *[asking] * (N_WORKERS - 1)]
        )

        assert deleted.status == 204
        assert {answer.status for answer in asked} <= {200, 404}
        assert count_codes(asked).keys() <= {"study_not_found"}
        assert client.call("GET", f"/studies/{name}").status == 404
