"""The worker's loop, and what its `with` block makes of the ways in which an evaluation ends."""

import logging
import math

import pytest

import tuner


def told(study: tuner.Study) -> list[tuple[str, str | None]]:
    """The state and the first line of the reason of each trial."""
    return [(each.state, each.reason and each.reason.splitlines()[0]) for each in study.trials()]


def test_loop_ends_with_the_study(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_trials=3)
    seen = []
    for trial in study.loop():
        with trial:
            trial.complete(trial.params["x"], attrs={"host": "a"})
            seen.append(trial.trial_id)
    assert seen == [0, 1, 2]
    assert study.refresh().state == "COMPLETED"
    assert [trial.user_attrs for trial in study.trials()] == [{"host": "a"}] * 3


def test_loop_ends_after_its_own_number_of_trials(study: tuner.Study) -> None:
    for trial in study.loop(n_trials=2):
        with trial:
            trial.complete(0.5)
    assert told(study) == [("COMPLETE", None)] * 2


def test_loop_starts_nothing_after_its_time(study: tuner.Study) -> None:
    assert list(study.loop(timeout=0)) == []
    assert study.trials() == []


def test_loop_ends_after_stop(study: tuner.Study) -> None:
    for trial in study.loop():
        with trial:
            trial.complete(0.5)
            study.stop()
    assert told(study) == [("COMPLETE", None)]


def test_loop_can_end_when_the_study_is_paused(study: tuner.Study) -> None:
    study.pause("maintenance")
    assert list(study.loop(wait_while_paused=False)) == []
    assert list(study.loop(timeout=0.2)) == []


def test_loop_ends_when_the_study_is_cancelled(study: tuner.Study) -> None:
    study.cancel()
    assert list(study.loop()) == []


def test_loop_keeps_the_worker_id_of_its_slot(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_trials=3)
    for trial in study.loop():
        with trial:
            trial.complete(1)
    assert {trial.worker_id for trial in study.trials()} == {client.worker_id}


def test_report_returns_the_reply(study: tuner.Study) -> None:
    (trial,) = study.loop(n_trials=1)
    with trial:
        reply = trial.report(0.7, step=3)
        assert (reply.should_prune, reply.should_stop, reply.replaced) == (False, False, [])
        assert trial.report({3: 0.6, 4: math.nan}).replaced == [3]
        assert trial.next_step == 5
        trial.complete(0.5)
    assert study.trial(0).intermediate_values == {3: 0.6, 4: None}


def test_report_needs_a_step(study: tuner.Study) -> None:
    trial = study.ask()
    with pytest.raises(TypeError, match="needs the step of its value"):
        trial.report(0.7)
    with pytest.raises(TypeError):
        trial.report(0.7, step=1.5)  # type: ignore[arg-type]


def test_report_raises_pruned(client: tuner.Client) -> None:
    study = client.create_study(
        "demo", direction="minimize", space={"x": tuner.Float(0, 1)}, pruner="median",
        pruner_options={"n_startup_trials": 1, "n_warmup_steps": 0},
    )  # fmt: skip
    study.add({"x": 0.1}, values=0.0, intermediate_values={0: 0.0, 1: 0.0})
    for trial in study.loop(n_trials=1):
        with trial:
            assert trial.report(9.0, step=0, raises=False).should_prune
            assert trial.should_prune()
            trial.report(9.0, step=1)
            pytest.fail("not pruned")
    assert [(each.state, each.values) for each in study.trials()] == [
        ("COMPLETE", [0.0]),
        ("PRUNED", [9.0]),
    ]


def test_pruned_is_optunas() -> None:
    import optuna

    assert issubclass(tuner.Pruned, optuna.TrialPruned)


def test_optunas_pruned_prunes(study: tuner.Study) -> None:
    import optuna

    with study.ask():
        raise optuna.TrialPruned("diverged")
    assert told(study) == [("PRUNED", "diverged")]


def test_report_raises_that_the_study_was_stopped(study: tuner.Study) -> None:
    for trial in study.loop():
        with trial:
            study.cancel("enough")
            assert trial.report(1.0, step=0, raises=False).should_stop
            trial.report(1.0, step=0)
            pytest.fail("not stopped")
    assert told(study) == [("PRUNED", "the study was cancelled: enough")]


def test_exception_is_a_failure_and_goes_on(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_retries=1)
    with pytest.raises(ZeroDivisionError), study.ask():
        raise ZeroDivisionError("no divisor")
    failed, retry = study.trials()
    assert (failed.state, failed.retried_as, retry.state) == ("FAIL", 1, "WAITING")
    assert failed.reason is not None
    assert failed.reason.startswith("ZeroDivisionError: no divisor\n\n  File ")
    assert failed.reason.endswith('raise ZeroDivisionError("no divisor")')


def test_caught_exception_does_not_end_the_loop(study: tuner.Study) -> None:
    for trial in study.loop(n_trials=2, catch=ZeroDivisionError):
        with trial:
            raise ZeroDivisionError("\0 \ud800")
    assert told(study) == [("FAIL", "ZeroDivisionError: \ufffd ?")] * 2


def test_interruption_gives_the_trial_back(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_retries=1)
    with pytest.raises(KeyboardInterrupt), study.ask():
        raise KeyboardInterrupt
    assert told(study) == [("FAIL", "KeyboardInterrupt"), ("WAITING", None)]


