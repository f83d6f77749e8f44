"""Studies that stock Optuna reads and that are imported by a rule, which the summary names."""

import json
import math
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from django.core.management import CommandError
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    get_study,
    list_trials,
    post_study,
    suggest,
)
from tests.support.optuna_oracle import (
    close_storage,
    create_optuna_study,
    load_optuna_study,
    run_import_study,
)
from tests.support.study_builders import COMMAND
from tests.support.transfer_files import delete_study, export_study, import_file
from transfer.domain.adoption import AdoptionRefused, adopt
from transfer.optuna_source.oddities import Rule

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:.*is not JSON serializable"),
    pytest.mark.filterwarnings("ignore:Fixed parameter"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical distribution"),
]

X: BaseDistribution = FloatDistribution(0, 1)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Where there is no storage yet, for what does not depend on the kind of storage."""
    return f"sqlite:///{tmp_path}/stock.db"


def add(study: optuna.Study, space: dict[str, BaseDistribution], **more: Any) -> None:
    """Add a trial with the parameters in `params`, or the first ones of the space."""
    first = {name: each.to_external_repr(_first(each)) for name, each in space.items()}
    given = {"params": more.pop("params", first), "distributions": space}
    if more.get("state", TrialState.COMPLETE) == TrialState.COMPLETE and "values" not in more:
        more = {"value": 1.0, **more}
    study.add_trial(create_trial(**given, **more))


def _first(distribution: Any) -> float:
    return 0.0 if isinstance(distribution, CategoricalDistribution) else distribution.low


def storage_of(study: optuna.Study) -> Any:
    return study._storage


def end(study: optuna.Study, state: TrialState, values: list[float] | None) -> None:
    """Start a trial and end it as the study's own methods would not."""
    trial = study.ask({"x": X})
    storage_of(study).set_trial_state_values(trial._trial_id, state, values)


def import_and_check(api: APIClient, url: str, *arguments: str, name: str = "stock") -> list[str]:
    """Import a storage of one study; the applied rules, as the summary counts them."""
    first, *others = run_import_study("--storage", url, *arguments).splitlines()
    assert ": imported " in first
    study = Study.objects.get()
    assert_schemas_agree(study.name)
    assert_moves(api, study.name)
    prefix = f'study "{name}": '
    assert all(line.startswith(prefix) for line in others)
    return [line.removeprefix(prefix) for line in others]


def assert_moves(api: APIClient, name: str) -> None:
    """The export of an imported study imports again and exports the same."""
    file = export_study(api, name)
    import_file(api, file, "?conflict=rename")
    copy = f"{name} (2)"
    assert_schemas_agree(copy)
    again = export_study(api, copy).replace(json.dumps(copy).encode(), json.dumps(name).encode())
    assert again == file
    delete_study(api, copy)


def params_of(api: APIClient) -> list[JSON]:
    return [trial["params"] for trial in list_trials(api, "stock")]


def space_of(api: APIClient) -> list[JSON]:
    space: list[JSON] = get_study(api, "stock")["search_space"]
    return space


# The search space ----------------------------------------------------------------------------


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


LISTS: list[Any] = [(1, 2), ()]
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


# Names and times -----------------------------------------------------------------------------

LONG = "long " * 60
NAMES = [("a/b", "a_b"), ("..", "__"), ("a\nb\x00"[:3], "a_b"), ("  ", "study"), (LONG, LONG[:256])]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_name_that_cannot_be_used_is_replaced(
    api: APIClient, database: str, name: str, expected: str
) -> None:
    study = create_optuna_study(database, name)
    add(study, {"x": X})

    first, second = (
        run_import_study("--storage", database).rstrip("\n").split(f'\nstudy "{name}": ')
    )

    assert first == f'study "{name}": imported as "{expected}" with 1 trials'
    assert second == f"1 x {Rule.NAME}"
    assert get_study(api, expected)["n_trials"] == 1
    close_storage(study)


def test_replacement_is_not_the_name_of_another_study(api: APIClient, database: str) -> None:
    studies = [create_optuna_study(database, name) for name in ("a/b", "a_b")]
    for study in studies:
        add(study, {"x": X})
    run_import_study("--storage", database)
    assert set(Study.objects.values_list("name", flat=True)) == {"a_b (2)", "a_b"}
    for study in studies:
        close_storage(study)


