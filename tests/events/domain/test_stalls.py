"""`study.stalled`: nothing ends and nothing reports though the study runs; once a stall."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from events.domain.stalls import watch_for_stalls
from events.models import Event, EventStream
from tests.support.api_client import STUDY_URL, complete, create_study, start_trial, trial_action
from tests.support.events import event_types, last_event, let_pass

HOUR = 3601


@pytest.fixture
def running(api: APIClient) -> APIClient:
    """A study whose trial 0 runs, and which is watched."""
    create_study(api, sampler="random", lease_seconds=None)
    start_trial(api)
    assert watch_for_stalls() == 0
    return api


def n_stalls(api: APIClient) -> int:
    return event_types(api).count("study.stalled")


def test_silent_study_is_told_of_once(running: APIClient) -> None:
    let_pass(1800)
    assert watch_for_stalls() == 0
    let_pass(1801)
    assert watch_for_stalls() == 1
    event = last_event(running)
    assert event["type"] == "study.stalled"
    assert list(event["data"]) == ["since", "n_running", "n_waiting"]
    assert (event["data"]["n_running"], event["data"]["n_waiting"]) == (1, 0)
    let_pass(HOUR)
    assert watch_for_stalls() == 0


def test_report_and_heartbeat_are_signs_of_life(running: APIClient) -> None:
    for action, body in (("report", {"step": 1, "value": 0.5}), ("heartbeat", {})):
        let_pass(1900)
        trial_action(running, 0, action, **body)
        let_pass(1900)
        assert watch_for_stalls() == 0
    let_pass(1900)
    assert watch_for_stalls() == 1


def test_asks_are_none(running: APIClient) -> None:
    for _ in range(3):
        let_pass(1300)
        start_trial(running)
        start_trial(running, worker_id="w")  # returned to it the second time
    assert watch_for_stalls() == 1


def test_result_begins_anew(running: APIClient) -> None:
    let_pass(HOUR)
    assert watch_for_stalls() == 1
    start_trial(running)
    complete(running, "search", 0, 1.0)
    let_pass(10)
    assert watch_for_stalls() == 0
    let_pass(HOUR)
    assert (watch_for_stalls(), n_stalls(running)) == (1, 2)


def test_heartbeat_after_a_stall_begins_anew(running: APIClient) -> None:
    let_pass(HOUR)
    assert watch_for_stalls() == 1
    trial_action(running, 0, "heartbeat")
    assert watch_for_stalls() == 0
    let_pass(HOUR)
    assert (watch_for_stalls(), n_stalls(running)) == (1, 2)


@pytest.mark.parametrize("act", ["pause", "complete", "cancel"])
def test_study_that_is_not_active_does_not_stall(running: APIClient, act: str) -> None:
    assert running.post(f"{STUDY_URL}/{act}").status_code == 200
    watch_for_stalls()
    let_pass(HOUR)
    assert watch_for_stalls() == 0


def test_time_of_a_pause_does_not_count(running: APIClient) -> None:
    assert running.post(f"{STUDY_URL}/pause").status_code == 200
    watch_for_stalls()
    let_pass(HOUR)
    assert running.post(f"{STUDY_URL}/resume").status_code == 200
    assert watch_for_stalls() == 0
    let_pass(HOUR)
    assert watch_for_stalls() == 1


@pytest.mark.parametrize(
    ("definition", "n"), [({}, 0), ({"max_trials": 5}, 1)], ids=["no end", "max_trials"]
)
def test_idle_study_stalls_if_trials_are_left(
    api: APIClient, definition: dict[str, Any], n: int
) -> None:
    create_study(api, sampler="random", **definition)
    watch_for_stalls()
    let_pass(HOUR)
    assert watch_for_stalls() == 0  # it has not begun
    complete(api, "search", start_trial(api), 1.0)
    watch_for_stalls()
    let_pass(HOUR)
    assert watch_for_stalls() == n


def test_study_without_a_stream_is_watched(running: APIClient) -> None:
    Event.objects.all().delete()
    EventStream.objects.all().delete()  # as if a process of an earlier version had created it
    assert watch_for_stalls() == 0
    let_pass(HOUR)
    assert watch_for_stalls() == 1


def test_watch_can_be_switched_off(running: APIClient, settings: Any) -> None:
    settings.STALLED_SECONDS = 0
    let_pass(HOUR)
    assert watch_for_stalls() == 0
