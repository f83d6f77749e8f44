"""The queue of enqueued points."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    add_trials,
    complete,
    create_study,
    list_trials,
    stored_trial,
    suggest,
    suggest_batch,
)
from tests.support.optuna_oracle import rdb_storage

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
TRIALS = f"{URL}/trials"
SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "s", "low": 0.1, "high": 0.7, "step": 0.2},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "categorical", "name": "c", "choices": ["a", 1, 2.5, False]},
]
FULL: JSON = {"x": 0.25, "s": 0.3, "n": 7, "c": False}

create = partial(create_study, search_space=SPACE, sampler="random", pruner="none")


def assert_in_space(params: JSON) -> None:
    assert list(params) == ["x", "s", "n", "c"]
    assert 0 <= params["x"] <= 1
    assert min(abs(params["s"] - each) for each in (0.1, 0.3, 0.5, 0.7)) < 1e-9
    assert params["n"] in (1, 3, 5, 7, 9)
    assert repr(params["c"]) in map(repr, ("a", 1, 2.5, False))


def test_queued_trial_waits_for_an_ask(api: APIClient) -> None:
    create(api)
    body = {"params": FULL, "priority": 3, "user_attrs": {"origin": ["by hand"]}}
    response = api.post(TRIALS, body)
    assert response.status_code == 201
    trial = response.json()
    assert trial == {
        "trial_id": 0,
        "study_name": "search",
        "study_id": trial["study_id"],
        "state": "WAITING",
        "values": None,
        "params": FULL,
        "datetime_start": None,
        "datetime_complete": None,
        "duration_seconds": None,
        "user_attrs": {"origin": ["by hand"]},
        "intermediate_values": {},
        "constraints": None,
        "reason": None,
        "worker_id": None,
        "lease_expires_at": None,
        "attempt": 1,
        "retry_of": None,
        "search_space_version": 1,
        "repeat": None,
        "retried_as": None,
        "reoffers": 0,
        "infeasible": False,
        "retry_refused": None,
        "cancelled_retry": None,
        "sampled_by": None,
        "priority": 3,
    }
    assert list_trials(api) == [trial]
    assert api.get(URL).json()["trial_counts"]["WAITING"] == 1
    suggested = suggest(api, worker_id="w")
    assert (suggested["trial_id"], suggested["params"]) == (0, FULL)
    assert (suggested["reoffered"], suggested["worker_id"]) == (False, "w")
    (started,) = list_trials(api)
    assert (started["state"], started["user_attrs"]) == ("RUNNING", trial["user_attrs"])
    assert started["datetime_start"] is not None
    assert suggest(api)["trial_id"] == 1
    complete(api, "search", 0, 1)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (FULL, FULL),
        ({"x": 1, "s": 0.1, "n": 1, "c": 1}, {"x": 1.0, "s": 0.1, "n": 1, "c": 1}),
        ({"c": 2.5, "n": 9, "s": 0.7, "x": 0}, {"x": 0.0, "s": 0.7, "n": 9, "c": 2.5}),
        ({"n": 3}, {"n": 3}),
        ({"c": "a", "x": 1e-300}, {"x": 1e-300, "c": "a"}),
        ({"s": 0.30000000000000004}, {"s": 0.30000000000000004}),
        ({}, {}),
    ],
)
# One that plans queued trials before they have their numbers, and one that does not.
@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_params_keep_their_types_and_the_rest_is_suggested(
    api: APIClient, sampler: str, given: JSON, kept: JSON
) -> None:
    create(api, sampler=sampler)
    suggest(api)
    assert repr(add_trials(api, {"params": given})["params"]) == repr(kept)
    assert repr(list_trials(api)[1]["params"]) == repr(kept)
    suggested = suggest(api)
    assert suggested["trial_id"] == 1
    assert_in_space(suggested["params"])
    assert repr({key: suggested["params"][key] for key in kept}) == repr(kept)
    assert repr(list_trials(api)[1]["params"]) == repr(suggested["params"])


@pytest.mark.parametrize(
    ("sampler", "options", "n"),
    [
        ("tpe", {"n_startup_trials": 5}, 10),
        ("tpe", {"n_startup_trials": 5, "multivariate": False}, 10),
        ("tpe", {"n_startup_trials": 5, "group": True}, 10),
        ("nsgaii", {"population_size": 5}, 10),
        ("qmc", {"scramble": True}, 10),
        ("gp", {"n_startup_trials": 3}, 3),
    ],
)
@pytest.mark.parametrize("seed", [{}, {"seed": 7}])
def test_partial_params_are_completed_by_the_sampler(
    api: APIClient, sampler: str, options: JSON, n: int, seed: JSON
) -> None:
    create(api, sampler=sampler, sampler_options=options | seed, direction="minimize")
    for number in range(n):
        complete(api, "search", number, suggest(api)["params"]["x"])
    partial: list[JSON] = [{"x": 0.125}, {"n": 5, "c": "a"}, {"s": 0.5}, {}]
    add_trials(api, [{"params": each} for each in partial])
    offers = [suggest(api)]
    offers += suggest_batch(api, 4)
    assert [each["trial_id"] for each in offers] == list(range(n, n + 5))
    for given, offer in zip(partial, offers, strict=False):
        assert_in_space(offer["params"])
        assert {key: offer["params"][key] for key in given} == given
    for offer in offers:
        complete(api, "search", offer["trial_id"], offer["params"]["x"])
    assert_in_space(suggest(api)["params"])


def test_queue_is_served_by_priority_and_then_by_number(api: APIClient) -> None:
    create(api)
    priorities = [None, 1, -1, 2**31 - 1, 0, 1, -(2**31)]
    add_trials(api, [{"params": {}, "priority": each} for each in priorities[:-1]])
    add_trials(api, {"params": {}, "priority": priorities[-1]})
    assert [each["priority"] for each in list_trials(api)] == [each or 0 for each in priorities]
    served = [suggest(api)["trial_id"] for _ in range(2)]
    batch = suggest_batch(api, 3)
    served += [each["trial_id"] for each in batch]
    served += [suggest(api)["trial_id"] for _ in range(3)]
    assert served == [3, 1, 5, 0, 4, 2, 6, 7]


def test_list_is_queued_in_its_order(api: APIClient) -> None:
    create(api)
    suggest(api)
    added = add_trials(api, [{"params": {"n": n}} for n in (9, 1, 5)])
    assert [(each["trial_id"], each["params"]["n"]) for each in added] == [(1, 9), (2, 1), (3, 5)]
    assert list_trials(api)[1:] == added
    assert add_trials(api, [{"params": FULL}])[0]["trial_id"] == 4


def test_queue_accepts_1000_trials(api: APIClient) -> None:
    create(api)
    assert len(add_trials(api, [{"params": FULL}] * 1000)) == 1000
    assert api.get(URL).json()["trial_counts"]["WAITING"] == 1000


def test_trial_is_queued_while_the_study_is_paused(api: APIClient) -> None:
    create(api)
    api.post(f"{URL}/pause")
    add_trials(api, {"params": FULL})
    assert api.post(f"{TRIALS}/suggest").json()["code"] == "study_paused"
    api.post(f"{URL}/resume")
    assert suggest(api)["params"] == FULL


def test_queue_never_exceeds_max_trials(api: APIClient) -> None:
    create(api, max_trials=3)
    add_trials(api, {"params": {}})
    response = api.post(TRIALS, [{"params": {}}] * 3)
    assert (response.status_code, response.json()["code"]) == (409, "max_trials_exceeded")
    assert len(list_trials(api)) == 1
    add_trials(api, [{"params": {}}] * 2)
    assert api.post(TRIALS, {"params": {}}).json()["code"] == "max_trials_exceeded"
    api.delete(f"{TRIALS}/2")
    assert add_trials(api, {"params": {}})["trial_id"] == 3


def test_tell_of_a_waiting_trial_is_refused(api: APIClient) -> None:
    create(api)
    add_trials(api, {"params": FULL})
    for call, body in (("complete", {"values": 1}), ("prune", {}), ("fail", {}), ("heartbeat", {})):
        response = api.post(f"{TRIALS}/0/{call}", body)
        assert (response.status_code, response.json()["code"]) == (409, "trial_not_running")
    assert list_trials(api)[0]["state"] == "WAITING"


# Cancelling ------------------------------------------------------------------------------


def test_delete_cancels_a_waiting_trial(api: APIClient) -> None:
    create(api, max_failures=1)
    add_trials(api, [{"params": FULL}, {"params": {"x": 0.5}}])
    response = api.delete(f"{TRIALS}/0")
    trial = response.json()
    assert response.status_code == 200
    assert (trial["state"], trial["reason"], trial["params"]) == ("FAIL", "cancelled", FULL)
    assert (trial["datetime_start"], trial["values"]) == (None, None)
    again = api.delete(f"{TRIALS}/0")
    assert (again.status_code, again.json()) == (200, trial)
    assert stored_trial(api) == trial
    study = api.get(URL).json()
    assert (study["trial_counts"]["FAIL"], study["trial_counts"]["WAITING"]) == (1, 1)
    assert study["state"] == "ACTIVE"  # it is no failure
    assert [suggest(api)["trial_id"] for _ in range(2)] == [1, 2]


def test_delete_of_other_trials_is_refused(api: APIClient) -> None:
    create(api)
    add_trials(api, {"params": FULL, "state": "FAIL", "reason": "known to fail"})
    for number, (call, body) in enumerate(
        [("complete", {"values": 1}), ("prune", {}), ("fail", {"reason": "cancelled"})], 1
    ):
        suggest(api)
        api.post(f"{TRIALS}/{number}/{call}", body)
    suggest(api)
    before = list_trials(api)
    for number in range(5):
        response = api.delete(f"{TRIALS}/{number}")
        assert (response.status_code, response.json()["code"]) == (409, "trial_not_waiting")
    assert list_trials(api) == before
    response = api.delete(f"{TRIALS}/5")
    assert (response.status_code, response.json()["code"]) == (404, "trial_not_found")


# What stock Optuna reads -----------------------------------------------------------------


@pytest.fixture
def loaded(transactional_db: None) -> Iterator[Any]:
    with rdb_storage("optuna") as storage:
        yield lambda: optuna.load_study(study_name="search", storage=storage).trials


def described(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state,
        "params": trial.params,
        "distributions": trial.distributions,
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "datetime_start": trial.datetime_start,
        "values": trial.values,
    }


@pytest.mark.parametrize("params", [FULL, {"n": 3, "c": "a"}, {}])
def test_stock_optuna_reads_a_queued_trial_as_its_own(
    loaded: Any, api: APIClient, params: JSON
) -> None:
    create(api)
    add_trials(api, {"params": params, "user_attrs": {"a": 1}})
    stock = optuna.create_study(storage=InMemoryStorage())
    stock.enqueue_trial(params, user_attrs={"a": 1})
    (ours,), (theirs,) = loaded(), stock.trials
    assert described(ours) == described(theirs)
    assert described(ours) | {
        "state": TrialState.WAITING,
        "params": {},
        "system_attrs": {"fixed_params": params},
    } == described(ours)
    assert repr(ours.system_attrs) == repr(theirs.system_attrs)

    suggested = suggest(api)
    (ours,) = loaded()
    assert (ours.state, ours.system_attrs) == (TrialState.RUNNING, {"fixed_params": params})
    assert repr(ours.params) == repr(suggested["params"])
    assert ours.datetime_start is not None
