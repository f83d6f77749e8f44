"""A real `optuna.Study` with the service's sampler and pruner."""

import os
import pickle
import subprocess
import sys
import threading
from typing import Any

import optuna
import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

import tuner
import tuner.optuna
from tuner.optuna import RemotePruner, RemoteSampler

from tests.support.service import wait_until

OPTUNA_4 = optuna.__version__.startswith("4.")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2


def states_of(study: tuner.Study) -> list[str]:
    return [trial.state for trial in study.trials()]


def test_local_study_evaluates_the_trials_of_the_service_until_its_end(study: tuner.Study) -> None:
    study.update(max_trials=5)
    local = tuner.optuna.connect(study)
    local.optimize(objective)
    assert [(each.params, each.values) for each in study.trials()] == [
        (each.params, each.values) for each in local.trials[:5]
    ]
    # The one that found nothing to evaluate.
    assert [(each.state, each.params) for each in local.trials[5:]] == [(TrialState.PRUNED, {})]
    assert study.refresh().state == "COMPLETED"


def test_threads_evaluate_different_trials_and_the_budget_exactly(remote: tuner.Study) -> None:
    remote.update(max_trials=12)
    together = threading.Barrier(4)

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        if trial.number < 4:
            together.wait()
        return value

    local = tuner.optuna.connect(remote)
    local.optimize(objective, n_jobs=4)
    trials = remote.trials()
    assert [each.state for each in trials] == ["COMPLETE"] * 12
    assert len({each.worker_id for each in trials[:4]}) == 4
    complete = local.get_trials(states=(TrialState.COMPLETE,))
    assert sorted(each.params["x"] for each in complete) == sorted(
        each.params["x"] for each in trials
    )
    assert all(each.values == [each.params["x"]] for each in trials)


def test_lease_is_renewed_while_the_local_trial_runs(remote: tuner.Study) -> None:
    remote.update(lease_seconds=1)

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -1, 1)
        given = remote.trial(0).lease_expires_at
        wait_until(lambda: remote.trial(0).lease_expires_at != given, "renewed")
        return value

    tuner.optuna.connect(remote).optimize(objective, n_trials=1)
    assert [(each.state, each.attempt) for each in remote.trials()] == [("COMPLETE", 1)]


def test_ask_and_tell_outside_of_optimize_ends_with_the_study(study: tuner.Study) -> None:
    study.update(max_trials=1)
    local = tuner.optuna.connect(study)
    trial = local.ask()
    local.tell(trial, objective(trial))
    with pytest.raises(TrialPruned, match='study "demo" hands out no more trials'):
        objective(local.ask())
    assert states_of(study) == ["COMPLETE"]


# What the objective asks for ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "name"), [(-2, 1, "x"), (-1, 0.5, "x"), (-1, 1, "y")]
)  # fmt: skip
def test_parameter_that_the_study_has_not_is_refused_and_costs_no_trial(
    study: tuner.Study, low: float, high: float, name: str
) -> None:
    local = tuner.optuna.connect(study)
    with pytest.raises(tuner.SpaceMismatch, match=f'parameter "{name}"'):
        local.optimize(lambda trial: trial.suggest_float(name, low, high), n_trials=1)
    assert states_of(study) == []


def test_choices_of_another_type_are_refused(client: tuner.Client) -> None:
    study = client.create_study("choices", space={"c": tuner.Categorical([1, 2])})
    local = tuner.optuna.connect(study)
    with pytest.raises(tuner.SpaceMismatch, match='parameter "c"'):
        local.optimize(lambda trial: trial.suggest_categorical("c", [True, 2]), n_trials=1)


def test_constant_that_the_study_has_not_is_refused_with_the_result(client: tuner.Client) -> None:
    space = {"x": tuner.Float(-1, 1), "y": tuner.Float(-1, 1)}
    study = client.create_study("constant", direction="minimize", space=space)
    local = tuner.optuna.connect(study)
    with pytest.raises(tuner.SpaceMismatch, match='parameter "y"'):  # Optuna does not sample it
        local.optimize(lambda trial: objective(trial) + trial.suggest_float("y", 0, 0), n_trials=1)
    assert states_of(study) == ["FAIL"]


def test_result_without_a_trial_of_the_service_is_refused(study: tuner.Study) -> None:
    with pytest.raises(tuner.SpaceMismatch, match="asked for no parameter"):
        tuner.optuna.connect(study).optimize(lambda trial: 1.0, n_trials=1)


@pytest.mark.filterwarnings("ignore:The distribution is specified by")
def test_parameters_of_all_kinds_are_the_ones_of_the_service(client: tuner.Client) -> None:
    space = {
        "step": tuner.Float(0, 1, step=0.3),  # Optuna: up to 0.9
        "layers": tuner.Int(1, 8, step=3),
        "lr": tuner.Float(1e-5, 1e-1, log=True),
        "units": tuner.Int(1, 1024, log=True),
        "flag": tuner.Categorical([True, False]),
        "constant": tuner.Int(3, 3),
    }
    study = client.create_study("kinds", direction="minimize", sampler="random", space=space)

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("step", 0, 1, step=0.3)
        trial.suggest_int("layers", 1, 8, step=3)
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_int("units", 1, 1024, log=True)
        trial.suggest_categorical("flag", [True, False])
        trial.suggest_int("constant", 3, 3)
        return 0

    local = tuner.optuna.connect(study)
    local.optimize(objective, n_trials=5)
    assert [each.params for each in local.trials] == [each.params for each in study.trials()]


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


# What is refused ------------------------------------------------------------------------------


def test_local_queue_is_refused(study: tuner.Study) -> None:
    local = tuner.optuna.connect(study)
    local.enqueue_trial({"x": 0.5})
    with pytest.raises(tuner.ConfigurationError, match=r"call enqueue of tuner\.Study"):
        local.optimize(objective, n_trials=1)
    study.enqueue({"x": 0.25})
    local.optimize(objective, n_trials=1)
    assert local.trials[-1].params == {"x": 0.25}


def test_other_directions_are_refused(study: tuner.Study) -> None:
    local = optuna.create_study(
        direction="maximize", sampler=RemoteSampler(study), pruner=RemotePruner()
    )
    with pytest.raises(tuner.ConfigurationError, match="is to minimize, and the local one to max"):
        local.optimize(objective, n_trials=1)


def test_local_pruner_is_warned_of(study: tuner.Study) -> None:
    local = optuna.create_study(sampler=RemoteSampler(study), pruner=optuna.pruners.NopPruner())
    with pytest.warns(UserWarning, match="NopPruner prunes by the trials of this process only"):
        local.optimize(objective, n_trials=1)


def test_remote_pruner_of_a_local_sampler_is_refused() -> None:
    local = optuna.create_study(sampler=optuna.samplers.RandomSampler(), pruner=RemotePruner())
    with pytest.raises(tuner.ConfigurationError, match="cannot prune the trials of RandomSampler"):
        local.ask().should_prune()


def test_sampler_pickles_without_its_running_trials(remote: tuner.Study) -> None:
    local = tuner.optuna.connect(remote)
    mine = local.ask()
    mine.suggest_float("x", -1, 1)
    sampler = pickle.loads(pickle.dumps(local.sampler))
    other = optuna.create_study(
        study_name=remote.name, sampler=sampler, pruner=RemotePruner()
    )  # fmt: skip
    other.optimize(objective, n_trials=1)
    assert states_of(remote) == ["RUNNING", "COMPLETE"]
    local.tell(mine, 0.5)
    assert states_of(remote) == ["COMPLETE", "COMPLETE"]
    sampler._study.client.close()
