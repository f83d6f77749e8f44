"""Results that are invalidated: the trial, the best one, the front, the samplers and the audit."""

import random
from typing import Any

import pytest
from optuna.trial import TrialState as OptunaState
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    assert_problem,
    assert_refused,
    complete,
    create_study,
    get_study,
    list_trials,
    prune,
    study_state,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.optuna_oracle import load_optuna_study
from trials.sampling.session_registry import session_registry
from trials.sampling.trial_cache import SessionOutdated

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

REASON = "the data set was the wrong one"
BEST = "/api/v1/studies/search/best"


def invalidate(api: APIClient, number: int, reason: str = REASON) -> JSON:
    return trial_action(api, number, "invalidate", reason=reason)


def create_told(api: APIClient, *values: Any, **definition: Any) -> None:
    """A study of which a trial is completed with each of these values."""
    create_study(api, **({"sampler": "random", "pruner": "none"} | definition))
    for value in values:
        complete(api, "search", suggest(api)["trial_id"], value)


def test_invalidated_trial_fails_without_its_values(api: APIClient) -> None:
    create_told(api, 1.0, pruner="median")
    suggest(api)
    trial_action(api, 1, "report", step=3, value=0.5)
    prune(api, "search", 1)
    for number in (0, 1):
        before = list_trials(api)[number]
        trial = invalidate(api, number)
        assert trial == before | {"state": "FAIL", "values": None, "reason": REASON}
        assert trial == list_trials(api)[number]
        seen = load_optuna_study().trials[number]
        assert (seen.state, seen.values) == (OptunaState.FAIL, None)
        assert seen.params == before["params"]
    assert load_optuna_study().trials[1].intermediate_values == {3: 0.5}
    assert get_study(api)["trial_counts"] == {
        "WAITING": 0, "RUNNING": 0, "COMPLETE": 0, "PRUNED": 0, "FAIL": 2,
    }  # fmt: skip
    assert Study.objects.get().n_failures == 2


def test_repeated_invalidation_is_harmless(api: APIClient) -> None:
    create_told(api, 1.0)
    trial = invalidate(api, 0)
    assert invalidate(api, 0) == trial
    assert AuditEntry.objects.filter(action="invalidated").count() == 1


@pytest.mark.parametrize("state", ["WAITING", "RUNNING", "FAIL"])
def test_trial_without_a_result_is_refused(api: APIClient, state: str) -> None:
    create_told(api)
    if state == "WAITING":
        api.post(TRIALS_URL, {"params": {}})
    else:
        suggest(api)
    if state == "FAIL":
        trial_action(api, 0, "fail", reason="out of memory")
    before = list_trials(api)
    response = api.post(f"{TRIALS_URL}/0/invalidate", {"reason": REASON})
    problem = assert_refused(response, 409, "trial_has_no_result")
    assert problem["detail"] == (f"trial 0 is {state}: only a COMPLETE or PRUNED one has a result")
    assert list_trials(api) == before


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": None}, {"reason": 1}])
def test_reason_is_required(api: APIClient, body: JSON) -> None:
    create_told(api, 1.0)
    assert_problem(api.post(f"{TRIALS_URL}/0/invalidate", body), 400, "invalid")
    assert list_trials(api)[0]["state"] == "COMPLETE"


def test_result_that_is_repeated_after_it_was_invalidated_is_refused(api: APIClient) -> None:
    create_told(api, 1.0)
    invalidate(api, 0)
    response = api.post(f"{TRIALS_URL}/0/complete", {"values": 1.0})
    problem = assert_refused(response, 409, "trial_finished")
    assert problem["detail"].endswith(f"because: {REASON}")


def test_invalidated_trial_can_be_retried(api: APIClient) -> None:
    create_told(api, 1.0)
    params = list_trials(api)[0]["params"]
    invalidate(api, 0)
    assert trial_action(api, 0, "retry")["retried_as"] == 1
    assert suggest(api)["params"] == params


def test_audit_keeps_the_result(api: APIClient) -> None:
    create_told(api, [1.0, -2.5], direction=["minimize", "maximize"])
    invalidate(api, 0)
    entry = AuditEntry.objects.get(action="invalidated")
    assert (entry.numbers, entry.details) == (
        [0], {"was": "COMPLETE", "values": [1.0, -2.5], "reason": REASON},
    )  # fmt: skip


# The best trial and the front ----------------------------------------------------------------


def test_best_trial_is_found_again(api: APIClient) -> None:
    create_told(api, 2.0, 3.0, 3.0, direction="maximize")
    for best in (2, 0):
        invalidate(api, api.get(BEST).json()["trial_id"])
        assert api.get(BEST).json()["trial_id"] == best
        assert get_study(api)["best_value"] == api.get(BEST).json()["value"]
    invalidate(api, 0)
    assert_problem(api.get(BEST), 404, "no_completed_trials")
    assert get_study(api)["best_value"] is None
    complete(api, "search", suggest(api)["trial_id"], -1.0)
    assert api.get(BEST).json()["trial_id"] == 3


