"""Reports, heartbeats and reasons of pruning over HTTP."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    complete,
    create_study,
    create_study_with_running_trial,
    prune,
    suggest,
    trial_action,
)
from tests.support.database import database_clock, move_leases_into_past

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

STUDY = "/api/v1/studies/search"
URL = f"{STUDY}/trials"
MEDIAN: JSON = {
    "direction": "minimize",
    "sampler": "random",
    "pruner": "median",
    "pruner_options": {"n_startup_trials": 1, "n_warmup_steps": 0},
}
GO_ON: JSON = {
    "should_prune": False,
    "should_stop": False,
    "reason": None,
    "lease_expires_at": None,
    "replaced": [],
}
NO_SIGNS = {"should_stop": False, "reason": None, "lease_expires_at": None}
PRUNE = GO_ON | {"should_prune": True}


def report(api: APIClient, trial_id: int, **body: Any) -> JSON:
    return trial_action(api, trial_id, "report", **body)


def heartbeat(api: APIClient, trial_id: int) -> JSON:
    return trial_action(api, trial_id, "heartbeat")


def steps(api: APIClient, trial_id: int) -> JSON:
    return api.get(f"{URL}/{trial_id}").json()["intermediate_values"]


def told(api: APIClient, value: float, *, number: int) -> None:
    """A completed trial of this number, which reported the value at step 1."""
    assert suggest(api)["trial_id"] == number
    report(api, number, step=1, value=value)
    complete(api, "search", number, value)


# Report ----------------------------------------------------------------------------------


def test_report_stores_a_value_and_answers_a_decision(api: APIClient) -> None:
    create_study_with_running_trial(api)
    response = api.post(f"{URL}/0/report", {"step": 3, "value": 0.71})
    assert (response.status_code, response.json()) == (200, GO_ON)
    trial = api.get(f"{URL}/0").json()
    assert (trial["state"], trial["values"]) == ("RUNNING", None)
    assert trial["intermediate_values"] == {"3": 0.71}
    assert [type(each) for each in trial["intermediate_values"].values()] == [float]


def test_report_takes_several_steps_at_once_and_in_any_order(api: APIClient) -> None:
    create_study_with_running_trial(api)
    assert report(api, 0, values={"10": 0.73, "3": 0.71}) == GO_ON
    assert report(api, 0, step=0, value=1) == GO_ON
    assert report(api, 0, values={"2": -0.5}) == GO_ON
    assert list(steps(api, 0).items()) == [("0", 1.0), ("2", -0.5), ("3", 0.71), ("10", 0.73)]


@pytest.mark.parametrize("body", [{"step": 2**31 - 1, "value": 1}, {"values": {"2147483647": 1}}])
def test_report_takes_the_last_possible_step(api: APIClient, body: JSON) -> None:
    create_study_with_running_trial(api)
    assert report(api, 0, **body) == GO_ON
    assert steps(api, 0) == {"2147483647": 1.0}


@pytest.mark.parametrize(
    "body", [{"step": 3, "value": 1, "values": None}, {"step": None, "values": {"3": 1}}]
)
def test_report_accepts_null_as_missing(api: APIClient, body: JSON) -> None:
    create_study_with_running_trial(api)
    assert report(api, 0, **body) == GO_ON
    assert steps(api, 0) == {"3": 1.0}


@pytest.mark.parametrize("body", [{"step": 1, "value": 2}, {"values": {"0": 2, "1": 2}}])
def test_report_answers_when_to_prune_and_why(api: APIClient, body: JSON) -> None:
    create_study(api, **MEDIAN)
    told(api, 1.0, number=0)
    suggest(api)
    verdict = report(api, 1, **body)
    assert verdict == PRUNE | {"reason": "the pruner median would stop it at step 1"}
    assert api.get(f"{URL}/1").json()["state"] == "RUNNING"  # the worker decides
    pruned = prune(api, "search", 1)
    assert (pruned["state"], pruned["values"]) == ("PRUNED", [2.0])


def test_report_decides_anew_at_each_step(api: APIClient) -> None:
    create_study(api, **MEDIAN)
    suggest(api)
    report(api, 0, values={"1": 1, "2": 3, "3": 1})
    complete(api, "search", 0, 1)
    suggest(api)
    decisions = [report(api, 1, step=step, value=2)["should_prune"] for step in (1, 2, 3)]
    assert decisions == [True, False, True]


@pytest.mark.parametrize(
    "again",
    [
        {"step": 1, "value": 2},
        {"step": 1, "value": 2.0},
        {"values": {"1": 2}},
        {"values": {"0": 9, "1": 2}},
        {"step": 0, "value": 9},
    ],
)
def test_report_again_answers_the_same_decision(api: APIClient, again: JSON) -> None:
    """Even where the pruner would say something else by now."""
    create_study(api, **MEDIAN)
    told(api, 1.0, number=0)
    suggest(api)
    suggest(api)
    first = report(api, 1, values={"0": 9, "1": 2})
    goes_on = report(api, 2, step=1, value=0.5)
    assert (first["should_prune"], goes_on) == (True, GO_ON)
    for number in (3, 4):
        told(api, 9.0, number=number)
    assert report(api, 1, **again) == first
    for number in (5, 6, 7, 8):
        told(api, 0.1, number=number)
    assert report(api, 2, step=1, value=0.5) == GO_ON
    assert steps(api, 1) == {"0": 9.0, "1": 2.0}


def test_report_of_old_and_new_steps_decides_on_the_last(api: APIClient) -> None:
    create_study(api, **MEDIAN)
    told(api, 1.0, number=0)
    suggest(api)
    assert report(api, 1, step=0, value=2)["should_prune"] is False
    assert report(api, 1, values={"0": 2, "1": 2})["should_prune"] is True


# A run that diverged ---------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"step": 1, "value": None}, {"values": {"1": None}}])
def test_report_of_null_is_stored_as_nan_and_answered_as_null(api: APIClient, body: JSON) -> None:
    create_study_with_running_trial(api)
    assert report(api, 0, **body) == report(api, 0, **body) == GO_ON
    assert steps(api, 0) == {"1": None}
    assert [trial["intermediate_values"] for trial in api.get(URL).json()] == [{"1": None}]
    with connection.cursor() as cursor:
        cursor.execute("SELECT step, value::text FROM trials_intermediatevalue")
        assert cursor.fetchall() == [(1, "NaN")]
        cursor.execute(
            "SELECT step, intermediate_value, intermediate_value_type::text "
            "FROM optuna.trial_intermediate_values"
        )
        assert cursor.fetchall() == [(1, None, "NAN")]


def test_diverged_trial_is_pruned_without_a_value(api: APIClient) -> None:
    create_study_with_running_trial(api)
    report(api, 0, values={"0": 0.5, "1": None})
    assert prune(api, "search", 0)["values"] is None
    assert api.get(f"{STUDY}").json()["best_value"] is None


def test_hyperband_prunes_a_trial_diverged_at_a_rung(api: APIClient) -> None:
    options = {"min_resource": 2, "max_resource": 5}
    create_study_with_running_trial(api, pruner="hyperband", pruner_options=options)
    assert report(api, 0, step=1, value=None) == GO_ON
    reason = "the pruner hyperband would stop it at step 2"
    assert report(api, 0, step=2, value=None) == PRUNE | {"reason": reason}


# Leases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["report", "heartbeat"])
def test_report_or_heartbeat_renews_the_lease_by_the_databases_clock(
    api: APIClient, sign: str
) -> None:
    create_study_with_running_trial(api, lease_seconds=60)
    move_leases_into_past()
    before = database_clock()
    body = {"step": 0, "value": 1} if sign == "report" else {}
    response = api.post(f"{URL}/0/{sign}", body)
    after = database_clock()
    until = response.json()["lease_expires_at"]
    lease = timedelta(seconds=60)
    assert until.endswith("+00:00")
    assert before + lease <= datetime.fromisoformat(until) <= after + lease
    assert api.get(f"{URL}/0").json()["lease_expires_at"] == until
    suggest(api)  # ends what has expired
    assert api.get(f"{URL}/0").json()["state"] == "RUNNING"


def test_report_again_renews_the_lease(api: APIClient) -> None:
    create_study_with_running_trial(api, lease_seconds=60)
    first = report(api, 0, step=0, value=1)
    again = report(api, 0, step=0, value=1)
    assert again["lease_expires_at"] > first["lease_expires_at"]


def test_report_or_heartbeat_renews_the_trials_own_lease(api: APIClient) -> None:
    create_study(api, lease_seconds=60)
    for lease in (3600, None):
        assert api.post(f"{URL}/suggest", {"lease_seconds": lease}).status_code == 200
    in_half_an_hour = database_clock() + timedelta(minutes=30)
    for verdict in (report(api, 0, step=0, value=1), heartbeat(api, 0)):
        assert datetime.fromisoformat(verdict["lease_expires_at"]) > in_half_an_hour
    assert (report(api, 1, step=0, value=1), heartbeat(api, 1)) == (GO_ON, NO_SIGNS)


# Heartbeat, and when to stop -------------------------------------------------------------


def test_heartbeat_without_a_lease_changes_nothing(api: APIClient) -> None:
    create_study_with_running_trial(api)
    before = api.get(f"{URL}/0").json(), api.get(STUDY).json()
    response = api.post(f"{URL}/0/heartbeat")
    assert (response.status_code, response.json()) == (200, NO_SIGNS)
    assert heartbeat(api, 0) == NO_SIGNS
    assert (api.get(f"{URL}/0").json(), api.get(STUDY).json()) == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "the study was cancelled"),
        ({"reason": "out of money"}, "the study was cancelled: out of money"),
    ],
)
def test_running_trials_of_a_cancelled_study_should_stop(
    api: APIClient, body: JSON, reason: str
) -> None:
    create_study(api, **MEDIAN)
    told(api, 1.0, number=0)
    suggest(api)
    api.post(f"{STUDY}/cancel", body)
    stop = {"should_stop": True, "reason": reason}
    assert heartbeat(api, 1) == NO_SIGNS | stop
    assert report(api, 1, step=0, value=3) == GO_ON | stop
    assert report(api, 1, step=1, value=2) == PRUNE | stop
    assert complete(api, "search", 1, 2)["intermediate_values"] == {"0": 3.0, "1": 2.0}


@pytest.mark.parametrize("action", ["pause", "complete"])
def test_running_trials_of_another_study_go_on(api: APIClient, action: str) -> None:
    create_study_with_running_trial(api)
    assert api.post(f"{STUDY}/{action}", {"reason": "enough"}).status_code == 200
    assert (heartbeat(api, 0), report(api, 0, step=0, value=1)) == (NO_SIGNS, GO_ON)


# Several objectives ----------------------------------------------------------------------


def test_trials_of_several_objectives_report_and_are_never_to_be_pruned(api: APIClient) -> None:
    created = create_study(api, **MEDIAN | {"direction": ["minimize", "maximize"]})
    assert (created["pruner"], created["pruning_direction"]) == ("none", None)
    for number in range(4):
        suggest(api)
        assert report(api, number, step=0, value=number) == GO_ON
        assert report(api, number, step=1, value=None) == GO_ON
        complete(api, "search", number, [number, 1])
    assert steps(api, 3) == {"0": 3.0, "1": None}


def test_trials_of_several_objectives_are_pruned_by_their_metric(api: APIClient) -> None:
    directions = {"direction": ["minimize", "minimize"], "pruning_direction": "maximize"}
    created = create_study(api, **MEDIAN | directions)
    assert (created["pruner"], created["pruning_direction"]) == ("median", "maximize")
    suggest(api)
    report(api, 0, step=0, value=0.5)
    complete(api, "search", 0, [1, 2])
    suggest(api)
    suggest(api)
    assert report(api, 1, step=0, value=0.4)["should_prune"] is True
    assert report(api, 2, step=0, value=0.6)["should_prune"] is False
    assert prune(api, "search", 1)["values"] is None  # what was reported is no objective
