"""Workers and servers that fail at random lose no trial, block nothing and exceed no budget.

Sixteen workers play two studies. Every 100 ms one of them is killed, suspended for a while or made
to repeat its last request, and every few seconds a process of the service is killed. The logs of
the workers are then compared with what is stored.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import scaled
from tests.support.chaos import ENDINGS, GAVE_UP, WorkerFleet, read_event_logs
from tests.support.http_client import HttpClient, study_path, trials_path
from tests.support.server_chaos import PLACES, play_under_chaos
from tests.support.service import Service, running_service
from tests.support.workers import WORKER_SPACE

pytestmark = pytest.mark.accept

SECONDS = scaled(60, 6)
MAX_TRIALS = scaled(400, 40)
STUDIES = {"chaos random": "random", "chaos tpe": "tpe"}
MAX_CONCURRENT = 12  # of each study, so that now and then there are too many
LEASE_SECONDS = 2.0
LEASE_OF_ABANDONED = 0.5
SECONDS_OF_STOPS = (0.1, 2 * LEASE_SECONDS)
GRACE = 3.0  # seconds after the chaos in which a request may still fail
SECONDS_TO_FINISH = 600

Record = Callable[[str, Any], None]
Key = tuple[str, int]  # a trial's study and number


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


@pytest.fixture
def crew(service: Service, tmp_path: Path) -> Iterator[WorkerFleet]:
    """Workers of studies that are ready for them."""
    with HttpClient(service.port) as client:
        for name, sampler in STUDIES.items():
            client.create_study(
                name=name, direction="minimize", search_space=WORKER_SPACE, sampler=sampler,
                pruner="median", pruner_options={"n_warmup_steps": 2},
                lease_seconds=LEASE_SECONDS, max_retries=1000,
                max_trials=MAX_TRIALS, max_concurrent=MAX_CONCURRENT,
            )  # fmt: skip
    crew = WorkerFleet(service.port, list(STUDIES), tmp_path, SECONDS_OF_STOPS)
    try:
        yield crew
    finally:
        crew.close()


def test_chaos_loses_no_trial_and_keeps_budgets(
    service: Service, crew: WorkerFleet, tmp_path: Path, record_property: Record
) -> None:
    began = time.monotonic()
    kills = play_under_chaos(service, crew, SECONDS, _check_budgets)
    calm_from = time.time() + GRACE
    with HttpClient(service.port) as client:
        played = sum(_counted(client, name, "COMPLETE", "PRUNED") for name in STUDIES)
    crew.wait(SECONDS_TO_FINISH)
    seconds = time.monotonic() - began

    diaries = read_event_logs(tmp_path)
    with HttpClient(service.port) as client:
        stored = {name: client.all_trials(name) for name in STUDIES}
        for name, trials in stored.items():
            _assert_is_complete(client.get(study_path(name)), trials)
            _assert_no_point_is_lost(trials)
    _assert_nothing_but_the_chaos_failed(diaries, calm_from)
    _assert_is_as_noted(diaries, stored)
    service.check_optuna()

    for line in _found(diaries, stored, crew.faults, kills):
        record_property("found", line)
    record_property(
        "found",
        f"{len(STUDIES)} times {MAX_TRIALS} trials were finished after {seconds:.0f} s, "
        f"{played} of them in the {SECONDS} s of chaos",
    )


def test_abandoned_trials_are_ended_by_command_or_ask(
    service: Service, record_property: Record
) -> None:
    n = 20
    path = f"{trials_path('abandoned')}/0/complete"
    with HttpClient(service.port) as client:
        client.create_study(
            name="abandoned", search_space=WORKER_SPACE, sampler="random",
            max_retries=1, lease_seconds=LEASE_OF_ABANDONED,
        )  # fmt: skip

        first = _abandon(client, n)
        done = service.manage("expire_trials")

        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == n
        counts = client.get("/studies/abandoned")["trial_counts"]
        assert (counts["RUNNING"], counts["FAIL"], counts["WAITING"]) == (0, n, n)
        again = _abandon(client, n)  # the same points, which are not tried a third time
        assert [trial["params"] for trial in again] == [trial["params"] for trial in first]
        assert [trial["retry_of"] for trial in again] == [trial["trial_id"] for trial in first]
        new = client.suggest("abandoned")
        assert (new["trial_id"], new["attempt"]) == (2 * n, 1)
        counts = client.get("/studies/abandoned")["trial_counts"]
        assert (counts["RUNNING"], counts["FAIL"], counts["WAITING"]) == (1, 2 * n, 0)
        lost = client.call("POST", path, {"values": 1})
        assert (lost.status, lost.body["code"]) == (409, "lease_lost")
        assert lost.body["retry_trial_id"] == n
    service.check_optuna()
    record_property("found", f"{2 * n} leases ran out, half of them ended by the command")


def _abandon(client: HttpClient, n: int) -> list[Any]:
    """Trials whose leases have run out. One request: a second might end those of the first."""
    path = f"{trials_path('abandoned')}/suggest-batch"
    trials = client.call("POST", path, {"count": n}).expect(200)["trials"]
    assert len(trials) == n
    time.sleep(LEASE_OF_ABANDONED + 0.1)
    return list(trials)


def _check_budgets(client: HttpClient) -> None:
    for name in STUDIES:
        assert _counted(client, name, "RUNNING") <= MAX_CONCURRENT
        assert _counted(client, name, *PLACES) <= MAX_TRIALS


def _counted(client: HttpClient, study: str, *states: str) -> int:
    counts = client.get(study_path(study))["trial_counts"]
    return sum(counts[state] for state in states)


def _assert_is_complete(study: Any, trials: list[Any]) -> None:
    assert [trial["trial_id"] for trial in trials] == list(range(len(trials)))
    counts = Counter(trial["state"] for trial in trials)
    assert {state: n for state, n in study["trial_counts"].items() if n} == dict(counts)
    assert counts["COMPLETE"] + counts["PRUNED"] == MAX_TRIALS
    assert (counts["RUNNING"], counts["WAITING"]) == (0, 0)
    assert (study["state"], study["state_reason"]) == ("COMPLETED", "max_trials")
    assert [change["state"] for change in study["state_history"]] == ["COMPLETED"]


def _assert_no_point_is_lost(trials: list[Any]) -> None:
    """Every failure was tried again with its parameters, and no point was finished twice.

    An attempt may be cancelled in the queue, for the late result of the one before.
    """
    cancelled = {trial["cancelled_retry"]: trial for trial in trials}
    trials_that_ran = [trial for trial in trials if trial["trial_id"] not in cancelled]
    for number in cancelled.keys() - {None}:
        trial = trials[number]
        assert (trial["state"], trial["datetime_start"]) == ("FAIL", None)
        assert trial["params"] == cancelled[number]["params"]
    for trial in trials_that_ran:
        if trial["state"] == "FAIL":
            assert trial["reason"] in ("lease expired", GAVE_UP)
            retry = trials[trial["retried_as"]]
            assert retry["retry_of"] == trial["trial_id"]
            assert retry["attempt"] > trial["attempt"]  # a reoffer may have been another one
            assert retry["params"] == trial["params"]
        else:
            assert trial["retried_as"] is None
    firsts = Counter(str(t["params"]) for t in trials_that_ran if t["retry_of"] is None)
    finished = Counter(str(trial["params"]) for trial in trials if trial["state"] != "FAIL")
    assert finished == firsts


def _assert_nothing_but_the_chaos_failed(diaries: list[Any], calm_from: float) -> None:
    assert [line["text"] for line in diaries if line["what"] == "fault"] == []
    late = [
        f"{line['at'] - calm_from:+.1f} s: {line['text']}"
        for line in diaries
        if line["what"] == "failed" and line["at"] > calm_from
    ]
    assert late == [], "failed while nothing was down"


def _assert_is_as_noted(diaries: list[Any], stored: dict[str, list[Any]]) -> None:
    by_key: dict[Key, Any] = {
        (study, trial["trial_id"]): trial for study, trials in stored.items() for trial in trials
    }
    told_by: dict[Key, set[tuple[str, int]]] = defaultdict(set)
    told_in_vain: dict[Key, list[Any]] = defaultdict(list)  # perhaps: not acknowledged
    for line in diaries:
        if line["what"] == "telling":
            told_in_vain[line["study"], line["number"]].append(line)
    for line in diaries:
        if line["what"] not in ("given", "told", "refused"):
            continue
        key = line["study"], line["number"]
        trial = by_key[key]
        assert trial["worker_id"] == line["worker_id"], "handed out to two workers"
        if line["what"] == "given":
            assert trial["params"] == line["params"]
        elif line["what"] == "told":
            told_by[key].add((line["worker_id"], line["pid"]))
            assert _is_stored(line, trial), f"acknowledged, and thrown away: {line} {trial}"
        elif line["code"] == "lease_lost":
            if trial["cancelled_retry"] is None:
                assert (trial["state"], trial["reason"]) == ("FAIL", "lease expired")
                assert line["retry"] == trial["retried_as"]
            else:  # another process of the worker told it then
                assert line["retry"] == trial["cancelled_retry"]
        else:
            # The worker's process before it was killed while it told this.
            others = [each for each in told_in_vain[key] if each["pid"] != line["pid"]]
            assert any(_is_stored(each, trial) for each in others), f"refused: {line} {trial}"
    assert {key: tellers for key, tellers in told_by.items() if len(tellers) > 1} == {}


def _is_stored(told: Any, trial: Any) -> bool:
    """Whether the trial has ended as it was told."""
    body = told["body"]
    return (
        trial["state"] == ENDINGS[told["action"]]
        and ("values" not in body or trial["values"] == [body["values"]])
        and trial["reason"] == body.get("reason")
    )


def _found(
    diaries: list[Any], stored: dict[str, list[Any]], accidents: Counter[str], kills: Counter[str]
) -> Iterator[str]:
    noted = Counter(line["what"] for line in diaries)
    trials = [trial for each in stored.values() for trial in each]
    reasons = Counter(trial["reason"] for trial in trials if trial["state"] == "FAIL")
    states = Counter(trial["state"] for trial in trials)
    refused = Counter(line["code"] for line in diaries if line["what"] == "refused")
    busy = Counter(line["code"] for line in diaries if line["what"] == "busy")
    reoffered = sum(line["what"] == "given" and line["reoffered"] for line in diaries)
    yield f"workers: {_listed(accidents)}; servers: {_listed(kills)}"
    yield f"{len(trials)} trials stored: {_listed(states)}; failed: {_listed(reasons)}"
    yield (
        f"acknowledged {noted['given']} suggestions ({reoffered} of a trial that was held) and "
        f"{noted['told']} tells; repeated {noted['repeated']} requests; "
        f"{noted['failed']} failed while something was down"
    )
    yield f"refused: {_listed(refused)}; busy: {_listed(busy)}"
    yield f"most attempts at one point: {max(trial['attempt'] for trial in trials)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "none"
