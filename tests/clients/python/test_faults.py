"""Faults around an evaluation cost neither the evaluation nor its result."""

import asyncio
import gc
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.clients.python.faulty_server import Answer, faulty_server
from tests.clients.python.test_heartbeat import ALIVE, CLOCK, COMPLETE, OFFER, STUDY, lease_end
from tests.support.service import wait_until
from tuner._worker.slots import take_slot

PAGE = Answer(404, "<html>Not Found</html>")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner._wire.retries.BASE_SECONDS", 0.001)


@pytest.mark.parametrize(
    "fault",
    [PAGE, Answer(500, {"code": "server_error", "detail": "d"}), Answer(200, "maintenance"),
     Answer(200, None), Answer(503, {"errors": [{"message": "upstream"}]}),
     Answer(502, {"errors": None})],
)  # fmt: skip
def test_fault_of_a_proxy_loses_no_result(fault: Answer) -> None:
    answers = [Answer(200, STUDY), Answer(200, OFFER), fault, COMPLETE]
    with faulty_server(*answers) as server, tuner.Client(server.url) as client:
        with client.get_study("s").ask() as trial:
            trial.complete(0.5)
        assert len(server.requests) == 4
    assert trial.result is not None
    assert trial.result.state == "COMPLETE"


def test_page_of_another_server_says_so() -> None:
    with faulty_server(Answer(200, "<html>")) as server, tuner.Client(server.url) as client:
        with pytest.raises(tuner.ConnectionFailed, match="is this the address of a service"):
            client.health()
        assert len(server.requests) == 1


def test_heartbeat_that_cannot_be_read_is_followed_by_others() -> None:
    strange = Answer(200, [])
    answers = [Answer(200, STUDY), Answer(200, OFFER, CLOCK), strange, ALIVE, COMPLETE]
    with faulty_server(*answers) as server, tuner.Client(server.url) as client:
        trial = client.get_study("s").ask()
        with trial:
            wait_until(lambda: len(server.requests) == 4, "two heartbeats")
            trial.complete(0.5)


def test_lease_of_a_trial_by_hand_is_renewed_until_it_is_forgotten(remote: tuner.Study) -> None:
    trials = remote.ask(count=2, lease_seconds=1.5)
    first = {each["trial_id"]: each["lease_expires_at"] for each in remote.progress().running}

    def are_renewed() -> bool:
        running = remote.progress().running
        return all(each["lease_expires_at"] > first[each["trial_id"]] for each in running)

    wait_until(are_renewed, "renewed")
    trials[0].complete(1)
    del trials
    gc.collect()
    end = lease_end(remote)
    time.sleep(1.0)  # a heartbeat came each half of a second
    assert lease_end(remote) == end


def test_wrong_address_and_token_fail_at_once() -> None:
    with faulty_server() as server:
        client = tuner.Client(server.url.replace("http:", "https:"))
        with client, pytest.raises(tuner.ConnectionFailed):
            client.health()
    assert tuner.Client("http://a.example", "secret\n").transport.settings.token == "secret"
    with pytest.raises(tuner.ConfigurationError, match="the token is not one"):
        tuner.Client("http://a.example", "sécret")


def test_token_is_in_no_representation() -> None:
    client = tuner.Client("http://a.example", "secret")
    assert "secret" not in repr(client.transport.settings)


def test_first_repetition_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with faulty_server(Answer(0), ALIVE) as server, tuner.Client(server.url) as client:
        client.health()
    assert "the service did not answer: RemoteProtocolError" in caplog.text
    assert "trying again for 900 s" in caplog.text