def test_best_trial_is_feasible(api: APIClient) -> None:
    create_study(api, sampler="random", constraints=["c"], direction="minimize")
    for value, violation in [(1.0, 0.5), (2.0, -1), (3.0, 0)]:
        number = suggest(api)["trial_id"]
        trial_action(api, number, "complete", values=value, constraints={"c": violation})
    invalidate(api, 1)
    assert api.get(BEST).json()["trial_id"] == 2


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_front_is_that_of_optuna(api: APIClient, objectives: int, seed: int) -> None:
    rng = random.Random(seed)
    directions = ["minimize", "maximize", "minimize"][:objectives]
    create_study(api, sampler="random", direction=directions)
    suggest_batch(api, 24)
    told = [
        {"trial_id": number, "values": [rng.randrange(5) for _ in directions]}
        for number in range(24)
    ]
    response = api.post(f"{TRIALS_URL}/complete-batch", {"trials": told})
    assert {each["status"] for each in response.json()["results"]} == {200}
    for number in rng.sample(range(24), 16):
        invalidate(api, number)
        best = [trial.number for trial in load_optuna_study().best_trials]
        on_front = Study.objects.get().trials.filter(on_front=True).order_by("number")
        if objectives == 1:  # of equal values Optuna lists all, and the first one counts here
            best = best[:1]
        assert list(on_front.values_list("number", flat=True)) == best
        assert api.get(BEST).json()["trial_id"] == best[0]


def test_reached_target_is_open_again(api: APIClient) -> None:
    create_told(api, 1.0, direction="maximize", target_value=1.0)
    assert study_state(api) == ("COMPLETED", "target_value")
    invalidate(api, 0)
    assert study_state(api) == ("COMPLETED", "target_value")  # until it is resumed
    assert api.post("/api/v1/studies/search/resume").status_code == 200
    assert suggest(api)["trial_id"] == 1


def test_pruner_forgets_the_trial(api: APIClient) -> None:
    options = {"min_resource": 1, "max_resource": 9, "reduction_factor": 3}
    create_study(api, sampler="random", pruner="hyperband", pruner_options=options)
    for number in range(12):  # of a metric that was far too good
        suggest(api)
        trial_action(api, number, "report", step=1, value=100.0)
        trial_action(api, number, "complete", values=100.0)
    for number in range(12):
        invalidate(api, number)
    assert [t.system_attrs for t in load_optuna_study().trials] == [{}] * 12
    suggest(api)
    assert trial_action(api, 12, "report", step=1, value=1.0)["should_prune"] is False


# Samplers -------------------------------------------------------------------------------------

SMALL: dict[str, JSON] = {
    "tpe": {"n_startup_trials": 3},
    "gp": {"n_startup_trials": 3},
    "random": {},
    "nsgaii": {"population_size": 4},
    "qmc": {},
}


def create_told_by_sampler(api: APIClient, name: str, n: int, direction: Any, **more: Any) -> None:
    create_study(api, name=name, direction=direction, pruner="none", **more)
    for _ in range(n):
        tell_next(api, name, direction)


def tell_next(api: APIClient, name: str, direction: Any) -> float:
    """Ask for a trial, complete it, and return its parameter."""
    trial = suggest(api, name)
    x = trial["params"]["x"]
    complete(api, name, trial["trial_id"], (x - 0.3) ** 2 if direction == "minimize" else [x, x])
    return float(x)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sampler", SMALL)
@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_samplers_forget_the_result(api: APIClient, sampler: str, direction: Any) -> None:
    """A process that has learnt from it suggests the same as one that has never seen it."""
    if sampler == "gp":
        pytest.importorskip("torch")
    options = SMALL[sampler] | {"seed": 1}
    for name in ("search", "fresh"):
        create_told_by_sampler(api, name, 7, direction, sampler=sampler, sampler_options=options)
        for number in (6, 4, 0):
            trial_action(api, number, "invalidate", name, reason=REASON)
    known = session_registry.known("search")
    assert known is not None
    if len(known):  # a quasi-random sampler has read no trials
        with pytest.raises(SessionOutdated):
            known.sync()
    learnt = [tell_next(api, "search", direction) for _ in range(2)]
    session_registry.clear()
    assert [tell_next(api, "fresh", direction) for _ in range(2)] == learnt


@pytest.mark.django_db(transaction=True)
def test_parents_are_selected_without_the_trial(api: APIClient) -> None:
    options = {"population_size": 4, "seed": 1}
    create_told_by_sampler(api, "search", 14, "minimize", sampler="nsgaii", sampler_options=options)
    parents = stored_parents()
    assert sorted(parents) == ["NSGAIISampler:parent:1", "NSGAIISampler:parent:2",
                               "NSGAIISampler:parent:3"]  # fmt: skip
    ids = {trial._trial_id: trial.number for trial in load_optuna_study().trials}
    chosen = parents["NSGAIISampler:parent:3"][0]
    invalidate(api, ids[chosen])
    left = {key: found for key, found in parents.items() if chosen not in found}
    assert stored_parents() == left
    tell_next(api, "search", "minimize")
    assert chosen not in stored_parents()["NSGAIISampler:parent:3"]


def stored_parents() -> JSON:
    study = load_optuna_study()
    return study._storage.get_study_system_attrs(study._study_id)
