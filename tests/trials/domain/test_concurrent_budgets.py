"""Simultaneous requests for something that exists once: the last place of a budget, a lease."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import X_SPACE
from tests.support.http_client import Answer, HttpClient, trials_path
from tests.support.service import Service
from tests.support.workers import (
    N_WORKERS,
    bodies_of_status,
    count_codes,
    count_statuses,
    one_for_each_worker,
    suggest_request,
    trial_request,
)

ROUNDS = 5
SPREAD = 0.02  # seconds, in which an ask may come before a tell
GRID = [{"type": "int", "name": "x", "low": 1, "high": N_WORKERS}]


SendTogether = Callable[..., list[Answer]]


@pytest.mark.parametrize(
    "sampler", ["tpe", "qmc", pytest.param("random", marks=pytest.mark.accept)]
)
def test_last_place_of_max_trials_goes_to_one_ask(
    send_together: SendTogether, client: HttpClient, sampler: str
) -> None:
    study = f"last-{sampler}"
    client.create_study(name=study, search_space=X_SPACE, sampler=sampler, max_trials=3)
    for number in range(2):
        client.suggest(study)
        client.complete(study, number, values=0.5)
    for number in range(2, 2 + ROUNDS):
        answers = send_together(one_for_each_worker(suggest_request(study)))

        assert count_statuses(answers) == {200: 1, 429: N_WORKERS - 1}
        assert count_codes(answers) == {"budget_in_flight": N_WORKERS - 1}
        assert [offer["trial_id"] for offer in bodies_of_status(answers, 200)] == [number]
        client.call(*trial_request(study, number, "fail")).expect(200)  # and frees its place

    last = client.suggest(study)["trial_id"]
    answers = send_together(
        [
            trial_request(study, last, "complete", values=1),
            *one_for_each_worker(suggest_request(study))[1:],
        ]
    )

    assert answers[0].status == 200
    assert count_codes(answers).keys() <= {"budget_in_flight", "study_completed"}
    answers = send_together(one_for_each_worker(suggest_request(study)))
    assert count_codes(answers) == {"study_completed": N_WORKERS}
    assert {refused["reason"] for refused in bodies_of_status(answers, 409)} == {"max_trials"}
    stored = client.get(f"/studies/{study}")
    assert (stored["state"], stored["trial_counts"]["COMPLETE"]) == ("COMPLETED", 3)
    assert [change["reason"] for change in stored["state_history"]] == ["max_trials"]


@pytest.mark.parametrize("count", [3, 20])
def test_concurrent_batches_never_exceed_max_trials(
    send_together: SendTogether, client: HttpClient, count: int
) -> None:
    study = f"batches-{count}"
    client.create_study(name=study, search_space=X_SPACE, sampler="random", max_trials=10)
    path = f"{trials_path(study)}/suggest-batch"

    answers = send_together(one_for_each_worker(("POST", path, {"count": count})))

    offers = [offer["trials"] for offer in bodies_of_status(answers, 200)]
    assert sorted(trial["trial_id"] for offer in offers for trial in offer) == list(range(10))
    assert count_codes(answers) == {"budget_in_flight": N_WORKERS - len(offers)}


def test_last_place_of_max_trials_is_queued_once(
    send_together: SendTogether, client: HttpClient
) -> None:
    client.create_study(name="queue", search_space=X_SPACE, sampler="random", max_trials=1)
    for number in range(ROUNDS):
        answers = send_together(
            one_for_each_worker(("POST", trials_path("queue"), {"params": {"x": 0.5}}))
        )

        assert count_statuses(answers) == {201: 1, 409: N_WORKERS - 1}
        assert count_codes(answers) == {"max_trials_exceeded": N_WORKERS - 1}
        assert [added["trial_id"] for added in bodies_of_status(answers, 201)] == [number]
        client.call("DELETE", f"{trials_path('queue')}/{number}").expect(200)


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
def test_concurrent_asks_keep_to_max_concurrent(
    send_together: SendTogether, client: HttpClient, sampler: str
) -> None:
    study = f"concurrent-{sampler}"
    client.create_study(name=study, search_space=X_SPACE, sampler=sampler, max_concurrent=3)
    free = 3
    for _ in range(ROUNDS):
        answers = send_together(one_for_each_worker(suggest_request(study)))

        assert count_statuses(answers) == {200: free, 429: N_WORKERS - free}
        assert count_codes(answers) == {"too_many_running": N_WORKERS - free}
        assert client.get(f"/studies/{study}")["trial_counts"]["RUNNING"] == 3
        client.complete(study, bodies_of_status(answers, 200)[0]["trial_id"], values=0.5)
        free = 1


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii", "brute_force", "grid"])
def test_concurrent_asks_on_a_grid_get_a_point_each(
    send_together: SendTogether, client: HttpClient, sampler: str
) -> None:
    study = f"grid-{sampler}"
    options = {"n_values": N_WORKERS} if sampler == "grid" else {}
    client.create_study(
        name=study,
        search_space=GRID,
        sampler=sampler,
        sampler_options=options,
        duplicates="avoid",
        max_retries=1,
    )

    answers = send_together(one_for_each_worker(suggest_request(study)))

    offers = bodies_of_status(answers, 200)
    assert sorted(offer["params"]["x"] for offer in offers) == list(range(1, N_WORKERS + 1))
    assert count_codes(send_together(one_for_each_worker(suggest_request(study)))) == {
        "budget_in_flight": N_WORKERS
    }
    freed = offers[0]
    client.call(*trial_request(study, freed["trial_id"], "fail")).expect(200)
    answers = send_together(one_for_each_worker(suggest_request(study)))
    assert count_statuses(answers) == {200: 1, 429: N_WORKERS - 1}
    [again] = bodies_of_status(answers, 200)
    assert again["params"] == freed["params"]
    for offer in [*offers[1:], again]:
        client.complete(study, offer["trial_id"], values=offer["params"]["x"])
    answers = send_together(one_for_each_worker(suggest_request(study)))
    assert count_codes(answers) == {"study_completed": N_WORKERS}
    assert {refused["reason"] for refused in bodies_of_status(answers, 409)} == {"space_exhausted"}


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii", "qmc"])
def test_concurrent_asks_with_fixed_values_get_a_point_each(
    send_together: SendTogether, client: HttpClient, sampler: str
) -> None:
    study = f"fixed-{sampler}"
    scale = {"type": "ordinal", "name": "n", "values": [16, 32]}
    client.create_study(
        name=study, search_space=[scale, *GRID], sampler=sampler, duplicates="avoid"
    )
    asks = one_for_each_worker(suggest_request(study, fixed={"n": 16}))

    # Asks of samplers that draw within the transaction may have to try again.
    answers: list[Answer] = []
    for _ in range(ROUNDS):  # one that came too late for its plan may have to try again
        answers += send_together(asks)
        assert count_codes(answers).keys() <= {"contended", "budget_in_flight"}

    points = [offer["params"] for offer in bodies_of_status(answers, 200)]
    assert sorted(each["x"] for each in points) == list(range(1, N_WORKERS + 1))
    assert {each["n"] for each in points} == {16}
    assert count_codes(send_together(asks)) == {"budget_in_flight": N_WORKERS}
    answers = send_together(one_for_each_worker(suggest_request(study)))
    assert {offer["params"]["n"] for offer in bodies_of_status(answers, 200)} == {32}


def test_concurrent_pauses_are_one_change(send_together: SendTogether, client: HttpClient) -> None:
    client.create_study(name="paused", search_space=X_SPACE)

    paused = send_together(
        one_for_each_worker(("POST", "/studies/paused/pause", {"reason": "maintenance"}))
    )

    assert count_statuses(paused) == {200: N_WORKERS}
    history = client.get("/studies/paused")["state_history"]
    assert [(change["state"], change["reason"]) for change in history] == [
        ("PAUSED", "maintenance")
    ]


def test_concurrent_failures_are_retried_once(
    send_together: SendTogether, client: HttpClient
) -> None:
    client.create_study(name="retried", search_space=X_SPACE, sampler="random", max_retries=ROUNDS)
    trial = client.suggest("retried")
    for attempt in range(1, 1 + ROUNDS):
        fail = trial_request(
            "retried", trial["trial_id"], "fail", reason="out of memory", retry=True
        )

        answers = send_together(one_for_each_worker(fail))

        assert count_statuses(answers) == {200: N_WORKERS}
        assert {answer.body["retried_as"] for answer in answers} == {attempt}
        counts = client.get("/studies/retried")["trial_counts"]
        assert (counts["FAIL"], counts["WAITING"], counts["RUNNING"]) == (attempt, 1, 0)
        retry = client.suggest("retried")
        assert (retry["trial_id"], retry["attempt"]) == (attempt, 1 + attempt)
        assert retry["params"] == trial["params"]
        trial = retry


SIGNS_OF_LIFE: dict[str, dict[str, Any]] = {
    "heartbeat": {},
    "report": {"step": 0, "value": 0.5},
    "complete": {"values": 0.5},
    "prune": {},
}


@pytest.mark.parametrize("action", SIGNS_OF_LIFE)
def test_expiry_and_report_exclude_each_other(
    service: Service, send_together: SendTogether, client: HttpClient, action: str
) -> None:
    """A heartbeat is never confirmed for a trial that is then ended."""
    study = f"expiry-{action}"
    client.create_study(name=study, search_space=X_SPACE, sampler="random", max_retries=1)
    for _ in range(2 * ROUNDS):
        trial = client.call(*suggest_request(study, lease_seconds=3600)).expect(200)
        number = trial["trial_id"]
        _expire_leases(service, study)

        answers = send_together(
            one_for_each_worker(
                trial_request(study, number, action, **SIGNS_OF_LIFE[action]),
                suggest_request(study),
            ),
            SPREAD,
        )

        signs, asks = answers[::2], answers[1::2]
        assert count_statuses(asks) == {200: len(asks)}
        retries = [offer for offer in bodies_of_status(asks, 200) if offer["retry_of"] == number]
        stored = client.get(f"{trials_path(study)}/{number}")
        if stored["reason"] == "lease expired":
            assert count_codes(signs) == {"lease_lost": len(signs)}
            assert stored["state"] == "FAIL"
            assert {lost["retry_trial_id"] for lost in bodies_of_status(signs, 409)} == {
                stored["retried_as"]
            }
            assert [(retry["trial_id"], retry["params"]) for retry in retries] == [
                (stored["retried_as"], trial["params"])
            ]
        else:
            assert count_statuses(signs) == {200: len(signs)}
            assert (retries, stored["retried_as"]) == ([], None)
            states = {"complete": "COMPLETE", "prune": "PRUNED"}
            assert stored["state"] == states.get(action, "RUNNING")


def _expire_leases(service: Service, study: str) -> None:
    """Move the leases of a study's trials into the past."""
    with psycopg.connect(service.database_url) as database:
        database.execute(
            "UPDATE trials_trial SET lease_expires_at = lease_expires_at - interval '2 hours' "
            "WHERE study_id = (SELECT id FROM studies_study WHERE name = %s)",
            [study],
        )
        database.execute(
            "UPDATE studies_study SET next_lease_expiry = next_lease_expiry "
            "- interval '2 hours' WHERE name = %s",
            [study],
        )


def test_each_repeat_is_handed_out_once(send_together: SendTogether, client: HttpClient) -> None:
    study = "repeats"
    client.create_study(name=study, search_space=X_SPACE, sampler="tpe", repeats={"n": 3})
    offers: list[Any] = []
    for _ in range(ROUNDS):
        answers = send_together(one_for_each_worker(suggest_request(study)))
        assert count_statuses(answers) == {200: N_WORKERS}
        offers += bodies_of_status(answers, 200)
    numbers = [offer["trial_id"] for offer in offers]
    assert len(set(numbers)) == len(numbers)
    points: dict[int, set[tuple[int, float]]] = {}
    for offer in offers:
        repeat = offer["repeat"]
        points.setdefault(repeat["group"], set()).add((repeat["index"], offer["params"]["x"]))
        assert offer["trial_id"] == repeat["group"] + repeat["index"]
    assert all(len({x for _, x in point}) == 1 for point in points.values())
    assert sum(map(len, points.values())) == len(offers)
    found = client.call("GET", f"/studies/{study}").expect(200)
    counts = found["trial_counts"]
    assert (counts["RUNNING"] + counts["WAITING"]) % 3 == 0
    assert len(points) <= len(offers) // 3 + N_WORKERS
