"""A step that is reported again: the last value counts, as after a restart from a checkpoint."""

import json
import math
import random
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from optuna_bridge.pruners.steps import correct_rungs
from tests.support import JSON
from tests.support.api_client import (
    complete,
    create_study,
    create_study_with_running_trial,
    get_study,
    prune,
    suggest,
    trial_action,
)
from tests.support.optuna_oracle import load_optuna_study
from trials.models import Trial
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search/trials"
HYPERBAND: JSON = {
    "direction": "minimize",
    "sampler": "random",
    "pruner": "hyperband",
    "pruner_options": {"min_resource": 1, "max_resource": 9, "reduction_factor": 3},
}
MEDIAN: JSON = {
    "direction": "minimize",
    "sampler": "random",
    "pruner": "median",
    "pruner_options": {"n_startup_trials": 1, "n_warmup_steps": 0},
}

VALUES = st.sampled_from([0.0, 0.5, 1.0, math.nan])


def report(api: APIClient, trial_id: int, **body: Any) -> JSON:
    return trial_action(api, trial_id, "report", **body)


def steps(api: APIClient, trial_id: int) -> JSON:
    return api.get(f"{URL}/{trial_id}").json()["intermediate_values"]


def rungs(number: int) -> JSON:
    attrs = Trial.objects.get(number=number).system_attrs
    return {key: value for key, value in attrs.items() if key.startswith("completed_rung_")}


@pytest.mark.parametrize(
    ("stored", "other", "replaced", "now"),
    [
        (0.71, {"step": 3, "value": 0.72}, [3], {"3": 0.72}),
        (0.71, {"step": 3, "value": None}, [3], {"3": None}),
        (None, {"step": 3, "value": 0}, [3], {"3": 0.0}),
        (0.71, {"values": {"3": 0.72}}, [3], {"3": 0.72}),
        (0.71, {"values": {"2": 0.5, "3": 0.7, "4": 1}}, [3], {"2": 0.5, "3": 0.7, "4": 1.0}),
        (0.71, {"step": 3, "value": 0.71}, [], {"3": 0.71}),
        (None, {"step": 3, "value": None}, [], {"3": None}),
        (0.71, {"step": 4, "value": 0.72}, [], {"3": 0.71, "4": 0.72}),
    ],
)
def test_report_replaces_the_value_of_a_step(
    api: APIClient, stored: float | None, other: JSON, replaced: list[int], now: JSON
) -> None:
    create_study_with_running_trial(api)
    report(api, 0, step=3, value=stored)
    assert report(api, 0, **other)["replaced"] == replaced
    assert steps(api, 0) == now
    (trial,) = load_optuna_study("search").trials
    read = {str(k): None if v != v else v for k, v in trial.intermediate_values.items()}
    assert read == now
    assert report(api, 0, **other)["replaced"] == []  # the same again
    assert prune(api, "search", 0)["values"] == (
        None if list(now.values())[-1] is None else [list(now.values())[-1]]
    )


@pytest.mark.parametrize("end", ["complete", "prune", "fail"])
def test_result_is_not_refused_for_its_intermediate_values(api: APIClient, end: str) -> None:
    create_study_with_running_trial(api)
    report(api, 0, values={"1": 0.1, "2": 0.2})
    body = {"intermediate_values": {"2": 0.3, "3": None}}
    told = trial_action(api, 0, end, **body, **({"values": 1} if end == "complete" else {}))
    assert told["intermediate_values"] == {"1": 0.1, "2": 0.3, "3": None}


def test_pruner_decides_again_by_the_new_value(api: APIClient) -> None:
    create_study(api, **MEDIAN)
    suggest(api)
    report(api, 0, step=1, value=1)
    complete(api, "search", 0, 1)
    suggest(api)
    assert report(api, 1, step=1, value=2)["should_prune"] is True
    again = report(api, 1, step=1, value=0.5)
    assert (again["should_prune"], again["replaced"], again["reason"]) == (False, [1], None)
    assert report(api, 1, step=1, value=3)["should_prune"] is True


def test_later_decisions_use_the_new_value(api: APIClient) -> None:
    create_study(api, **MEDIAN)
    suggest(api)
    report(api, 0, step=1, value=9)
    report(api, 0, step=1, value=1)
    complete(api, "search", 0, 1)
    suggest(api)
    assert report(api, 1, step=1, value=2)["should_prune"] is True


