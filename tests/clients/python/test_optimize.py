"""`optimize`, with objectives written for Optuna."""

import logging
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

import tuner
from tests.support.service import Service, wait_until


def square(trial: Any) -> float:
    return float(trial.suggest_float("x", -1, 1) ** 2)


def test_optimize_evaluates_trials_of_the_service(study: tuner.Study) -> None:
    seen: list[int] = []
    study.optimize(square, n_trials=5, callbacks=[lambda _, trial: seen.append(trial.number)])
    assert seen == [0, 1, 2, 3, 4]
    assert [trial.value for trial in study.trials()] == [
        trial.params["x"] ** 2 for trial in study.trials()
    ]


def test_optimize_ends_with_the_study(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(-1, 1)}, max_trials=3)
    study.optimize(square)
    assert study.progress().trial_counts["COMPLETE"] == 3


def test_objective_can_prune_annotate_and_stop(study: tuner.Study) -> None:
    import optuna

    def objective(trial: Any) -> float:
        assert issubclass(type(trial), optuna.trial.BaseTrial)
        assert trial.study is study
        x: float = trial.suggest_float("x", -1, 1)
        trial.set_user_attr("host", "a")
        trial.report(x, 0)
        assert trial.should_prune() is False
        if trial.number == 1:
            trial.study.stop()
            raise optuna.TrialPruned
        return x

    study.optimize(objective)
    trials = study.trials()
    assert [(trial.state, trial.user_attrs) for trial in trials] == [
        ("COMPLETE", {"host": "a"}),
        ("PRUNED", {"host": "a"}),
    ]
    assert trials[1].value == trials[1].params["x"]


def test_exception_of_an_objective_ends_optimize_unless_caught(study: tuner.Study) -> None:
    def objective(trial: Any) -> float:
        raise ZeroDivisionError

    study.optimize(objective, n_trials=2, catch=(ZeroDivisionError,))
    with pytest.raises(ZeroDivisionError):
        study.optimize(objective, catch=ValueError)
    assert [trial.state for trial in study.trials()] == ["FAIL"] * 3


@pytest.mark.parametrize("value", [None, "0.5", {"a": 1}, [1.0, None]])
def test_what_is_no_number_is_a_failure(study: tuner.Study, value: Any) -> None:
    study.optimize(lambda trial: value, n_trials=1)
    (trial,) = study.trials()
    assert trial.state == "FAIL"
    assert trial.reason is not None
    assert trial.reason.startswith(f"the objective returned {value!r}, not a number")


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (lambda trial: trial.suggest_float("x", -2, 1), "is float from -1.0 to 1.0, and the obj"),
        (lambda trial: trial.suggest_float("x", 0, 1), "asks for float from 0 to 1: ask for"),
        (lambda trial: trial.suggest_float("x", -1, 1, log=True), "on a log scale"),
        (lambda trial: trial.suggest_int("x", -1, 1), "asks for int from -1 to 1"),
        (lambda trial: trial.suggest_categorical("x", [1]), r"categorical of \[1\]"),
        (lambda trial: trial.suggest_float("y", 0, 1), 'no parameter "y".* Declare every'),
    ],
)
def test_other_parameters_are_an_error(study: tuner.Study, objective: Any, message: str) -> None:
    with pytest.raises(tuner.SpaceMismatch, match=message):
        study.optimize(objective)


def test_older_names_of_suggest(client: tuner.Client) -> None:
    space = {
        "u": tuner.Float(0, 1),
        "l": tuner.Float(1, 9, log=True),
        "d": tuner.Float(0, 1, step=0.5),
    }
    study = client.create_study("demo", space=space)

    def objective(trial: Any) -> float:
        total: float = trial.suggest_uniform("u", 0, 1) + trial.suggest_loguniform("l", 1, 9)
        return total + float(trial.suggest_discrete_uniform("d", 0, 1, 0.5))

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials()
    assert trial.value == pytest.approx(sum(trial.params.values()))


