"""Trials by hand: ask, tell, the queue, and what can be read of a study."""

import math
import pickle
from typing import Any

import pytest

import tuner


def test_studies_are_compared(client: tuner.Client, study: tuner.Study) -> None:
    other = client.create_study(
        "a, b", direction="minimize", sampler="random", space={"x": tuner.Float(-1, 1)}, tags=["T"]
    )
    study.ask().complete(0.5)
    other.ask().complete(0.25)
    found = client.compare(study.name, other.name, target=0.5)
    assert found["headline"].startswith(
        "“a, b” is better: 0.25, against 0.5, a gap of 0.25 (50 %)."
    )
    assert found["studies"][1]["reached"]["n_trials"] == 1
    assert other.update(tags=["u"], note="*why*").note == "*why*"
    assert [each.study_name for each in client.studies(tag=["U"])] == ["a, b"]
    with pytest.raises(tuner.NotFound):
        client.compare(study.name, "missing")


def test_ask_and_tell_in_batches(study: tuner.Study) -> None:
    trials = study.ask(count=3)
    results = study.tell([(trial, trial.params["x"] ** 2) for trial in trials])
    assert [result.trial_id for result in results] == [0, 1, 2]
    assert [result.value for result in results] == [trial.params["x"] ** 2 for trial in trials]


def test_tell_of_nan_is_a_failure(study: tuner.Study) -> None:
    (result,) = study.tell([(study.ask(), math.nan)])
    assert (result.state, result.reason) == ("FAIL", "the objective returned nan")


@pytest.mark.parametrize("value", [math.nan, object(), "x" * 200_000])
def test_refused_attribute_lets_the_trial_fail(study: tuner.Study, value: object) -> None:
    trial = study.ask()
    with pytest.raises((tuner.Invalid, TypeError, ValueError)):
        trial.complete(1, attrs={"key": value})

    trial.fail("its attribute was refused")

    assert (study.trial(0).state, study.trial(0).user_attrs) == ("FAIL", {})


def test_attribute_survives_the_refusal_of_another_key(study: tuner.Study) -> None:
    trial = study.ask()
    with pytest.raises(tuner.Invalid):
        trial.complete([1, 2], attrs={"key": 1})

    trial.complete(1)

    assert study.trial(0).user_attrs == {"key": 1}


def test_refused_results_of_a_batch_are_named(study: tuner.Study) -> None:
    good, bad = study.ask(count=2)
    with pytest.raises(tuner.TellFailed, match="trial 1: 400 invalid: the study has 1") as raised:
        study.tell([(good, 1.0), (bad, [1.0, 2.0])])
    assert {number: error.code for number, error in raised.value.errors.items()} == {1: "invalid"}
    assert [trial.state for trial in study.trials()] == ["COMPLETE", "RUNNING"]


def test_each_ask_has_a_slot_until_its_trials_are_told(study: tuner.Study) -> None:
    first, second = study.ask(), study.ask(count=2)
    ids = [trial._holder["worker_id"] for trial in (first, *second)]
    assert ids == [study.client.worker_id, *[f"{study.client.worker_id}.1"] * 2]
    first.complete(1)
    assert study.ask()._holder["worker_id"] == study.client.worker_id
    assert study.ask()._holder["worker_id"] == f"{study.client.worker_id}.2"
    study.tell([(second[0], 1)])
    assert study.ask()._holder["worker_id"] == f"{study.client.worker_id}.3"
    second[1].fail()
    assert study.ask()._holder["worker_id"] == f"{study.client.worker_id}.1"


def test_queue_and_records(study: tuner.Study) -> None:
    study.enqueue({"x": 0.25}, user_attrs={"why": "good"})
    study.enqueue_all([{"x": 0.5}, {}])
    study.enqueue({"x": 0.75}, priority=1)
    study.add({"x": 0.1}, values=0.8)
    assert [study.ask().params["x"] for _ in range(3)] == [0.75, 0.25, 0.5]
    assert (study.best.value, study.best_value, study.best_params) == (0.8, 0.8, {"x": 0.1})
    assert study.cancel_trial(2).state == "FAIL"


def test_best_of_nothing_is_not_found(study: tuner.Study) -> None:
    with pytest.raises(tuner.NotFound) as raised:
        _ = study.best
    assert raised.value.code == "no_completed_trials"


