"""Leases are renewed in the background, and no answer to a heartbeat ends an evaluation."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

import tuner
from tests.clients.python.faulty_server import Answer, faulty_server
from tests.support.service import Service, wait_until

OFFER = {
    "trial_id": 0, "params": {"x": 0.5}, "study_id": 1, "user_attrs": {}, "attempt": 1,
    "intermediate_values": {}, "retry_of": None, "reoffers": 0, "reoffered": False,
    "lease_expires_at": "2030-01-01T00:00:01+00:00",
}  # fmt: skip
STUDY = {
    "study_id": 1, "study_name": "s", "direction": "minimize", "state": "ACTIVE",
    "search_space": [{"type": "float", "name": "x", "low": 0, "high": 1}],
}  # fmt: skip
CLOCK = {"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}  # the lease lasts one second
ALIVE = Answer(200, {"lease_expires_at": OFFER["lease_expires_at"], "should_stop": False})
COMPLETE = Answer(200, {"trial_id": 0, "study_name": "s", "state": "COMPLETE", "params": {}})


def lease_end(study: tuner.Study) -> datetime:
    (running,) = study.progress().running
    return datetime.fromisoformat(running["lease_expires_at"])


def test_heartbeat_renews_the_lease_of_a_silent_evaluation(remote: tuner.Study) -> None:
    with remote.ask(lease_seconds=1.5) as trial:
        first = lease_end(remote)
        wait_until(lambda: lease_end(remote) > first, "renewed")
        trial.complete(1.0)
    assert remote.trial(0).state == "COMPLETE"


def test_heartbeat_of_asyncio_renews_the_lease(remote: tuner.Study, url: str) -> None:
    async def play() -> None:
        async with tuner.AsyncClient(url) as client:
            study = await client.get_study(remote.name)
            async with await study.ask(lease_seconds=1.5) as trial:
                first = lease_end(remote)
                while lease_end(remote) == first:
                    await asyncio.sleep(0.05)
                await trial.complete(1.0)

    asyncio.run(asyncio.wait_for(play(), 60))
    assert remote.trial(0).state == "COMPLETE"


def played(*answers_to_heartbeats: Answer) -> tuple[tuner.Trial, list[str]]:
    """Play a trial that lasts until its heartbeats have had these answers."""
    offer = Answer(200, OFFER, CLOCK)
    answers = [Answer(200, STUDY), offer, *answers_to_heartbeats, COMPLETE]
    n = len(answers) - 1
    with faulty_server(*answers) as server, tuner.Client(server.url, timeout=5) as client:
        with client.get_study("s").ask() as trial:
            wait_until(lambda: len(server.requests) >= n, "heartbeats")
            wait_until(lambda: _settled(trial, answers_to_heartbeats), "read")
            trial.complete(1.0)
        return trial, [path.rsplit("/", 1)[1] for _, path in server.requests]


def _settled(trial: tuner.Trial, answers: Any) -> bool:
    """Whether the last answer has been read; only those that change the trial can be seen."""
    is_loss = answers[-1].status == 409
    return trial._lost is not None if is_loss else True


@pytest.mark.parametrize(
    "answer",
    [ALIVE, Answer(404, {"code": "trial_not_found", "detail": "d"}), Answer(500, "oh"), Answer(0)],
)
def test_evaluation_goes_on_whatever_a_heartbeat_is_answered(answer: Answer) -> None:
    trial, actions = played(answer, ALIVE)
    assert trial.result is not None
    assert trial.result.state == "COMPLETE"
    assert actions == ["s", "suggest", "heartbeat", "heartbeat", "complete"]


def test_lost_lease_ends_the_heartbeats_and_a_result_is_sent_even_then() -> None:
    trial, actions = played(ALIVE, Answer(409, {"code": "lease_lost", "detail": "d"}))
    assert actions == ["s", "suggest", "heartbeat", "heartbeat", "complete"]
    with pytest.raises(tuner.LeaseLost):
        trial.report(1.0, step=0)


def test_advice_of_a_heartbeat_is_seen(remote: tuner.Study) -> None:
    with remote.ask(lease_seconds=1.5) as trial:
        remote.cancel()
        wait_until(trial.should_prune, "advised to stop")
        trial.prune()


def test_suspended_worker_that_lost_its_lease_learns_it_by_its_next_report(
    service: Service, remote: tuner.Study
) -> None:
    trial = remote.ask(lease_seconds=0.01)  # no heartbeats outside a block
    service.manage("expire_trials")
    with trial:
        with pytest.raises(tuner.LeaseLost) as raised:
            trial.report(1.0, step=0)
        assert raised.value.problem["retry_trial_id"] == 1
        trial.complete(0.25)  # a late result counts while the next attempt waits
    assert [(each.state, each.value) for each in remote.trials()] == [
        ("COMPLETE", 0.25),
        ("FAIL", None),
    ]
