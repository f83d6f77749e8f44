"""Requests that meet at one barrier, served by gunicorn's two processes."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.service import Answer, Client, Service, running_service, trials_of

RACERS = 8
SPACE = [{"type": "float", "name": "x", "low": 0, "high": 1}]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service
        service.check_optuna()


def race(service: Service, request: Callable[[Client, int], Answer]) -> list[Answer]:
    """What each racer's request was answered; all are sent at once."""
    barrier = threading.Barrier(RACERS)

    def run(racer: int) -> Answer:
        with Client(service.port) as client:
            client.get("/health")  # connected before the start
            barrier.wait(60)
            return request(client, racer)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def statuses(answers: list[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def test_of_racing_creations_one_creates_and_all_agree(service: Service) -> None:
    for round_ in range(5):
        body = {"name": f"created-{round_}", "search_space": SPACE}

        def create(client: Client, racer: int, body: dict[str, Any] = body) -> Answer:
            return client.call("POST", "/studies", body)

        answers = race(service, create)

        assert statuses(answers) == {201: 1, 200: RACERS - 1}
        assert len({answer.body["study_id"] for answer in answers}) == 1


def test_of_racing_tells_exactly_one_wins(service: Service) -> None:
    with Client(service.port) as client:
        client.create_study(name="tells", search_space=SPACE, sampler="random")
        for number in range(5):
            client.suggest("tells")
            path = f"{trials_of('tells')}/{number}"

            def tell(client: Client, racer: int, path: str = path) -> Answer:
                return client.call("POST", f"{path}/complete", {"values": racer})

            answers = race(service, tell)

            assert statuses(answers) == {200: 1, 409: RACERS - 1}
            stored = client.get(path)["values"]
            won = next(answer for answer in answers if answer.status == 200)
            assert won.body["values"] == stored
            lost = {answer.body["detail"] for answer in answers if answer.status == 409}
            assert lost == {
                f"trial {number} was told already: stored are state COMPLETE and values {stored}"
            }
        counts = client.get("/studies/tells")["trial_counts"]
        assert (counts["COMPLETE"], counts["RUNNING"]) == (5, 0)


def test_racing_asks_get_a_trial_each(service: Service) -> None:
    with Client(service.port) as client:
        client.create_study(name="asks", search_space=SPACE, sampler="tpe")

    answers = [
        answer
        for _ in range(5)
        for answer in race(
            service, lambda client, racer: client.call("POST", f"{trials_of('asks')}/suggest")
        )
    ]

    assert sorted(answer.body["trial_id"] for answer in answers) == list(range(5 * RACERS))
    assert len({answer.body["params"]["x"] for answer in answers}) == 5 * RACERS


def test_asks_against_a_deletion_are_served_or_find_nothing(service: Service) -> None:
    with Client(service.port) as client:
        for round_ in range(5):
            name = f"deleted-{round_}"
            client.create_study(name=name, search_space=SPACE, sampler="random")

            def request(racing: Client, racer: int, name: str = name) -> Answer:
                if racer == 0:
                    return racing.call("DELETE", f"/studies/{name}")
                return racing.call("POST", f"{trials_of(name)}/suggest")

            deleted, *asked = race(service, request)

            assert deleted.status == 204
            assert {answer.status for answer in asked} <= {200, 404}
            codes: set[Any] = {answer.body["code"] for answer in asked if answer.status == 404}
            assert codes <= {"study_not_found"}
            assert client.call("GET", f"/studies/{name}").status == 404