def test_corrections(study: tuner.Study) -> None:
    trial = study.ask()
    trial.fail("out of memory")
    assert study.retry_failed() == {"trials": [{"trial_id": 0, "retried_as": 1}], "n_left": 0}
    study.cancel_trial(1)
    assert study.retry(1).retried_as == 2
    study.ask().complete(0.5)
    assert study.invalidate(2, "wrong data").reason == "wrong data"
    study.ask()
    assert study.update_trial(3, {"note": "x"}).user_attrs == {"note": "x"}
    assert [each["trial_id"] for each in study.fail_running(1e-6)] == [3]


def test_infeasible_trials(study: tuner.Study) -> None:
    assert study.ask().fail("does not fit", infeasible=True).infeasible is True


def test_states_and_changes(study: tuner.Study) -> None:
    assert study.pause("p").state == "PAUSED"
    with pytest.raises(tuner.StudyPaused) as paused:
        study.ask()
    assert paused.value.reason == "p"
    assert study.resume().state == "ACTIVE"
    assert study.update(max_trials=7, user_attrs={"a": 1}).max_trials == 7
    assert study.complete("done").state == "COMPLETED"
    with pytest.raises(tuner.StudyEnded) as ended:
        study.ask()
    assert (ended.value.reason, ended.value.status) == ("done", 409)
    assert study.wait().state == "COMPLETED"
    study.resume()
    assert study.cancel().state == "CANCELLED"


def test_wait_returns_after_its_time(study: tuner.Study) -> None:
    assert study.wait(timeout=0).state == "ACTIVE"


