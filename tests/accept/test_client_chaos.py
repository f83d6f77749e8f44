"""Loops and agents of the Python client that fail at random lose no result and exceed no budget.

Ten loops and three agents with two slots each play one study. Every 100 ms one of them is killed,
suspended for a while or ended by SIGTERM, and every few seconds a process of the service is killed.
What the evaluations have noted is then compared with what is stored.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import scaled
from tests.support.chaos import read_event_logs
from tests.support.client_fleet import ClientFleet
from tests.support.http_client import HttpClient
from tests.support.server_chaos import PLACES, play_under_chaos
from tests.support.service import Service, running_service
from tests.support.workers import WORKER_SPACE

pytestmark = pytest.mark.accept

STUDY = "client chaos"
SECONDS = scaled(60, 6)
MAX_TRIALS = scaled(300, 30)
MAX_CONCURRENT = 12
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
            max_concurrent=MAX_CONCURRENT, lease_seconds=LEASE_SECONDS, max_retries=1000,
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
    kills = play_under_chaos(service, fleet, SECONDS, _check_budgets)
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
    notes = read_event_logs(fleet.folder)
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


def _check_budgets(client: HttpClient) -> None:
    counts = _counts(client)
    assert counts["RUNNING"] <= MAX_CONCURRENT
    assert sum(counts[each] for each in PLACES) <= MAX_TRIALS


def _counts(client: HttpClient) -> dict[str, int]:
    counts: dict[str, int] = client.get("/studies/client%20chaos")["trial_counts"]
    return counts
