"""Trials and attributes of stock Optuna that are imported by a rule, which the summary names."""

import math
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from tests.support.api_client import (
    assert_schemas_agree,
    get_study,
    list_trials,
    suggest,
)
from tests.support.odd_storages import (
    X,
    add,
    assert_moves,
    end,
    import_and_check,
    storage_of,
)
from tests.support.optuna_oracle import (
    close_storage,
    create_optuna_study,
    load_optuna_study,
    run_import_study,
)
from tests.support.study_builders import COMMAND
from transfer.domain.adoption import adopt
from transfer.optuna_source.oddities import Rule

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:.*is not JSON serializable"),
    pytest.mark.filterwarnings("ignore:Fixed parameter"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical distribution"),
]


# Trials --------------------------------------------------------------------------------------


def test_values_of_a_failed_trial_become_an_attribute(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    end(study, TrialState.FAIL, [0.5])
    end(study, TrialState.COMPLETE, [2.0])

    assert import_and_check(api, url) == [f"1 x {Rule.VALUES}"]

    failed, completed = list_trials(api, "stock")
    assert (failed["state"], failed["values"]) == ("FAIL", None)
    assert failed["user_attrs"] == {"optuna_values": [0.5]}
    assert (completed["values"], completed["user_attrs"]) == ([2.0], {})
    assert load_optuna_study("stock").best_value == 2.0
    close_storage(study)


@pytest.mark.parametrize("values", [None, [1.0], [1.0, 2.0, 3.0]])
def test_complete_trial_without_each_value_fails(
    api: APIClient, tmp_path: Path, values: list[float] | None
) -> None:
    url = f"{tmp_path}/stock.log"
    study = create_optuna_study(url, directions=["minimize", "maximize"])
    end(study, TrialState.COMPLETE, values)

    assert import_and_check(api, url) == [f"1 x {Rule.INCOMPLETE}"]

    (trial,) = list_trials(api, "stock")
    assert (trial["state"], trial["values"]) == ("FAIL", None)
    assert trial["user_attrs"] == ({} if values is None else {"optuna_values": values})


def delete_trials(path: str, *numbers: int) -> None:
    with sqlite3.connect(path) as database:
        database.executemany("DELETE FROM trials WHERE number = ?", [(each,) for each in numbers])
    database.close()


def test_gaps_in_the_numbers_are_closed(api: APIClient, tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/stock.db", f"{tmp_path}/stock.db"
    sampler = optuna.samplers.NSGAIISampler(population_size=2, seed=1)
    study = create_optuna_study(url, sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
    retry = {"failed_trial": 3, "retry_history": [3]}
    add(study, {"x": X}, system_attrs=retry, user_attrs={"by": "hand"})
    values = [trial.value for trial in study.trials]
    close_storage(study)
    delete_trials(path, 0, 2)

    assert import_and_check(api, url) == [f"5 x {Rule.GAP}"]

    trials = list_trials(api, "stock")
    assert [trial["trial_id"] for trial in trials] == [0, 1, 2, 3, 4]
    old = [1, 3, 4, 5, 6]
    assert [trial["user_attrs"]["optuna_number"] for trial in trials] == old
    assert [trial["values"] for trial in trials] == [[values[number]] for number in old]
    assert trials[4]["user_attrs"]["by"] == "hand"
    retried = load_optuna_study("stock").trials[4].system_attrs
    assert {key: retried[key] for key in retry} == {"failed_trial": 1, "retry_history": [1]}
    assert suggest(api, "stock")["trial_id"] == 5


def test_end_before_the_start_is_moved(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    trial = create_trial(params={"x": 0.5}, distributions={"x": X}, value=1.0)
    start = datetime(2026, 1, 1, 12)  # noqa: DTZ001  (Optuna's are naive)
    trial.datetime_start, trial.datetime_complete = start, start - timedelta(hours=1)
    study.add_trial(trial)

    assert import_and_check(api, database) == [f"1 x {Rule.TIMES}"]

    (stored,) = list_trials(api, "stock")
    moment = start.astimezone(UTC).isoformat()
    assert (stored["datetime_start"], stored["datetime_complete"]) == (moment, moment)
    close_storage(study)


@pytest.mark.parametrize("column", ["datetime_start", "datetime_complete"])
def test_missing_time_is_the_other_one(api: APIClient, tmp_path: Path, column: str) -> None:
    study = create_optuna_study(f"sqlite:///{tmp_path}/stock.db")
    add(study, {"x": X})
    close_storage(study)
    with sqlite3.connect(tmp_path / "stock.db") as database:
        database.execute(f"UPDATE trials SET {column} = NULL")
    database.close()

    assert import_and_check(api, f"sqlite:///{tmp_path}/stock.db") == [f"1 x {Rule.NO_TIMES}"]

    (trial,) = list_trials(api, "stock")
    assert trial["datetime_start"] == trial["datetime_complete"] is not None


@pytest.mark.parametrize("arguments", [(), ("--running", "fail"), ("--running", "keep")])
def test_running_trials_fail_or_are_kept(
    api: APIClient, database: str, arguments: tuple[str, ...]
) -> None:
    study = create_optuna_study(database)
    running = study.ask({"x": X})
    running.report(0.5, 3)

    applied = import_and_check(api, database, *arguments)

    (trial,) = list_trials(api, "stock")
    assert trial["intermediate_values"] == {"3": 0.5}
    if "keep" in arguments:
        assert applied == []
        assert (trial["state"], trial["datetime_complete"]) == ("RUNNING", None)
    else:
        assert applied == [f"1 x {Rule.RUNNING}"]
        assert (trial["state"], trial["datetime_complete"]) == ("FAIL", trial["datetime_start"])
        assert trial["reason"] == "left RUNNING in the storage that it was imported from"
    close_storage(study)


def test_constraints_are_completed_and_finite(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    for value, constraints in enumerate([{"a": -1.0, "b": 2.0}, {"a": math.inf}, {"b": math.nan}]):
        attrs = {f"constraints:{name}": each for name, each in constraints.items()}
        add(study, {"x": X}, value=float(value), system_attrs=attrs)
    add(study, {"x": X}, value=3.0)

    assert import_and_check(api, database) == [f"2 x {Rule.CONSTRAINTS}", f"2 x {Rule.UNBOUNDED}"]

    assert [trial["constraints"] for trial in list_trials(api, "stock")] == [
        {"a": -1.0, "b": 2.0},
        {"a": 1e300, "b": 0.0},
        {"a": 0.0, "b": 1e300},
        None,
    ]
    assert load_optuna_study("stock").best_trial.number == 3
    close_storage(study)


# Attributes ----------------------------------------------------------------------------------


def test_attributes_that_are_not_finite_become_texts(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    nested = {"losses": [math.nan, 1.0, {"": -math.inf}]}
    add(study, {"x": X}, user_attrs={"loss": math.nan, "fine": 0.5}, system_attrs={"odd": math.inf})
    study.set_user_attr("all", nested)

    expected = [f"2 x {Rule.USER_ATTRIBUTES}", f"1 x {Rule.SYSTEM_ATTRIBUTES}"]
    assert import_and_check(api, url) == expected

    as_texts = {"losses": ["NaN", 1.0, {"": "-Infinity"}]}
    assert get_study(api, "stock")["user_attrs"] == {"all": as_texts}
    (trial,) = list_trials(api, "stock")
    assert trial["user_attrs"] == {"loss": "NaN", "fine": 0.5}
    assert load_optuna_study("stock").user_attrs == {"all": as_texts}
    close_storage(study)


@pytest.mark.parametrize(
    "names", [["loss", "größe"], ["a", "a"], ["a", ""], ["a", "b" * 257], ["a", 5]]
)
def test_metric_names_are_taken(api: APIClient, database: str, names: list[Any]) -> None:
    study = create_optuna_study(database, directions=["minimize", "maximize"])
    study.set_metric_names(names)
    add(study, {"x": X}, values=[1.0, 2.0])

    applied = import_and_check(api, database)

    is_good = "größe" in names
    assert applied == ([] if is_good else [f"1 x {Rule.METRIC_NAMES}"])
    assert get_study(api, "stock")["metric_names"] == (names if is_good else None)
    assert load_optuna_study("stock").metric_names == (names if is_good else None)
    close_storage(study)


def test_metric_names_are_adopted(api: APIClient) -> None:
    study = optuna.create_study(study_name="stock", storage=DjangoStorage())
    study.set_metric_names(["größe"])
    add(study, {"x": X})
    adopt(actor=COMMAND, name="stock")
    assert get_study(api, "stock")["metric_names"] == ["größe"]
    assert_schemas_agree("stock")


MISSHAPEN: list[tuple[str, Any]] = [
    ("completed_rung_0", "x"),
    ("grid_id", -1),
    ("retry_history", "x"),
    ("NSGAIISampler:generation", "1"),
    ("fixed_params", 5),
    ("tpe:relative_params:0", '{"x": 7}'),
    ("tpe:relative_params:0", "[" * 2000),
]


@pytest.mark.parametrize(("key", "value"), MISSHAPEN)
def test_misshapen_system_attributes_are_left_out(
    api: APIClient, database: str, key: str, value: Any
) -> None:
    study = create_optuna_study(database)
    good = {"completed_rung_00": 0.5}
    add(study, {"x": X}, system_attrs={key: value} | good)
    storage_of(study).set_study_system_attr(study._study_id, "qmc:0123", "x")

    output = run_import_study("--storage", database)

    counts = ", ".join(sorted([f"{key.partition(':')[0]} 1", "qmc 1"]))
    assert output.endswith(f"; dropped 2 system attributes that are not allowed: {counts}\n")
    assert load_optuna_study("stock").trials[0].system_attrs == good
    assert_schemas_agree("stock")
    assert_moves(api, "stock")
    close_storage(study)


def test_parts_of_a_misshapen_attribute_are_left_out(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    parts = {"tpe:relative_params:0": '{"x": ', "tpe:relative_params:1": "7}"}
    add(study, {"x": X}, system_attrs=parts)
    assert "not allowed: tpe 2\n" in run_import_study("--storage", database)
    assert load_optuna_study("stock").trials[0].system_attrs == {}
    close_storage(study)


def test_characters_that_cannot_be_stored_are_replaced(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    study.set_user_attr("team", "a\0b")
    add(study, {"x": X}, user_attrs={"log": ["a\ud800", {"k": "\0"}]})

    assert import_and_check(api, database) == [f"2 x {Rule.USER_ATTRIBUTES}"]

    assert get_study(api, "stock")["user_attrs"] == {"team": "a\ufffdb"}
    (trial,) = list_trials(api, "stock")
    assert trial["user_attrs"] == {"log": ["a\ufffd", {"k": "\ufffd"}]}
    close_storage(study)