def test_trials_of_many_pages(study: tuner.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner._sync.study_results.PAGE", 3)
    for value in range(8):
        study.add({"x": 0.0}, values=value)
    assert [trial.value for trial in study.trials()] == list(range(8))
    assert [trial.trial_id for trial in study.trials(order_by="-number", limit=4)] == [7, 6, 5, 4]
    assert study.trials(state="FAIL") == []


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_answers_about_a_study(client: tuner.Client) -> None:
    space = {"x": tuner.Float(0, 1), "y": tuner.Float(0, 1)}
    study = client.create_study("demo", space=space, direction=["minimize", "minimize"])
    for x, y in [(0.1, 0.2), (0.2, 0.1), (0.3, 0.3)]:
        study.add({"x": x, "y": y}, values=[x, y])
    assert [trial.trial_id for trial in study.pareto_front()] == [0, 1]
    assert study.hypervolume([1.0, 1.0])["hypervolume"] == pytest.approx(0.8 * 0.9 + 0.1 * 0.8)
    assert set(study.importance(target_idx=0).importances) == {"x", "y"}
    assert len(study.history(target_idx=0)["trials"]) == 3
    assert study.plot("pareto_front").startswith(b"{")
    assert isinstance(study.advice(), list)
    assert study.progress().n_done == 3
    assert study.directions == [tuner.Direction.MINIMIZE] * 2
    assert study.url == f"http://testserver/admin/studies/study/{study.info.study_id}/change/"


def test_direction_equals_optunas(study: tuner.Study) -> None:
    from optuna.study import StudyDirection

    optunas: Any = StudyDirection
    assert study.direction == optunas.MINIMIZE
    assert tuner.Direction.MAXIMIZE == optunas.MAXIMIZE


def test_studies_are_listed_cloned_moved_and_deleted(client: tuner.Client) -> None:
    study = client.create_study("one", space={"x": tuner.Int(0, 9)})
    study.add({"x": 1}, values=2)
    assert study.clone("two", max_trials=5).max_trials == 5
    assert [each.study_name for each in client.studies(name="t*")] == ["two"]
    lines = study.export()
    study.delete()
    assert client.import_studies(lines, dry_run=True)["dry_run"] is True
    assert client.import_studies(lines)["studies"][0]["outcome"] == "created"
    assert client.get_study("one").best_value == 2
    client.delete_study("two")
    assert len(client.studies()) == 1


def test_health(client: tuner.Client) -> None:
    assert client.health()["status"] == "healthy"
    assert client.ready() == {"status": "ready"}


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_impossible_name_is_refused_before_a_request(client: tuner.Client, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a study"):
        client.create_study(name, space={"x": tuner.Int(0, 9)})


@pytest.mark.parametrize("name", ["a b", "100%", "x?y#z", "search.v2", "%2e", "a+b&c=d;e"])
def test_any_other_name_works(client: tuner.Client, name: str) -> None:
    study = client.create_study(name, space={"x": tuner.Int(0, 9)})
    study.ask().complete(1)
    assert client.get_study(name).info.study_name == name
    assert study.best.value == 1


def test_existing_study_is_loaded_and_compared(client: tuner.Client, study: tuner.Study) -> None:
    assert client.create_study("demo").info.study_id == study.info.study_id
    with pytest.raises(tuner.ApiError) as conflict:
        client.create_study("demo", direction="maximize")
    assert conflict.value.code == "study_conflict"
    with pytest.raises(tuner.ApiError) as exists:
        client.create_study("demo", space={"x": tuner.Float(-1, 1)}, load_if_exists=False)
    assert exists.value.code == "study_exists"


def test_constraints_between_parameters_need_a_space(client: tuner.Client) -> None:
    space = {"x": tuner.Float(0.0, 1.0), "y": tuner.Float(0.0, 1.0)}
    texts = ["x + y <= 0.1"]
    with pytest.raises(ValueError, match="parameter_constraints need `space`"):
        client.create_study("constrained", parameter_constraints=texts)

    study = client.create_study("constrained", space=space, parameter_constraints=texts)
    assert study.info.parameter_constraints == texts
    assert all(sum(trial.params.values()) <= 0.1 for trial in study.ask(count=3))

    loaded = client.create_study("constrained", parameter_constraints=["x + y <= 0.10"])
    assert loaded.info.parameter_constraints == texts
    with pytest.raises(tuner.Invalid, match="between parameters does not hold"):
        study.enqueue({"x": 0.1, "y": 0.1})


def test_errors_say_where(client: tuner.Client) -> None:
    with pytest.raises(tuner.Invalid) as raised:
        client.create_study("demo", space={"x": tuner.Float(2, 1)})
    ((pointer, detail),) = raised.value.errors
    assert pointer == "/search_space/0/low"
    assert "low (2.0) is above high (1.0)" in detail


def test_objects_can_be_pickled(study: tuner.Study) -> None:
    trial = pickle.loads(pickle.dumps(study.ask()))
    assert (trial.trial_id, trial.study.name, trial.study.space) == (0, "demo", study.space)
    error = pickle.loads(pickle.dumps(tuner.StudyEnded(409, "study_completed", "it is", ())))
    assert (type(error), error.code, error.detail) == (
        tuner.StudyEnded,
        "study_completed",
        "it is",
    )
    for each in (study.trial(0), study.progress(), tuner.Float(0, 1), tuner.TellFailed({})):
        assert str(pickle.loads(pickle.dumps(each))) == str(each)


def test_dataframe_needs_pandas(study: tuner.Study) -> None:
    with pytest.raises(ImportError, match="pip install pandas"):
        study.dataframe()


def test_search_space_is_changed(study: tuner.Study) -> None:
    old = study.ask()
    space = {"y": tuner.Int(1, 9)}
    info = study.update(space=space, defaults={"y": 5}, retired={"x": 0.25}, if_version=1)
    assert (info.search_space_version, info.retired) == (2, {"x": 0.25})
    assert study.space == space
    new = study.ask()
    assert new is not None
    assert new.suggest_int("y", 1, 9) == new.params["y"]
    assert new.suggest_float("x", -1, 1) == 0.25
    assert old is not None
    assert study.trial(old.number).params["y"] == 5
    assert [study.trial(each.number).search_space_version for each in (old, new)] == [1, 2]
    wider = study.client.get_study("demo").update(space={"y": tuner.Int(1, 99)})
    assert wider.search_space_version == 3
    outside = study.ask(fixed={"y": 50})
    assert outside is not None
    with pytest.raises(tuner.SpaceMismatch, match=r'"y" of study "demo" is 50, and .* has changed'):
        outside.suggest_int("y", 1, 9)
    _, second, first = study.search_space_versions()
    assert (second.version, second.defaults, second.retired) == (2, {"y": 5}, {"x": 0.25})
    assert first.datetime <= second.datetime
    with pytest.raises(tuner.ApiError, match="has version 3, not 1") as error:
        study.update(space={"x": tuner.Float(-1, 1)}, retired={"y": 1}, if_version=1)
    assert error.value.code == "search_space_changed"