def test_block_without_a_result_is_a_failure(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    with study.ask():
        pass
    assert told(study) == [("FAIL", "the evaluation ended without a result")]
    assert "trial 0 was left without a result" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_objective_that_is_not_finite_is_a_failure(study: tuner.Study, value: float) -> None:
    with study.ask() as trial:
        assert trial.complete(value).state == "FAIL"
    assert told(study) == [("FAIL", f"the objective returned {value!r}")]


def test_values_may_be_of_numpy(client: tuner.Client) -> None:
    import numpy as np

    space = {"x": tuner.Float(0, 1)}
    study = client.create_study("demo", space=space, direction=["minimize", "maximize"])
    with study.ask() as trial:
        trial.report(np.float32(0.5), step=np.int64(3))  # type: ignore[arg-type]
        trial.set_user_attr("n", np.int64(7))
        trial.complete(np.array([0.5, 2]))
    (stored,) = study.trials()
    assert (stored.values, stored.user_attrs) == ([0.5, 2.0], {"n": 7})


def test_lost_lease_is_raised_by_the_next_report(
    study: tuner.Study, caplog: pytest.LogCaptureFixture
) -> None:
    trial = study.ask()
    with trial:
        study.fail_running(1e-6)
        assert trial.report(1.0, step=0, raises=False).should_stop
        trial.report(1.0, step=0)
        pytest.fail("not lost")
    assert "trial 0: 409" in caplog.text
    assert study.trial(0).state == "FAIL"


def test_trial_of_a_replaced_study_is_abandoned(client: tuner.Client, study: tuner.Study) -> None:
    trial = study.ask()
    study.delete()
    again = client.create_study("demo", space={"x": tuner.Float(0, 1)})
    again.ask()
    with trial, pytest.raises(tuner.StudyReplaced):
        trial.report(1.0, step=0)
    with trial:
        trial.complete(1.0)
    assert [each.state for each in again.trials()] == ["RUNNING"]


def test_trial_of_another_worker_is_refused(client: tuner.Client, study: tuner.Study) -> None:
    trial = study.ask()
    trial._holder["worker_id"] = "other"
    with pytest.raises(tuner.NotHolder):
        trial.complete(1.0)


def test_attributes_and_constraints_travel_with_the_result(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, constraints=["latency"])
    with study.ask() as trial:
        trial.set_user_attr("a", 1)
        trial.report(0.1, step=0, attrs={"b": 2})
        trial.set_constraint("latency", -0.2)
        trial.complete(0.5, attrs={"c": 3})
    (stored,) = study.trials()
    assert (stored.user_attrs, stored.constraints) == ({"a": 1, "b": 2, "c": 3}, {"latency": -0.2})


def test_restarted_worker_goes_on_with_its_trial(client: tuner.Client, study: tuner.Study) -> None:
    with study.slot() as slot:
        study.ask_in(slot).report({0: 1.0, 1: 0.9})
    again = client.get_study("demo").ask()  # as the process after this one
    assert (again.trial_id, again.is_reoffered, again.next_step) == (0, True, 2)
    assert again.intermediate_values == {0: 1.0, 1: 0.9}


def test_lease_is_the_services(client: tuner.Client) -> None:
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, lease_seconds=90)
    assert study.ask()._lease == pytest.approx(90, abs=5)
    assert study.ask(lease_seconds=30)._lease == pytest.approx(30, abs=5)
    study.update(lease_seconds=None)
    assert study.ask()._lease is None


def test_logging_says_why_a_loop_ended(
    client: tuner.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tuner")
    study = client.create_study("demo", space={"x": tuner.Float(0, 1)}, max_trials=1)
    for trial in study.loop():
        with trial:
            trial.complete(1)
    assert 'study "demo" has ended: study "demo" is completed: max_trials' in caplog.text


# Fixed values ---------------------------------------------------------------------------------


SCALE = {"n": tuner.Ordinal([16, 32]), "c": tuner.Categorical(["a", "b"])}


def test_trials_of_a_loop_have_the_fixed_values(client: tuner.Client) -> None:
    study = client.create_study("demo", space=SCALE, max_trials=4)
    for trial in study.loop(fixed={"n": 32}):
        with trial:
            assert trial.params["n"] == 32
            trial.complete(1)
    assert told(study) == [("COMPLETE", None)] * 4


def test_asks_fix_values(client: tuner.Client) -> None:
    study = client.create_study("demo", space=SCALE)
    fixed = {"n": 16, "c": "b"}
    assert study.ask(fixed=fixed).params == fixed
    assert [each.params for each in study.ask(2, fixed=fixed)] == [fixed] * 2
    with pytest.raises(tuner.Invalid) as refused:
        study.ask(fixed={"n": 17, "d": 1})
    assert [each.pointer for each in refused.value.errors] == ["/fixed/d", "/fixed/n"]


def test_loop_ends_when_the_fixed_values_are_exhausted(
    client: tuner.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tuner")
    study = client.create_study("demo", space=SCALE, duplicates="avoid")
    for trial in study.loop(fixed={"n": 32}):
        with trial:
            trial.complete(1)
    assert {each.params["c"] for each in study.trials()} == {"a", "b"}
    assert len(study.trials()) == 2
    assert "all its points with the fixed values have been visited" in caplog.text
    with pytest.raises(tuner.FixedValuesExhausted):
        study.ask(fixed={"n": 32})


def test_optimize_fixes_values_also_of_its_first_trial(client: tuner.Client) -> None:
    study = client.create_study("demo", direction="minimize", max_trials=4)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), fixed={"x": 0.25})
    assert [trial.params for trial in study.trials()] == [{"x": 0.25}] * 4