def test_numbers_of_a_scale_are_asked_for_as_ordinal_or_categorical(client: tuner.Client) -> None:
    numbers = [16, 32, 64.0]
    study = client.create_study("new", direction="minimize", max_trials=4)

    def objective(trial: Any) -> float:
        value = trial.suggest_ordinal("batch", numbers)
        assert repr(value) in map(repr, numbers)
        if trial.number > 0:  # the first one records what it is asked for
            assert trial.suggest_categorical("batch", numbers) == value
        with pytest.raises(tuner.SpaceMismatch, match=r"ordinal of \[16, 32, 64.0\]"):
            trial.suggest_ordinal("batch", numbers[:2])
        return float(value)

    study.optimize(objective)
    assert study.space == {"batch": tuner.Ordinal(numbers)}
    assert [trial.state for trial in study.trials()] == ["COMPLETE"] * 4


def test_optimize_of_a_missing_study_takes_the_space_from_its_first_trial(
    client: tuner.Client,
) -> None:
    def objective(trial: Any) -> float:
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        layers = trial.suggest_int("layers", 1, 8)
        name = trial.suggest_categorical("opt", ["adam", "sgd"])
        trial.report(lr, 0)
        trial.set_user_attr("opt", name)
        assert trial.suggest_int("layers", 1, 8) == layers
        return float(lr + layers)

    study = client.create_study("new", direction="minimize", max_trials=4)
    assert not study.is_created
    with pytest.raises(tuner.SpaceMismatch, match="does not exist yet"):
        study.ask()
    study.optimize(objective)
    assert study.space == {
        "lr": tuner.Float(1e-5, 1e-1, log=True),
        "layers": tuner.Int(1, 8),
        "opt": tuner.Categorical(["adam", "sgd"]),
    }
    trials = study.trials()
    assert [trial.state for trial in trials] == ["COMPLETE"] * 4
    assert trials[0].intermediate_values == {0: trials[0].params["lr"]}
    assert trials[0].user_attrs == {"opt": trials[0].params["opt"]}
    client.create_study("new", direction="minimize").optimize(objective)  # it exists, and has ended
    assert len(study.trials()) == 4


CONDITIONAL = {
    "optimizer": tuner.Categorical(["adam", "sgd"]),
    "layers": tuner.Int(1, 3),
    "momentum": tuner.Float(0, 1, when={"optimizer": ["sgd"]}),
    "width": tuner.Ordinal([8, 16], when={"layers": {"min": 2}}),
}


def test_objective_asks_for_parameters_under_their_conditions(client: tuner.Client) -> None:
    options: Any = {"sampler": "random", "sampler_options": {"seed": 1}, "direction": "minimize"}
    study = client.create_study("new", space=CONDITIONAL, max_trials=8, **options)
    assert study.space == CONDITIONAL
    created_again = client.create_study("new", space=CONDITIONAL, **options)
    assert created_again.name == "new"

    def objective(trial: Any) -> float:
        expected = {"optimizer", "layers"}
        if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "sgd":
            trial.suggest_float("momentum", 0, 1)
            expected.add("momentum")
        else:
            with pytest.raises(tuner.SpaceMismatch, match=r"is one of .*sgd.*: ask for"):
                trial.suggest_float("momentum", 0, 1)
        if trial.suggest_int("layers", 1, 3) >= 2:
            trial.suggest_ordinal("width", [8, 16])
            expected.add("width")
        assert set(trial.params) == expected
        return 1.0

    study.optimize(objective)
    assert [trial.state for trial in study.trials()] == ["COMPLETE"] * 8
    assert len({tuple(trial.params) for trial in study.trials()}) > 2


