"""Events over kills and a deployment: none is lost, none is invented, and webhooks get all of them.

Workers complete and fail trials without a break while gunicorn's workers, its master, PostgreSQL's
postmaster and the processes that deliver are killed in turn; in between everything is stopped and
started as in a deployment. In the end the feed is compared with the trials, and what a receiver got
with the feed.
"""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from tests.support import X_SPACE, scaled
from tests.support.http_client import HttpClient, UnexpectedAnswer, study_path, trials_path
from tests.support.receivers import Receiver, running_receiver
from tests.support.service import (
    Service,
    kill_master,
    kill_postmaster,
    kill_web_worker,
    running_service,
)

pytestmark = pytest.mark.accept

KILLS = scaled(20, 4)
STUDIES = ("first", "second")
WORKERS = 4
BEST_EVERY = 60  # seconds between two events study.new_best of a study


class Deliverers:
    """Two processes that deliver, which are started again after a kill."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running = [self._start() for _ in range(2)]

    def kill_one(self) -> None:
        index = random.randrange(2)
        self._running[index].kill()
        self._running[index].wait()
        self._running[index] = self._start()

    def deploy(self) -> None:
        self.stop()
        self._running = [self._start() for _ in range(2)]

    def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        ended = {process.wait(60) for process in self._running}
        assert ended <= {0, 128 + signal.SIGTERM}  # which had not begun yet

    def kill(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._service.log.open("ab") as log:
            return subprocess.Popen(
                [*self._service.command, "deliver_events", "--every", "0.2"],
                cwd=self._service.cwd,
                env=self._service._env,
                stdout=log,
                stderr=log,
            )


@contextmanager
def playing(port: int) -> Iterator[None]:
    """Let workers complete and fail trials, whatever becomes of the service meanwhile."""
    stopping = threading.Event()

    def work(seed: int) -> None:
        draw = random.Random(seed)
        while not stopping.is_set():
            try:
                with HttpClient(port) as client:
                    while not stopping.is_set():
                        _play(client, draw)
            except (HTTPError, UnexpectedAnswer):
                stopping.wait(0.2)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _play(client: HttpClient, draw: random.Random) -> None:
    study = draw.choice(STUDIES)
    number = client.suggest(study)["trial_id"]
    if draw.random() < 0.5:
        client.complete(study, number, values=draw.random())
    else:
        path = f"{trials_path(study)}/{number}/fail"
        client.call("POST", path, {"reason": f"trial {number}"}).expect(200)
    time.sleep(0.02)


def test_kills_and_a_deployment_lose_and_invent_no_event(
    record_property: Callable[[str, Any], None],
) -> None:
    with (
        running_receiver() as receiver,
        running_service({"WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}) as service,
    ):
        with HttpClient(service.port) as client:
            hook = {"name": "proof", "url": receiver.url}
            client.call("POST", "/webhooks", hook).expect(201)
            for name in STUDIES:
                client.create_study(
                    name=name, direction="minimize", search_space=X_SPACE, sampler="random"
                )
        deliverers = Deliverers(service)
        try:
            _kill_and_deploy(service, deliverers)
            with HttpClient(service.port) as client:
                n_events, n_best = _check_feeds(client)
                n_messages = _check_messages(client, service, receiver)
            deliverers.stop()
        finally:
            deliverers.kill()
        service.check_optuna()
    record_property(
        "found",
        f"{KILLS} kills and a deployment: {n_events} events, {n_best} of them of new best trials; "
        f"{n_messages} messages received, {n_messages - n_events} of them twice",
    )


def _kill_and_deploy(service: Service, deliverers: Deliverers) -> None:
    killers: list[Callable[[], None]] = [
        lambda: kill_web_worker(service),
        deliverers.kill_one,
        lambda: kill_master(service),
        deliverers.kill_one,
        lambda: kill_postmaster(service),
    ]
    with playing(service.port):
        for turn in range(KILLS):
            time.sleep(random.uniform(1, 3))
            killers[turn % len(killers)]()
            if turn == KILLS // 2:
                deliverers.deploy()
                service.end(signal.SIGTERM)
                service.start()
        time.sleep(1)


def _feed(client: HttpClient, study: str) -> list[Any]:
    events: list[Any] = []
    while page := client.get(f"{study_path(study)}/events?after={len(events)}&limit=1000")[
        "events"
    ]:
        events += page
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    return events


def _check_feeds(client: HttpClient) -> tuple[int, int]:
    """Compare the events of each study with its trials; return the numbers of events and bests."""
    n_events = n_best = 0
    for study in STUDIES:
        _wait_for(partial(_is_best_told, client, study))
        trials = {trial["trial_id"]: trial for trial in client.all_trials(study)}
        events = _feed(client, study)
        assert events[0]["type"] == "study.created"
        failed = [event["data"] for event in events if event["type"] == "trial.failed"]
        states = {number for number, trial in trials.items() if trial["state"] == "FAIL"}
        assert sorted(data["trial_id"] for data in failed) == sorted(states)
        assert all(data["reason"] == f"trial {data['trial_id']}" for data in failed)
        bests = _bests(client, study)
        for event in bests:
            assert event["data"]["values"] == trials[event["data"]["trial_id"]]["values"]
        values = [event["data"]["values"][0] for event in bests]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)
        times = [datetime.fromisoformat(event["timestamp"]) for event in bests]
        for earlier, later in pairwise(times):
            assert (later - earlier).total_seconds() >= BEST_EVERY
        others = {event["type"] for event in events[1:]}
        assert others <= {"trial.failed", "study.new_best", "study.failing"}
        n_events, n_best = n_events + len(events), n_best + len(bests)
    return n_events, n_best


def _is_best_told(client: HttpClient, study: str) -> bool:
    best = client.get(f"{study_path(study)}/best")
    return bool(_bests(client, study)[-1]["data"]["trial_id"] == best["trial_id"])


def _bests(client: HttpClient, study: str) -> list[Any]:
    return [event for event in _feed(client, study) if event["type"] == "study.new_best"]


def _check_messages(client: HttpClient, service: Service, receiver: Receiver) -> int:
    """Wait until each event was received, and compare; return the number of messages."""
    sent = {
        (study, event["number"]): (event["type"], event["data"])
        for study in STUDIES
        for event in _feed(client, study)
    }

    def received() -> dict[tuple[str, int], tuple[str, Any]]:
        found = {}
        for each in list(receiver.received):
            content, data = each.json, dict(each.json["data"])
            study, number, _ = data.pop("study_name"), data.pop("event"), data.pop("study_id")
            found[study, number] = content["type"], data
        return found

    # A claim of a process that was killed ends after two minutes.
    _wait_for(lambda: received().keys() == sent.keys())
    assert received() == sent
    by_id: dict[str, set[bytes]] = {}
    for each in receiver.received:
        by_id.setdefault(each.message_id, set()).add(each.body)
    assert len(by_id) == len(sent)
    assert {len(bodies) for bodies in by_id.values()} == {1}
    return len(receiver.received)


def _wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(1)