def test_requests_are_not_logged_one_by_one(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    study.refresh()
    assert [record for record in caplog.records if record.name.startswith("httpx")] == []


@pytest.mark.parametrize("result", [float("nan"), None, "a"])
def test_first_trial_without_a_number_is_recorded_as_failed(
    client: tuner.Client, result: object
) -> None:
    def objective(trial: Any) -> Any:
        assert trial.study.direction == tuner.Direction.MINIMIZE
        trial.report(trial.suggest_float("x", 0, 1), 0, attrs={"a": 1})
        return result if trial.number == 0 else 1.0

    seen: list[int] = []
    study = client.create_study("new", max_trials=1)
    study.optimize(objective, callbacks=[lambda _, trial: seen.append(trial.number)])
    first, second = study.trials()
    assert (first.state, first.user_attrs, second.state) == ("FAIL", {"a": 1}, "COMPLETE")
    assert (seen, study.info.direction) == ([0, 1], "minimize")


def test_first_trial_of_a_study_that_others_have_ended_is_left_out(client: tuner.Client) -> None:
    def objective(trial: Any) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        other = client.create_study(
            "new", direction="minimize", space={"x": tuner.Float(0, 1)}, max_trials=1
        )
        other.optimize(lambda trial: 1.0)
        return x

    study = client.create_study("new", max_trials=1)
    study.optimize(objective)
    assert [trial.value for trial in study.trials()] == [1.0]


def test_number_of_jobs_is_checked(study: tuner.Study) -> None:
    with pytest.raises(ValueError, match="n_jobs is 0: expected at least 1, or -1"):
        study.optimize(lambda trial: 1.0, n_jobs=0)


def test_mismatch_is_never_caught(study: tuner.Study) -> None:
    with pytest.raises(tuner.SpaceMismatch):
        study.optimize(lambda trial: trial.suggest_float("y", 0, 1), catch=Exception)


def test_steps_and_choices_are_compared_by_their_values(client: tuner.Client) -> None:
    import numpy as np
    from optuna.distributions import FloatDistribution, IntDistribution

    space = {
        "i": IntDistribution(1, 9, step=2),
        "f": FloatDistribution(0, 0.9, step=0.3),
        "c": tuner.Categorical(np.array([16, 32])),  # type: ignore[arg-type]
    }
    study = client.create_study("demo", space=space)

    def objective(trial: Any) -> float:
        i = trial.suggest_int("i", 1, 10, step=2) + trial.suggest_float("f", 0, 1, step=0.3)
        return float(i + trial.suggest_categorical("c", np.array([16, 32])))

    study.optimize(objective, n_trials=2)
    assert study.progress().trial_counts["COMPLETE"] == 2


def test_undeclared_constraint_is_kept_as_an_attribute(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    with study.ask() as trial:
        trial.complete(1.0, constraints={"latency": -0.2})
    (stored,) = study.trials()
    assert (stored.state, stored.user_attrs) == ("COMPLETE", {"constraint.latency": -0.2})
    assert 'declare it by `constraints=["latency"]` of `create_study`' in caplog.text


def test_attribute_without_a_form_in_json_is_refused_where_it_is_set(study: tuner.Study) -> None:
    with study.ask() as trial:
        for value in (float("nan"), object(), Path(), {1, 2}):
            with pytest.raises((TypeError, ValueError)):
                trial.set_user_attr("a", value)
        trial.complete(1.0)
    assert study.trial(0).state == "COMPLETE"


def test_slots_need_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr("tempfile.tempdir", str(blocked))
    names = [take_slot("no-file", "study").worker_id for _ in range(2)]
    assert names == ["no-file", "no-file.1"]


def test_slots_keep_no_descriptor_once_released() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(50):
        take_slot(f"worker-{number}", "study").release()
    assert len(os.listdir("/proc/self/fd")) == before


def test_client_of_asyncio_serves_one_loop_after_another() -> None:
    client = tuner.AsyncClient("http://127.0.0.1")

    async def health(url: str) -> Any:
        client.transport.settings = client.transport.settings._replace(url=url)
        answer = await client.health()
        await client.close()
        return answer

    for _ in range(2):
        with faulty_server(ALIVE) as server:
            assert asyncio.run(health(server.url))["should_stop"] is False