# Rungs of successive halving ---------------------------------------------------------------


def test_rungs_follow_the_replaced_values(api: APIClient) -> None:
    """Rungs are those of stock Optuna, to which only the last value of each step was reported."""
    create_study(api, **HYPERBAND)
    rng = random.Random(1)
    pruner = optuna.pruners.HyperbandPruner(1, 9, 3)
    stock = optuna.create_study(study_name="search", direction="minimize", pruner=pruner)
    for number in range(8):
        suggest(api)
        last = {step: rng.random() for step in range(10)}
        stopped, resumed = rng.randrange(1, 11), rng.randrange(10)
        for step in range(stopped):
            report(api, number, step=step, value=rng.choice([rng.random(), 0.5]))
        if rng.random() < 0.5:
            session_registry.clear()  # another process
        for step in range(min(resumed, stopped)):
            report(api, number, step=step, value=last[step])
        for step in range(min(resumed, stopped), 10):
            report(api, number, step=step, value=last[step])
        trial = stock.ask()
        for step, value in last.items():
            trial.report(value, step)
            trial.should_prune()
        complete(api, "search", number, 1)
        stock.tell(trial, 1)
        expected = stock.trials[number].system_attrs
        assert rungs(number) == {k: v for k, v in expected.items() if k.startswith("completed")}
    assert load_optuna_study("search").trials[3].system_attrs == rungs(3)
    assert len({len(rungs(number)) for number in range(8)}) > 1  # of several brackets


def test_rungs_of_successive_halving_follow_the_replaced_values(api: APIClient) -> None:
    options = {"min_resource": 1, "reduction_factor": 2, "min_early_stopping_rate": 1}
    create_study(
        api,
        direction="maximize",
        sampler="random",
        pruner="successive_halving",
        pruner_options=options,
    )
    stock = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.SuccessiveHalvingPruner(**options)
    )
    rng = random.Random(3)
    for number in range(10):
        suggest(api)
        trial = stock.ask()
        for step in range(rng.randrange(1, 10)):
            last = math.nan if rng.random() < 0.1 else rng.random()
            report(api, number, step=step, value=rng.choice([rng.random(), None]))
            if rng.random() < 0.3:
                session_registry.clear()  # another process
            ours = report(api, number, step=step, value=None if math.isnan(last) else last)
            trial.report(last, step)
            assert ours["should_prune"] is trial.should_prune()
        complete(api, "search", number, 1)
        stock.tell(trial, 1)
        expected = stock.trials[number].system_attrs
        assert rungs(number) == {k: v for k, v in expected.items() if k.startswith("completed")}
    assert len({len(rungs(number)) for number in range(10)}) > 1


@pytest.mark.parametrize(
    ("pruner", "options"),
    [("threshold", {"lower": 0.3}), ("patient", {"patience": 0}), ("percentile", {})],
)
def test_pruner_that_reads_no_rungs_decides_by_the_new_value(
    api: APIClient, pruner: str, options: JSON
) -> None:
    if pruner == "percentile":
        options = {"percentile": 50, "n_startup_trials": 1, "n_warmup_steps": 0}
    create_study(api, direction="maximize", sampler="random", pruner=pruner, pruner_options=options)
    suggest(api)
    report(api, 0, values={"0": 0.3, "1": 0.3})
    complete(api, "search", 0, 1)
    suggest(api)
    bad = 0.29
    assert report(api, 1, step=0, value=0.2 if pruner == "percentile" else 0.3)
    assert report(api, 1, step=1, value=bad)["should_prune"] is True
    again = report(api, 1, step=1, value=0.35)
    assert (again["should_prune"], again["replaced"], again["reason"]) == (False, [1], None)
    assert report(api, 1, step=1, value=bad)["should_prune"] is True
    reason = f"the pruner {pruner} would stop it at step 1"
    assert report(api, 1, step=1, value=bad)["reason"] == reason


def test_rung_without_a_number_is_removed_in_both_schemas(api: APIClient) -> None:
    create_study(api, **HYPERBAND)
    suggest(api)
    report(api, 0, step=9, value=1)
    assert rungs(0)
    report(api, 0, step=9, value=None)
    assert rungs(0) == {} == load_optuna_study("search").trials[0].system_attrs