def test_replacements_differ(api: APIClient, database: str) -> None:
    names = ["a/b", "a\tb", "a_b (2)", LONG + "1", LONG + "2"]
    studies = [create_optuna_study(database, name) for name in names]
    for study in studies:
        add(study, {"x": X})

    run_import_study("--storage", database, "--conflict", "skip", "--study-name", "a\tb")
    assert Study.objects.get().name == "a_b (3)"
    run_import_study("--storage", database, "--conflict", "skip")

    stored = {"a_b", "a_b (3)", "a_b (2)", LONG[:256], f"{LONG[:252]} (2)"}
    assert set(Study.objects.values_list("name", flat=True)) == stored
    for study in studies:
        close_storage(study)


def test_name_is_given(api: APIClient, database: str) -> None:
    study = create_optuna_study(database, "a/b")
    add(study, {"x": X})
    output = run_import_study("--storage", database, "--as", "ours")
    assert output == 'study "a/b": imported as "ours" with 1 trials\n'
    with pytest.raises(CommandError, match='a name has no "/"'):
        run_import_study("--storage", database, "--as", "c/d")
    other = create_optuna_study(database, "other")
    with pytest.raises(CommandError, match="2 studies cannot all have the same new name"):
        run_import_study("--storage", database, "--as", "theirs")
    close_storage(study)
    close_storage(other)


LOCAL, IN_UTC = "2024-07-01 12:00:00.000000", "2024-07-01T10:00:00+00:00"


def store_local_times(url: str) -> None:
    """Let the storage's times be those that an Optuna before 5 stored in Berlin."""
    study = create_optuna_study(url)
    add(study, {"x": X})
    close_storage(study)
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            database.execute("UPDATE version_info SET library_version = '4.2.1'")
            database.execute("UPDATE trials SET datetime_start = ?", [LOCAL])
            database.execute("UPDATE trials SET datetime_complete = ?", [LOCAL])
        database.close()
    else:
        lines = [json.loads(line) for line in Path(url).read_text().splitlines()]
        for line in lines:
            line |= {key: LOCAL for key in line if key.startswith("datetime_")}
        Path(url).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_local_times_are_converted(api: APIClient, url: str) -> None:
    store_local_times(url)
    assert import_and_check(api, url, "--timezone", "Europe/Berlin") == []
    (trial,) = list_trials(api, "stock")
    assert (trial["datetime_start"], trial["datetime_complete"]) == (IN_UTC, IN_UTC)
    assert get_study(api, "stock")["datetime_start"] == IN_UTC


def test_local_times_of_an_unknown_zone_are_reported(api: APIClient, url: str) -> None:
    store_local_times(url)
    assert import_and_check(api, url) == [f"1 x {Rule.LOCAL_TIME}"]
    (trial,) = list_trials(api, "stock")
    assert trial["datetime_start"] == "2024-07-01T12:00:00+00:00"


def test_times_in_utc_are_not_shifted(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    add(study, {"x": X})
    assert import_and_check(api, url, "--timezone", "Asia/Tokyo") == [f"1 x {Rule.TIME_IN_UTC}"]
    started = study.trials[0].datetime_start
    assert started is not None
    assert list_trials(api, "stock")[0]["datetime_start"] == started.astimezone(UTC).isoformat()
    close_storage(study)


def test_unknown_time_zone_is_refused(database: str) -> None:
    close_storage(create_optuna_study(database))
    for zone in ("Middle/Earth", "/etc/passwd", ""):
        with pytest.raises(CommandError, match=f'there is no time zone "{zone}"'):
            run_import_study("--storage", database, "--timezone", zone)


# Adoption ------------------------------------------------------------------------------------


def _changed_range(study: optuna.Study) -> None:
    for high in (1.0, 2.0):
        add(study, {"x": FloatDistribution(0, high)})


@pytest.mark.parametrize(
    "fill",
    [
        _changed_range,
        lambda study: end(study, TrialState.FAIL, [0.5]),
        lambda study: add(study, {"c": CategoricalDistribution(LISTS)}),
        lambda study: add(study, {}),
        lambda study: add(study, {"x": X}, user_attrs={"a": math.nan}),
        lambda study: add(study, {"x": X}, system_attrs={"grid_id": -1}),
        lambda study: add(study, {"x": X}, system_attrs={"fixed_params": 5}),
    ],
)
def test_adoption_changes_nothing_and_refuses_oddities(
    fill: Callable[[optuna.Study], None],
) -> None:
    fill(optuna.create_study(study_name="stock", storage=DjangoStorage()))
    with pytest.raises(AdoptionRefused):
        adopt(actor=COMMAND, name="stock")
    assert not Study.objects.exists()
