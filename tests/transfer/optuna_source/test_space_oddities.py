"""Search spaces of stock Optuna that are imported by a rule, which the summary names."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import create_trial
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    post_study,
    suggest,
)
from tests.support.odd_storages import (
    LISTS,
    X,
    add,
    import_and_check,
    params_of,
    space_of,
)
from tests.support.optuna_oracle import (
    close_storage,
    create_optuna_study,
    load_optuna_study,
)
from transfer.optuna_source.oddities import Rule

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:.*is not JSON serializable"),
    pytest.mark.filterwarnings("ignore:Fixed parameter"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical distribution"),
]


@pytest.mark.parametrize("n", [0, 2])
def test_study_without_parameters_has_a_placeholder(api: APIClient, database: str, n: int) -> None:
    study = create_optuna_study(database)
    for value in range(n):
        study.add_trial(create_trial(value=value))

    assert import_and_check(api, database) == [f"1 x {Rule.NO_SPACE}"]

    assert space_of(api) == [{"type": "categorical", "name": "unknown", "choices": ["unknown"]}]
    assert params_of(api) == [{}] * n
    assert [trial.values for trial in load_optuna_study("stock").trials] == [
        [float(value)] for value in range(n)
    ]
    assert suggest(api, "stock")["params"] == {"unknown": "unknown"}
    close_storage(study)


Space = dict[str, BaseDistribution]
RANGES: list[tuple[list[Any], JSON]] = [
    (
        [FloatDistribution(0, 1), FloatDistribution(-1, 0.5), FloatDistribution(0, 2)],
        {"type": "float", "low": -1.0, "high": 2.0, "log": False},
    ),
    (
        [FloatDistribution(0.1, 1, log=True), FloatDistribution(0.01, 0.5, log=True)],
        {"type": "float", "low": 0.01, "high": 1.0, "log": True},
    ),
    (
        [FloatDistribution(0, 1, step=0.25), FloatDistribution(0.5, 2, step=0.25)],
        {"type": "float", "low": 0.0, "high": 2.0, "log": False, "step": 0.25},
    ),
    (
        [FloatDistribution(0, 1, step=0.25), FloatDistribution(0.1, 1.1, step=0.25)],
        {"type": "float", "low": 0.0, "high": 1.1, "log": False},
    ),
    (
        [FloatDistribution(0, 1, step=0.25), FloatDistribution(0, 1)],
        {"type": "float", "low": 0.0, "high": 1.0, "log": False},
    ),
    (
        [IntDistribution(0, 8, step=4), IntDistribution(2, 14, step=6)],
        {"type": "int", "low": 0, "high": 14, "log": False, "step": 2},
    ),
    (
        [IntDistribution(1, 8, log=True), IntDistribution(4, 64, log=True)],
        {"type": "int", "low": 1, "high": 64, "log": True, "step": 1},
    ),
]
MIXED: list[tuple[list[Any], JSON]] = [
    (
        [FloatDistribution(0.1, 1, log=True), FloatDistribution(0.05, 2)],
        {"type": "float", "low": 0.05, "high": 2.0, "log": False},
    ),
    (
        [IntDistribution(1, 4), FloatDistribution(0.5, 2)],
        {"type": "float", "low": 0.5, "high": 4.0, "log": False},
    ),
    (
        [CategoricalDistribution(["a", "b"]), CategoricalDistribution(["c", "a"])],
        {"type": "categorical", "choices": ["a", "b", "c"]},
    ),
    (
        [CategoricalDistribution(["a", 1]), IntDistribution(1, 9), FloatDistribution(0.5, 2)],
        {"type": "categorical", "choices": ["a", 1, 0.5]},
    ),
]


def check_ranges(api: APIClient, url: str, ranges: list[tuple[list[Any], JSON]]) -> None:
    study = create_optuna_study(url)
    for index in range(3):
        space = {f"p{n}": each[index] for n, (each, _) in enumerate(ranges) if index < len(each)}
        add(study, space)

    assert import_and_check(api, url) == [f"{len(ranges)} x {Rule.RANGE}"]

    assert space_of(api) == [{"name": f"p{n}"} | each for n, (_, each) in enumerate(ranges)]
    stored = [trial.params for trial in load_optuna_study("stock").trials]
    assert stored == [trial.params for trial in study.trials] == params_of(api)
    close_storage(study)


def test_widest_range_is_taken(api: APIClient, url: str) -> None:
    check_ranges(api, url, RANGES)


def test_kinds_that_changed_are_joined(api: APIClient, tmp_path: Path) -> None:
    """Only journals have them: databases refuse another kind."""
    check_ranges(api, f"{tmp_path}/stock.log", MIXED)


def test_parameter_outside_its_range_widens_it(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    space: Space = {
        "x": X,
        "n": IntDistribution(2, 10, step=4),
        "s": FloatDistribution(0, 1, step=0.5),
    }
    for fixed in ({}, {"x": 7, "n": 11}, {"s": 0.75}, {"x": -1.5}):
        study.enqueue_trial(fixed)
        study.tell(study.ask(space), 1.0)
    study.enqueue_trial({"x": 9.0})

    assert import_and_check(api, database) == [f"5 x {Rule.OUTSIDE}"]

    assert space_of(api) == [
        {"type": "float", "name": "x", "low": -1.5, "high": 9.0, "log": False},
        {"type": "int", "name": "n", "low": 2, "high": 11, "log": False, "step": 1},
        {"type": "float", "name": "s", "low": 0.0, "high": 1.0, "log": False},
    ]
    assert params_of(api)[:4] == [trial.params for trial in study.trials[:4]]
    assert suggest(api, "stock")["params"]["x"] == 9.0
    close_storage(study)


def test_queued_parameters_that_do_not_fit_are_left_out(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    space: Space = {"x": X, "n": IntDistribution(1, 9), "c": CategoricalDistribution(["a", "b"])}
    add(study, space)
    study.enqueue_trial({"x": "much", "n": 2.5, "c": "z", "unknown": 1})
    study.enqueue_trial({"x": 1, "n": 3.0, "c": "b"})
    study.enqueue_trial({"x": float("nan")})

    assert import_and_check(api, database) == [f"5 x {Rule.QUEUED}"]

    assert params_of(api)[1:] == [{}, {"x": 1.0, "n": 3, "c": "b"}, {}]
    assert suggest(api, "stock")["params"].keys() == {"x", "n", "c"}
    assert suggest(api, "stock")["params"] == {"x": 1.0, "n": 3, "c": "b"}
    close_storage(study)


CHOICES: list[tuple[list[Any], list[Any]]] = [
    ([[1, 2], [3, 4], "a"], ["[1, 2]", "[3, 4]", "a"]),
    ([{"k": [1, "ü"]}, 2.5, None], ['{"k": [1, "ü"]}', 2.5, None]),
    ([math.inf, 1.0, 2**60], ["Infinity", 1.0, str(2**60)]),
    ([[1], "[1]", 3], ["[1]", '"[1]"', "3"]),
]


def test_other_choices_are_json_texts(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    space: Space = {f"p{n}": CategoricalDistribution(given) for n, (given, _) in enumerate(CHOICES)}
    for index in range(3):
        add(study, space, params={f"p{n}": given[index] for n, (given, _) in enumerate(CHOICES)})

    assert import_and_check(api, url) == [f"4 x {Rule.CHOICES}", f"1 x {Rule.REPEATED}"]

    assert [parameter["choices"] for parameter in space_of(api)] == [each for _, each in CHOICES]
    assert params_of(api) == [
        {f"p{n}": each[index] for n, (_, each) in enumerate(CHOICES)} for index in range(3)
    ]
    response = post_study(api, name="again", search_space=space_of(api)[:1])
    assert response.status_code == 201
    close_storage(study)


def test_tuples_and_confused_choices_are_json_texts(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    space: Space = {
        "tuple": CategoricalDistribution(LISTS),
        "confused": CategoricalDistribution([1, True, "a"]),
        "twice": CategoricalDistribution(["a", "b", "a"]),
    }
    add(study, space, params={"tuple": (1, 2), "confused": "a", "twice": "a"})

    assert import_and_check(api, database) == [f"1 x {Rule.CHOICES}", f"2 x {Rule.REPEATED}"]

    choices = [parameter["choices"] for parameter in space_of(api)]
    assert choices == [["[1, 2]", "[]"], ["1", "true", '"a"'], ["a", "b"]]
    assert params_of(api) == [{"tuple": "[1, 2]", "confused": '"a"', "twice": "a"}]
    close_storage(study)


def test_infinite_bound_ends_at_the_values(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    for value in (0.5, 8.0):
        add(study, {"x": FloatDistribution(0, math.inf)}, params={"x": value})

    assert import_and_check(api, database) == [f"1 x {Rule.BOUND}"]

    assert space_of(api) == [{"type": "float", "name": "x", "low": 0.0, "high": 8.0, "log": False}]
    close_storage(study)


def test_parameter_that_is_not_finite_is_left_out(api: APIClient, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/stock.db"
    study = create_optuna_study(database)
    for value in (0.25, 0.5, 0.75):
        add(study, {"x": X, "y": X}, params={"x": value, "y": value})
    close_storage(study)
    with sqlite3.connect(tmp_path / "stock.db") as tables:
        change = "UPDATE trial_params SET param_value = ? WHERE param_name = 'x' AND trial_id = ?"
        tables.executemany(change, [(math.inf, 1), (None, 2)])
    tables.close()

    assert import_and_check(api, database) == [f"2 x {Rule.NOT_FINITE}"]

    assert params_of(api) == [{"y": 0.25}, {"y": 0.5}, {"x": 0.75, "y": 0.75}]


def test_trials_may_lack_parameters(api: APIClient, database: str) -> None:
    study = create_optuna_study(database)
    add(study, {"kind": CategoricalDistribution(["a", "b"]), "x": X})
    add(study, {"kind": CategoricalDistribution(["a", "b"])})
    add(study, {})
    assert import_and_check(api, database) == []
    assert params_of(api) == [{"kind": "a", "x": 0.0}, {"kind": "a"}, {}]
    close_storage(study)