def test_result_corrects_the_rungs(api: APIClient) -> None:
    create_study(api, **HYPERBAND)
    suggest(api)
    report(api, 0, step=9, value=1)
    before = rungs(0)
    told = complete(api, "search", 0, 1)
    assert told["intermediate_values"] == {"9": 1.0}
    suggest(api)
    report(api, 1, step=9, value=1)
    trial_action(api, 1, "complete", values=1, intermediate_values={"9": 4})
    assert set(rungs(1).values()) == {4.0}
    assert rungs(0) == before


@given(st.dictionaries(st.integers(0, 30), VALUES, min_size=1), st.data())
@settings(max_examples=200, deadline=None)
def test_corrected_rungs_are_those_of_the_new_values(old: dict[int, float], data: Any) -> None:
    firsts = [1, 3, 9, 27]
    new = old | data.draw(st.dictionaries(st.sampled_from(sorted(old)), VALUES))
    assert correct_rungs(rungs_of(firsts, old), firsts, old, new) == rungs_of(firsts, new)


def rungs_of(firsts: list[int], values: dict[int, float]) -> dict[str, float]:
    """Return the rungs after reports one by one: NaN completes none."""
    steps = [step for step in sorted(values) if not math.isnan(values[step])]
    after = [[step for step in steps if step >= first] for first in firsts]
    return {f"completed_rung_{rung}": values[at[0]] for rung, at in enumerate(after) if at}


# Going on after a restart --------------------------------------------------------------------


def test_reoffered_trial_brings_what_was_reported(api: APIClient) -> None:
    create_study(api, sampler="random", pruner="none")
    first = suggest(api, worker_id="w")
    assert (first["intermediate_values"], first["user_attrs"]) == ({}, {})
    report(api, 0, values={"0": 0.5, "1": None})
    again = suggest(api, worker_id="w")
    assert again["intermediate_values"] == {"0": 0.5, "1": None}
    assert json.dumps(get_study(api)["trial_counts"]).count("1") == 1


def test_retry_brings_the_attributes_of_the_attempt_before(api: APIClient) -> None:
    create_study(api, sampler="random", pruner="none", max_retries=1)
    suggest(api)
    trial_action(api, 0, "fail", retry=True, user_attrs={"checkpoint": "s3://a/b"})
    again = suggest(api)
    assert (again["attempt"], again["user_attrs"]) == (2, {"checkpoint": "s3://a/b"})


@pytest.mark.parametrize(
    ("call", "body"), [("heartbeat", {}), ("report", {"step": 3, "value": 0.5}), (None, {})]
)
def test_running_trial_keeps_the_attributes_that_its_worker_sends(
    api: APIClient, call: str | None, body: JSON
) -> None:
    create_study(api, sampler="random", pruner="none", lease_seconds=60)
    offer = suggest(api, worker_id="w")
    fence = {"study_id": offer["study_id"], "worker_id": "w"}

    def send(**user_attrs: Any) -> Any:
        if call is None:
            return api.patch(f"{URL}/0", {"user_attrs": user_attrs} | fence)
        return api.post(f"{URL}/0/{call}", body | {"user_attrs": user_attrs} | fence)

    assert send(checkpoint="a", epoch=1).status_code == 200
    answer = send(checkpoint="b").json()
    assert answer["lease_expires_at"] > offer["lease_expires_at"]
    again = suggest(api, worker_id="w")
    assert again["user_attrs"] == {"checkpoint": "b", "epoch": 1}
    assert again["reoffers"] == 1
    assert load_optuna_study("search").trials[0].user_attrs == {"checkpoint": "b", "epoch": 1}
    complete(api, "search", 0, 1)
    assert send(checkpoint="c").json()["code"] == "trial_finished"
    assert api.get(f"{URL}/0").json()["user_attrs"] == {"checkpoint": "b", "epoch": 1}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/user_attrs"),
        ({"user_attrs": []}, "/user_attrs"),
        ({"user_attrs": {}, "values": 1}, "/values"),
        ({"user_attrs": {}, "worker_id": ""}, "/worker_id"),
    ],
)
def test_invalid_change_of_a_trial_is_refused(api: APIClient, body: JSON, pointer: str) -> None:
    create_study_with_running_trial(api)
    response = api.patch(f"{URL}/0", body)
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
