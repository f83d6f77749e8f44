"""How the result of a local Optuna trial reaches the service."""

import os
import subprocess
import sys
from typing import Any

import optuna
import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

import tuner
import tuner.optuna
from tests.support.service import wait_until

OPTUNA_4 = optuna.__version__.startswith("4.")


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2


def states_of(study: tuner.Study) -> list[str]:
    return [trial.state for trial in study.trials()]


# How trials end -------------------------------------------------------------------------------


def test_pruning_is_decided_by_the_service(client: tuner.Client) -> None:
    study = client.create_study(
        "pruned", direction="minimize", sampler="random", space={"x": tuner.Float(-1, 1)},
        pruner="median", pruner_options={"n_startup_trials": 1, "n_warmup_steps": 0},
    )  # fmt: skip

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", -1, 1)
        for step in range(5):
            trial.report(trial.number, step)
            if trial.should_prune():
                raise TrialPruned
        return trial.number

    local = tuner.optuna.connect(study)
    local.optimize(objective, n_trials=3)
    assert [(each.state, each.intermediate_values) for each in study.trials()] == [
        ("COMPLETE", {0: 0, 1: 0, 2: 0, 3: 0, 4: 0}),
        ("PRUNED", {0: 1}),
        ("PRUNED", {0: 2}),
    ]
    assert [each.state.name for each in local.trials] == states_of(study)


def test_values_that_no_pruner_has_seen_travel_with_the_result(study: tuner.Study) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        trial.report(0.5, 0)
        trial.report(float("nan"), 1)
        trial.report(0.25, 2)
        if trial.number:
            raise TrialPruned
        return value

    tuner.optuna.connect(study).optimize(objective, n_trials=2)
    first, second = study.trials()
    assert first.intermediate_values == second.intermediate_values == {0: 0.5, 1: None, 2: 0.25}
    assert (first.state, second.state, second.values) == ("COMPLETE", "PRUNED", [0.25])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "nothing", None])
def test_value_that_is_no_result_is_a_failure(study: tuner.Study, value: Any) -> None:
    def objective(trial: optuna.Trial) -> Any:
        trial.suggest_float("x", -1, 1)
        return value

    tuner.optuna.connect(study).optimize(objective, n_trials=1)
    assert states_of(study) == ["FAIL"]


def test_exception_of_the_objective_fails_its_trial_which_is_retried(client: tuner.Client) -> None:
    study = client.create_study(
        "retried", direction="minimize", space={"x": tuner.Float(-1, 1)}, max_retries=1
    )

    def failing(trial: optuna.Trial) -> float:
        objective(trial)
        raise RuntimeError("out of memory")

    local = tuner.optuna.connect(study)
    with pytest.raises(RuntimeError, match="out of memory"):
        local.optimize(failing, n_trials=1)
    assert states_of(study) == ["FAIL", "WAITING"]
    local.optimize(failing, n_trials=1, catch=(RuntimeError,))
    assert states_of(study) == ["FAIL", "FAIL"]
    first, second = study.trials()
    assert first.params == second.params == local.trials[1].params


def test_exception_before_the_first_parameter_costs_no_trial(study: tuner.Study) -> None:
    with pytest.raises(ZeroDivisionError):
        tuner.optuna.connect(study).optimize(lambda trial: 1 / 0, n_trials=1)
    assert states_of(study) == []


def test_sigterm_gives_the_trial_back(remote: tuner.Study) -> None:
    program = f"""
import time, tuner.optuna
local = tuner.optuna.connect(tuner.Client().get_study({remote.name!r}))
local.optimize(lambda trial: time.sleep(60 + trial.suggest_float("x", -1, 1)))
"""
    environment = {**os.environ, "TUNER_URL": remote.transport.settings.url}
    environment["PYTHONPATH"] = os.path.dirname(os.path.dirname(tuner.__file__))
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        wait_until(lambda: remote.progress().trial_counts["RUNNING"] == 1, "running")
        process.terminate()
        assert process.wait(30) == 143
    finally:
        process.kill()
        process.wait()
    assert states_of(remote) == ["FAIL", "WAITING"]


def test_trial_that_was_lost_is_pruned_locally(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        if trial.number == 0:
            study.fail_running(0)
        trial.report(value, 0)
        if trial.should_prune():
            raise TrialPruned
        return value

    local = tuner.optuna.connect(study)
    local.optimize(objective, n_trials=2)
    assert [each.state.name for each in local.trials] == ["PRUNED", "COMPLETE"]
    assert states_of(study) == ["FAIL", "COMPLETE"]
    assert [each.getMessage() for each in caplog.records if each.name == "tuner"] == [
        "trial 0: 409 trial_finished: trial 0 has ended: it is FAIL"
    ]


def test_cancelled_study_stops_its_trials(study: tuner.Study) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        study.cancel()
        trial.report(value, 0)
        assert trial.should_prune()
        raise TrialPruned

    local = tuner.optuna.connect(study)
    local.optimize(objective)
    assert [each.state for each in local.trials] == [TrialState.PRUNED] * 2
    assert states_of(study) == ["PRUNED"]


# What travels ---------------------------------------------------------------------------------


def test_user_attributes_travel_unless_they_have_no_json_form(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("host", "gpu-1")
        trial.set_user_attr("model", object())
        return trial.suggest_float("x", -1, 1)

    tuner.optuna.connect(study).optimize(objective, n_trials=1)
    (trial,) = study.trials()
    assert (trial.state, trial.user_attrs) == ("COMPLETE", {"host": "gpu-1"})
    assert 'user attribute "model" stays in the local trial' in caplog.text


@pytest.mark.skipif(OPTUNA_4, reason="trials have no constraints before Optuna 5")
def test_constraints_travel(client: tuner.Client) -> None:
    study = client.create_study(
        "constrained", direction="minimize", space={"x": tuner.Float(-1, 1)},
        constraints=["latency"],
    )  # fmt: skip

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        trial.set_constraint("latency", -0.5)
        trial.report(value, 0)
        if trial.number:
            raise TrialPruned
        return value

    tuner.optuna.connect(study).optimize(objective, n_trials=2)
    assert [(each.state, each.constraints) for each in study.trials()] == [
        ("COMPLETE", {"latency": -0.5}),
        ("PRUNED", {"latency": -0.5}),
    ]


def test_several_objectives_have_several_values(client: tuner.Client) -> None:
    study = client.create_study(
        "two", direction=["minimize", "maximize"], sampler="random",
        space={"x": tuner.Float(-1, 1)},
    )  # fmt: skip

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        value = trial.suggest_float("x", -1, 1)
        if trial.number == 2:
            raise TrialPruned
        return value, -value

    local = tuner.optuna.connect(study)
    local.optimize(objective, n_trials=3)
    assert [each.values for each in study.trials()] == [each.values for each in local.trials]
    assert states_of(study) == ["COMPLETE", "COMPLETE", "PRUNED"]
