"""Infeasible trials: failures that are an answer, and how samplers learn from them."""

from typing import Any

import optuna
import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_refused,
    assert_study_completed,
    complete,
    create_study,
    get_study,
    list_trials,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.optuna_oracle import load_optuna_study
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
TRIALS = f"{URL}/trials"
SQUARE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "y", "low": 0.0, "high": 1.0},
]


def infeasible(api: APIClient, number: int, **body: Any) -> JSON:
    return trial_action(api, number, "fail", infeasible=True, **body)


# The answer -----------------------------------------------------------------------------------


def test_infeasible_trial_is_fail_in_both_schemas(api: APIClient) -> None:
    create_study(api, sampler="random", max_retries=3)
    suggest(api)
    told = infeasible(api, 0, reason="does not fit into memory")
    assert (told["state"], told["infeasible"], told["retried_as"]) == ("FAIL", True, None)
    assert list_trials(api) == [told]
    assert infeasible(api, 0) == trial_action(api, 0, "fail") == told  # repeated
    (trial,) = load_optuna_study("search").trials
    assert (trial.state.name, trial.values, trial.constraints) == ("FAIL", None, {})
    assert Study.objects.get().n_failures == 0
    assert_refused(api.post(f"{TRIALS}/0/retry"), 409, "trial_not_failed")
    assert api.post(f"{URL}/retry-failed").json() == {"trials": [], "n_left": 0}


def test_infeasible_trial_counts_against_max_trials(api: APIClient) -> None:
    create_study(api, sampler="random", max_trials=3, max_failures=1, max_consecutive_failures=1)
    suggest_batch(api, 3)
    infeasible(api, 0), infeasible(api, 1)
    assert api.post(f"{TRIALS}/suggest").json()["code"] == "budget_in_flight"
    complete(api, "search", 2, 1)
    assert_study_completed(api, "max_trials")
    assert get_study(api)["trial_counts"]["FAIL"] == 2


def test_batch_takes_infeasible_trials(api: APIClient) -> None:
    create_study(api, sampler="random")
    suggest_batch(api, 4)
    items: list[JSON] = [
        {"trial_id": 0, "state": "FAIL", "infeasible": True},
        {"trial_id": 1, "values": 1, "infeasible": False},
        {"trial_id": 2, "state": "FAIL", "infeasible": True, "retry": True},
        {"trial_id": 3, "state": "FAIL", "infeasible": False},
    ]
    results = api.post(f"{TRIALS}/complete-batch", {"trials": items}).json()["results"]
    assert [each["status"] for each in results] == [200, 400, 400, 200]
    assert [each["infeasible"] for each in list_trials(api)] == [True, False, False, False]


def test_infeasible_trial_is_not_retried(api: APIClient) -> None:
    create_study(api, sampler="random", max_retries=1)
    suggest(api)
    response = api.post(f"{TRIALS}/0/fail", {"infeasible": True, "retry": True})
    assert [each["pointer"] for each in response.json()["errors"]] == ["/retry"]
    assert list_trials(api)[0]["state"] == "RUNNING"
    wrongs: tuple[Any, ...] = (1, "true", "yes", [])
    for wrong in wrongs:
        assert api.post(f"{TRIALS}/0/fail", {"infeasible": wrong}).status_code == 400
    for call in ("complete", "prune"):
        assert api.post(f"{TRIALS}/0/{call}", {"infeasible": True}).status_code == 400


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsgaii"])
def test_infeasible_point_is_taken(api: APIClient, sampler: str) -> None:
    space = [{"type": "int", "name": "n", "low": 1, "high": 4}]
    create_study(api, sampler=sampler, search_space=space, duplicates="avoid", max_retries=5)
    points = []
    for _ in range(4):
        trial = suggest(api)
        points.append(trial["params"]["n"])
        infeasible(api, trial["trial_id"])
    assert sorted(points) == [1, 2, 3, 4]
    assert_study_completed(api, "space_exhausted")


