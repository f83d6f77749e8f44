"""Loops and agents of the Python client that fail at random lose no result and exceed no budget.

Ten loops and three agents with two slots each play one study. Every 100 ms one of them is killed,
suspended for a while or ended by SIGTERM, and every few seconds a process of the service is killed.
What the evaluations have noted is then compared with what is stored.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import scaled
from tests.support.client_fleet import ClientFleet
from tests.support.http_client import HttpClient
from tests.support.service import Service, kill_master, kill_web_worker, running_service
from tests.support.workers import WORKER_SPACE

pytestmark = pytest.mark.accept

STUDY = "client chaos"
SECONDS = scaled(60, 6)
MAX_TRIALS = scaled(300, 30)
LEASE_SECONDS = 2.0
SECONDS_TO_FINISH = 600


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def fleet(service: Service, tmp_path: Path) -> Iterator[ClientFleet]:
    with HttpClient(service.port) as client:
        client.create_study(
            name=STUDY, direction="minimize", search_space=WORKER_SPACE, sampler="random",
            pruner="median", pruner_options={"n_warmup_steps": 2}, max_trials=MAX_TRIALS,
            max_concurrent=12, lease_seconds=LEASE_SECONDS, max_retries=1000,
        )  # fmt: skip
    url = f"http://127.0.0.1:{service.port}"
    fleet = ClientFleet(url, STUDY, tmp_path, longest_stop=3 * LEASE_SECONDS)
    try:
        yield fleet
    finally:
        fleet.close()


def test_chaos_loses_no_result_and_keeps_the_budget(
    service: Service, fleet: ClientFleet, record_property: Callable[[str, Any], None]
) -> None:
    kills = _play_under_chaos(service, fleet)
    with HttpClient(service.port) as client:
        played = sum(_counts(client)[state] for state in ("COMPLETE", "PRUNED"))
    fleet.wait(SECONDS_TO_FINISH)

    with HttpClient(service.port) as client:
        trials = client.all_trials(STUDY)
        study = client.get("/studies/client%20chaos")
    states = Counter(trial["state"] for trial in trials)
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_trials")
    assert states["COMPLETE"] + states["PRUNED"] == MAX_TRIALS
    assert (states["RUNNING"], states["WAITING"]) == (0, 0)
    notes = _notes(fleet.folder)
    _assert_results_are_of_their_trials(trials, notes)
    service.check_optuna()

    reasons = Counter(
        str(trial["reason"]).splitlines()[0] for trial in trials if trial["state"] == "FAIL"
    )
    record_property("found", f"{dict(fleet.faults)}; servers: {dict(kills)}")
    record_property("found", f"{len(trials)} trials: {dict(states)}; failed: {dict(reasons)}")
    record_property(
        "found", f"{played} finished in the chaos; {Counter(note['what'] for note in notes)}"
    )


def _assert_results_are_of_their_trials(trials: list[Any], notes: list[Any]) -> None:
    given = {note["token"]: note for note in notes if note["what"] == "given"}
    for note in notes:
        trial = trials[note["number"]]
        if note["what"] == "given":
            assert trial["params"] == note["params"]
        else:
            assert trial["state"] == "COMPLETE", f"acknowledged, and lost: {note} {trial}"
            assert trial["user_attrs"]["token"] == note["token"], "another result was stored"
    for trial in trials:
        if trial["state"] == "COMPLETE":
            assert given[trial["user_attrs"]["token"]]["number"] == trial["trial_id"]
            assert trial["values"] == [trial["params"]["x"]]


def _notes(folder: Path) -> list[Any]:
    """Return the lines of all evaluations; one that was killed may have left half a line."""
    lines = [
        line
        for file in folder.glob("*.jsonl")
        for line in file.read_text().splitlines(keepends=True)
    ]
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _play_under_chaos(service: Service, fleet: ClientFleet) -> Counter[str]:
    """Disturb the clients and the service for a while; returns what was killed of the service."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(_kill_servers, service, stop)
        try:
            end = time.monotonic() + SECONDS
            while (now := time.monotonic()) < end and not killing.done():
                fleet.inject_fault()
                time.sleep(max(0, now + 0.1 - time.monotonic()))
        finally:
            stop.set()
            fleet.go_on()
        return killing.result()


def _kill_servers(service: Service, stop: threading.Event) -> Counter[str]:
    killed: Counter[str] = Counter()
    while not stop.wait(random.uniform(2, 4)):
        killer = kill_master if killed.total() % 5 == 2 else kill_web_worker
        killer(service)
        killed[killer.__name__] += 1
        with HttpClient(service.port) as client:
            counts = _counts(client)
        assert counts["RUNNING"] <= 12
        places = sum(counts[each] for each in ("WAITING", "RUNNING", "COMPLETE", "PRUNED"))
        assert places <= MAX_TRIALS
    return killed


def _counts(client: HttpClient) -> dict[str, int]:
    counts: dict[str, int] = client.get("/studies/client%20chaos")["trial_counts"]
    return counts
