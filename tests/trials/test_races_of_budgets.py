"""Requests that meet at one barrier, for what is there once: a budget's last place, a lease."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service import Client, trials_of
from tests.trials.racing import (
    RACERS,
    SPACE,
    Track,
    ask,
    codes,
    of_status,
    post,
    race_track,
    statuses,
    to_all,
)

ROUNDS = 5
SPREAD = 0.02  # seconds, in which an ask may come before a tell
GRID = [{"type": "int", "name": "x", "low": 1, "high": RACERS}]


@pytest.fixture(scope="module")
def track() -> Iterator[Track]:
    with race_track() as track:
        yield track


@pytest.fixture
def client(track: Track) -> Iterator[Client]:
    with Client(track.service.port) as client:
        yield client


@pytest.mark.parametrize(
    "sampler", ["tpe", "qmc", pytest.param("random", marks=pytest.mark.accept)]
)
def test_last_place_of_max_trials_goes_to_one_racer(
    track: Track, client: Client, sampler: str
) -> None:
    study = f"last-{sampler}"
    client.create_study(name=study, search_space=SPACE, sampler=sampler, max_trials=3)
    for number in range(2):
        client.suggest(study)
        client.complete(study, number, values=0.5)
    for number in range(2, 2 + ROUNDS):
        answers = track.race(to_all(ask(study)))

        assert statuses(answers) == {200: 1, 429: RACERS - 1}
        assert codes(answers) == {"budget_in_flight": RACERS - 1}
        assert [offer["trial_id"] for offer in of_status(answers, 200)] == [number]
        client.call(*post(study, number, "fail")).expect(200)  # and frees its place

    last = client.suggest(study)["trial_id"]
    answers = track.race([post(study, last, "complete", values=1), *to_all(ask(study))[1:]])

    assert answers[0].status == 200
    assert codes(answers).keys() <= {"budget_in_flight", "study_completed"}
    answers = track.race(to_all(ask(study)))
    assert codes(answers) == {"study_completed": RACERS}
    assert {refused["reason"] for refused in of_status(answers, 409)} == {"max_trials"}
    stored = client.get(f"/studies/{study}")
    assert (stored["state"], stored["trial_counts"]["COMPLETE"]) == ("COMPLETED", 3)
    assert [change["reason"] for change in stored["state_history"]] == ["max_trials"]


@pytest.mark.parametrize("count", [3, 20])
def test_racing_batches_never_exceed_max_trials(track: Track, client: Client, count: int) -> None:
    study = f"batches-{count}"
    client.create_study(name=study, search_space=SPACE, sampler="random", max_trials=10)
    path = f"{trials_of(study)}/suggest-batch"

    answers = track.race(to_all(("POST", path, {"count": count})))

    offers = [offer["trials"] for offer in of_status(answers, 200)]
    assert sorted(trial["trial_id"] for offer in offers for trial in offer) == list(range(10))
    assert codes(answers) == {"budget_in_flight": RACERS - len(offers)}


def test_last_place_of_max_trials_is_queued_once(track: Track, client: Client) -> None:
    client.create_study(name="queue", search_space=SPACE, sampler="random", max_trials=1)
    for number in range(ROUNDS):
        answers = track.race(to_all(("POST", trials_of("queue"), {"params": {"x": 0.5}})))

        assert statuses(answers) == {201: 1, 409: RACERS - 1}
        assert codes(answers) == {"max_trials_exceeded": RACERS - 1}
        assert [added["trial_id"] for added in of_status(answers, 201)] == [number]
        client.call("DELETE", f"{trials_of('queue')}/{number}").expect(200)


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
def test_max_concurrent_run_at_a_time(track: Track, client: Client, sampler: str) -> None:
    study = f"concurrent-{sampler}"
    client.create_study(name=study, search_space=SPACE, sampler=sampler, max_concurrent=3)
    free = 3
    for _ in range(ROUNDS):
        answers = track.race(to_all(ask(study)))

        assert statuses(answers) == {200: free, 429: RACERS - free}
        assert codes(answers) == {"too_many_running": RACERS - free}
        assert client.get(f"/studies/{study}")["trial_counts"]["RUNNING"] == 3
        client.complete(study, of_status(answers, 200)[0]["trial_id"], values=0.5)
        free = 1


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii"])
def test_racers_on_a_grid_get_a_point_each(track: Track, client: Client, sampler: str) -> None:
    study = f"grid-{sampler}"
    client.create_study(name=study, search_space=GRID, sampler=sampler, duplicates="avoid")

    answers = track.race(to_all(ask(study)))

    offers = of_status(answers, 200)
    assert sorted(offer["params"]["x"] for offer in offers) == list(range(1, RACERS + 1))
    assert codes(track.race(to_all(ask(study)))) == {"budget_in_flight": RACERS}
    freed = offers[0]
    client.call(*post(study, freed["trial_id"], "fail")).expect(200)
    answers = track.race(to_all(ask(study)))
    assert statuses(answers) == {200: 1, 429: RACERS - 1}
    [again] = of_status(answers, 200)
    assert again["params"] == freed["params"]
    for offer in [*offers[1:], again]:
        client.complete(study, offer["trial_id"], values=offer["params"]["x"])
    answers = track.race(to_all(ask(study)))
    assert codes(answers) == {"study_completed": RACERS}
    assert {refused["reason"] for refused in of_status(answers, 409)} == {"space_exhausted"}


def test_racing_pauses_are_one_change(track: Track, client: Client) -> None:
    client.create_study(name="paused", search_space=SPACE)

    paused = track.race(to_all(("POST", "/studies/paused/pause", {"reason": "maintenance"})))

    assert statuses(paused) == {200: RACERS}
    history = client.get("/studies/paused")["state_history"]
    assert [(change["state"], change["reason"]) for change in history] == [
        ("PAUSED", "maintenance")
    ]


def test_racing_failures_are_retried_once(track: Track, client: Client) -> None:
    client.create_study(name="retried", search_space=SPACE, sampler="random", max_retries=ROUNDS)
    trial = client.suggest("retried")
    for attempt in range(1, 1 + ROUNDS):
        fail = post("retried", trial["trial_id"], "fail", reason="out of memory", retry=True)

        answers = track.race(to_all(fail))

        assert statuses(answers) == {200: RACERS}
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
def test_sign_of_life_or_expiry_wins(track: Track, client: Client, action: str) -> None:
    """Nobody is told that all is well with a trial that is then ended."""
    study = f"expiry-{action}"
    client.create_study(name=study, search_space=SPACE, sampler="random", max_retries=1)
    for _ in range(2 * ROUNDS):
        trial = client.call(*ask(study, lease_seconds=3600)).expect(200)
        number = trial["trial_id"]
        track.run_out(study)

        answers = track.race(
            to_all(post(study, number, action, **SIGNS_OF_LIFE[action]), ask(study)), SPREAD
        )

        signs, asks = answers[::2], answers[1::2]
        assert statuses(asks) == {200: len(asks)}
        retries = [offer for offer in of_status(asks, 200) if offer["retry_of"] == number]
        stored = client.get(f"{trials_of(study)}/{number}")
        if stored["reason"] == "lease expired":
            assert codes(signs) == {"lease_lost": len(signs)}
            assert stored["state"] == "FAIL"
            assert {lost["retry_trial_id"] for lost in of_status(signs, 409)} == {
                stored["retried_as"]
            }
            assert [(retry["trial_id"], retry["params"]) for retry in retries] == [
                (stored["retried_as"], trial["params"])
            ]
        else:
            assert statuses(signs) == {200: len(signs)}
            assert (retries, stored["retried_as"]) == ([], None)
            states = {"complete": "COMPLETE", "prune": "PRUNED"}
            assert stored["state"] == states.get(action, "RUNNING")