# What samplers see ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)  # else no session is kept from request to request
@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_sampler_sees_the_worst_value_and_a_violation(
    api: APIClient, directions: list[str]
) -> None:
    create_study(api, sampler="nsgaii", direction=directions, constraints=["c"])
    suggest_batch(api, 5)
    k = len(directions)
    trial_action(api, 0, "complete", values=[1.0] * k, constraints={"c": -1})
    session = session_registry.of(Study.objects.get())
    session.sync()
    assert session.get_all_trials(0) == session.stored_trials()
    infeasible(api, 1)
    trial_action(api, 2, "complete", values=[3.0] * k, constraints={"c": 0.5})
    trial_action(api, 3, "prune")
    for seen_by in (session, SamplerSession(session.study)):
        seen_by.sync()
        trials = seen_by.get_all_trials(0)
        worst = [3.0] if k == 1 else [1.0, 3.0]
        assert [each.state.name for each in trials] == [
            *("COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "RUNNING")
        ]
        assert trials[1].values == worst
        assert list(trials[1].constraints.values()) == [0.5, 1.0]
        assert list(trials[0].constraints.values()) == [-1.0, -1.0]
        assert trials[0].constraints.keys() == trials[1].constraints.keys()
        assert seen_by.get_trial(trials[1]._trial_id).values == worst
        assert seen_by.stored_trials()[1].state.name == "FAIL"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp"])
@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_study_goes_on_with_infeasible_trials_only(
    api: APIClient, sampler: str, directions: list[str]
) -> None:
    options = {"population_size": 4} if sampler == "nsgaii" else {"n_startup_trials": 3}
    create_study(
        api, sampler=sampler, direction=directions, sampler_options=options, search_space=SQUARE
    )
    for _ in range(6):
        infeasible(api, suggest(api)["trial_id"])
    for _ in range(4):
        trial_action(api, suggest(api)["trial_id"], "complete", values=[1.0] * len(directions))
    suggest(api)


LIMITS = {"tpe": 0.4, "gp": 0.1, "nsgaii": 0.4}


@pytest.mark.accept
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sampler", LIMITS)
def test_samplers_avoid_the_infeasible_half(
    api: APIClient, sampler: str, record_property: Any
) -> None:
    """Maximise x - (y - 0.3)² on the unit square, infeasible where x > 0.5."""
    shares = []
    for seed in range(5):
        options: JSON = {"seed": seed}
        if sampler == "nsgaii":
            options["population_size"] = 10
        create_study(
            api, direction="maximize", search_space=SQUARE, sampler=sampler,
            sampler_options=options, pruner="none",
        )  # fmt: skip
        bad = []
        for _ in range(80):
            trial = suggest(api)
            x, y = trial["params"]["x"], trial["params"]["y"]
            bad.append(x > 0.5)
            if x > 0.5:
                infeasible(api, trial["trial_id"])
            else:
                complete(api, "search", trial["trial_id"], x - (y - 0.3) ** 2)
        shares.append(sum(bad[20:]) / 60)
        api.delete(URL)
    share = sum(shares) / len(shares)
    record_property("found", f"{sampler}: {share:.0%} of asks 21 to 80 are infeasible, {shares}")
    print(sampler, share, shares)
    assert share <= LIMITS[sampler]


def test_study_without_infeasible_trials_is_seen_as_it_is(api: APIClient) -> None:
    create_study(api, sampler="random")
    suggest(api), suggest(api)
    trial_action(api, 0, "fail")
    complete(api, "search", 1, 1)
    session = SamplerSession(Study.objects.get())
    session.sync()
    assert session.get_all_trials(0) == session.stored_trials()
    assert [each.state for each in session.get_all_trials(0)] == [
        optuna.trial.TrialState.FAIL,
        optuna.trial.TrialState.COMPLETE,
    ]
