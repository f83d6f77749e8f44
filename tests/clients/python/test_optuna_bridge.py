"""A real `optuna.Study` with the service's sampler and pruner."""

import pickle
import threading

import optuna
import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

import tuner
import tuner.optuna
from tests.support.service import wait_until
from tuner.optuna import RemotePruner, RemoteSampler


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


def test_objective_with_conditions_is_evaluated_as_in_optuna(client: tuner.Client) -> None:
    space = {
        "optimizer": tuner.Categorical(["adam", "sgd"]),
        "momentum": tuner.Float(0, 1, when={"optimizer": ["sgd"]}),
        "constant": tuner.Int(3, 3, when={"optimizer": ["adam"]}),
    }
    study = client.create_study("new", space=space, direction="minimize", max_trials=8)

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "sgd":
            return trial.suggest_float("momentum", 0, 1)
        return trial.suggest_int("constant", 3, 3)

    local = tuner.optuna.connect(study)
    local.optimize(objective)
    complete = local.get_trials(states=(TrialState.COMPLETE,))
    assert [each.params for each in complete] == [each.params for each in study.trials()]
    assert {tuple(each.params) for each in complete} == {
        ("optimizer", "momentum"),
        ("optimizer", "constant"),
    }
    wrong = client.create_study("wrong", space=space, direction="minimize", max_trials=8)
    with pytest.raises(tuner.SpaceMismatch, match=r"a trial has only when .*: ask for it under"):
        tuner.optuna.connect(wrong).optimize(
            lambda trial: (
                trial.suggest_float("momentum", 0, 1) + trial.suggest_int("constant", 3, 3)
            )
        )


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


def test_other_numbers_than_those_of_a_scale_are_refused(client: tuner.Client) -> None:
    study = client.create_study("scale", space={"n": tuner.Ordinal([16, 32])})
    local = tuner.optuna.connect(study)

    def ask_for(*numbers: float) -> None:
        local.optimize(lambda trial: trial.suggest_categorical("n", numbers), n_trials=1)

    for asked in ((32, 16), (16.0, 32), (16, 32, 64)):
        with pytest.raises(tuner.SpaceMismatch, match='parameter "n"'):
            ask_for(*asked)
    assert states_of(study) == []


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
        "batch": tuner.Ordinal([16, 32, 64.0]),
    }
    study = client.create_study("kinds", direction="minimize", sampler="random", space=space)

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("step", 0, 1, step=0.3)
        trial.suggest_int("layers", 1, 8, step=3)
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_int("units", 1, 1024, log=True)
        trial.suggest_categorical("flag", [True, False])
        trial.suggest_int("constant", 3, 3)
        trial.suggest_categorical("batch", [16, 32, 64.0])
        return 0

    local = tuner.optuna.connect(study)
    local.optimize(objective, n_trials=5)
    assert [each.params for each in local.trials] == [each.params for each in study.trials()]


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