def test_later_call_for_another_parameter_says_how_to_declare_it(client: tuner.Client) -> None:
    def objective(trial: Any) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        return x if trial.number == 0 else float(trial.suggest_float("y", 0, 1))

    study = client.create_study("new")
    with pytest.raises(tuner.SpaceMismatch, match="Declare every parameter of the objective in"):
        study.optimize(objective)
    assert [trial.state for trial in study.trials()] == ["COMPLETE", "FAIL"]


def test_first_trial_that_fails_creates_no_study(client: tuner.Client) -> None:
    def objective(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.create_study("new").optimize(objective, catch=(ZeroDivisionError,))
    assert client.studies() == []


def test_first_trial_that_is_pruned_is_recorded(client: tuner.Client) -> None:
    def objective(trial: Any) -> float:
        trial.report(trial.suggest_float("x", 0, 1), 2)
        raise tuner.Pruned

    study = client.create_study("new", max_trials=1)
    study.optimize(objective)
    assert [(trial.state, trial.value) for trial in study.trials()] == [
        ("PRUNED", study.trial(0).params["x"])
    ]


def test_objective_without_parameters_is_an_error(client: tuner.Client) -> None:
    with pytest.raises(tuner.SpaceMismatch, match="asked for no parameter"):
        client.create_study("new").optimize(lambda trial: 1.0)


def test_progress_of_the_study_is_logged(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tuner")
    study.optimize(square, n_trials=1)
    assert "demo: ACTIVE: 1 trials done, 0 running, best " in caplog.text


def test_progress_bar_shows_the_study(
    study: tuner.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.update(max_trials=2)
    study.optimize(square, show_progress_bar=True)
    assert "demo:" in capsys.readouterr().err


def test_threads_have_slots_of_their_own(remote: tuner.Study) -> None:
    together = threading.Barrier(3, timeout=30)

    def objective(trial: Any) -> float:
        together.wait()
        return square(trial)

    remote.optimize(objective, n_trials=6, n_jobs=3)
    name = remote.client.worker_id
    trials = remote.trials()
    assert [trial.state for trial in trials] == ["COMPLETE"] * 6
    assert {trial.worker_id for trial in trials} == {name, f"{name}.1", f"{name}.2"}


def test_error_in_one_thread_ends_the_others_after_their_trial(remote: tuner.Study) -> None:
    first_runs = threading.Event()

    def objective(trial: Any) -> float:
        if not first_runs.is_set():
            first_runs.set()
            return square(trial)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        remote.optimize(objective, n_jobs=2)
    counts = remote.progress().trial_counts
    assert (counts["COMPLETE"], counts["RUNNING"]) == (1, 0)
    assert counts["FAIL"] in {1, 2}  # one for each thread


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_sigterm_gives_the_trials_back(service: Service, remote: tuner.Study, n_jobs: int) -> None:
    program = f"""
import time, tuner
study = tuner.Client().get_study({remote.name!r})
study.optimize(lambda trial: time.sleep(60), n_jobs={n_jobs})
"""
    environment = {**os.environ, "TUNER_URL": remote.transport.settings.url}
    environment["PYTHONPATH"] = "clients/python/src"
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        wait_until(lambda: remote.progress().trial_counts["RUNNING"] == n_jobs, "running")
        process.terminate()
        assert process.wait(30) == 143
    finally:
        process.kill()
        process.wait()
    trials = remote.trials()
    assert [trial.state for trial in trials] == ["FAIL"] * n_jobs + ["WAITING"] * n_jobs
    assert {trial.retry_of for trial in trials[n_jobs:]} == set(range(n_jobs))


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_user_attribute_without_a_form_in_json_is_refused_where_it_is_set(
    study: tuner.Study, value: object
) -> None:
    def objective(trial: Any) -> float:
        trial.suggest_float("x", -1, 1)
        trial.set_user_attr("model", value)
        return 0

    with pytest.raises((TypeError, ValueError), match="JSON"):
        study.optimize(objective)
    assert [trial.state for trial in study.trials()] == ["FAIL"]
