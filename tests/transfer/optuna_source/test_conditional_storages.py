"""Define-by-run studies of stock Optuna are imported with the conditions that are clear."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from rest_framework.test import APIClient

from optuna_bridge.space.search_space import SearchSpace
from tests.support import JSON
from tests.support.api_client import suggest
from tests.support.odd_storages import import_and_check, params_of, space_of
from tests.support.optuna_oracle import create_optuna_study, load_optuna_study
from transfer.optuna_source.oddities import NoOddities
from transfer.optuna_source.search_space import SourceSpace

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


def optimizers(trial: optuna.Trial) -> float:
    """Conditions on choices, on a number, and nested ones."""
    if trial.suggest_categorical("optimizer", ["adam", "sgd", "nesterov"]) != "adam":
        trial.suggest_float("momentum", 0.0, 0.99)
        if trial.suggest_categorical("decay", [True, False]):
            trial.suggest_float("rate of decay", 0.1, 1.0)
    if trial.suggest_int("layers", 1, 4) >= 2:
        trial.suggest_int("width", 8, 64)
    if trial.params["layers"] <= 1:
        trial.suggest_float("bias", 0.0, 1.0)
    return trial.suggest_float("x", 0.0, 1.0)


CONDITIONS = {
    "momentum": {"optimizer": ["sgd", "nesterov"]},
    "decay": {"optimizer": ["sgd", "nesterov"]},
    "rate of decay": {"decay": [True]},
    "width": {"layers": {"min": 2}},
    "bias": {"layers": {"max": 1}},
}


def by_chance(trial: optuna.Trial) -> float:
    if trial.number % 3:
        trial.suggest_float("sometimes", 0.0, 1.0)
    if trial.suggest_float("x", 0.0, 1.0) > 0.5:
        trial.suggest_float("by a float", 0.0, 1.0)
    return 1.0


def by_two(trial: optuna.Trial) -> float:
    flags = [trial.suggest_categorical(name, [True, False]) for name in "ab"]
    if all(flags):
        trial.suggest_float("by two", 0.0, 1.0)
    return 1.0


def when_of(space: list[JSON]) -> dict[str, Any]:
    return {each["name"]: each["when"] for each in space if "when" in each}


def played(objective: Callable[[optuna.Trial], float], url: str | None = None) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=1)
    if url is None:
        study = optuna.create_study(sampler=sampler)
    else:
        study = create_optuna_study(url, sampler=sampler)
    study.optimize(objective, n_trials=24)
    return study


def inferred(study: optuna.Study) -> dict[str, Any]:
    space = SourceSpace.of(study.trials, NoOddities())
    found = SearchSpace(space.description)
    assert all(found.faults(params) == [] for params in space.params)
    return when_of(space.description)


def test_conditions_follow_from_the_trials(api: APIClient, database: str) -> None:
    study = played(optimizers, database)
    # A trial that ended early says nothing about what it lacks.
    early = study.ask()
    early.suggest_categorical("optimizer", ["adam", "sgd", "nesterov"])
    study.tell(early, state=optuna.trial.TrialState.FAIL)
    study.enqueue_trial({"optimizer": "sgd", "momentum": 0.5})

    assert import_and_check(api, database) == []

    assert when_of(space_of(api)) == CONDITIONS
    stock = load_optuna_study("stock").trials
    assert [trial.params for trial in stock[:25]] == params_of(api)[:25]
    space = SearchSpace(space_of(api))
    queued = suggest(api, "stock")["params"]
    assert {"optimizer": "sgd", "momentum": 0.5}.items() <= queued.items()
    for params in (queued, *(suggest(api, "stock")["params"] for _ in range(3))):
        assert space.faults(params) == []
        assert space.missing(params) == []


@pytest.mark.parametrize("objective", [by_chance, by_two], ids=lambda each: each.__name__)
def test_parameters_without_clear_conditions_are_optional(
    objective: Callable[[optuna.Trial], float],
) -> None:
    assert inferred(played(objective)) == {}


@pytest.mark.parametrize(
    ("n_with", "n_without", "is_clear"), [(3, 3, True), (2, 3, False), (3, 2, False)]
)
def test_few_trials_are_no_evidence(n_with: int, n_without: int, is_clear: bool) -> None:
    study = optuna.create_study()
    for flag in [True] * n_with + [False] * n_without:
        study.enqueue_trial({"flag": flag})

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("flag", [True, False]):
            trial.suggest_float("x", 0.0, 1.0)
        return 1.0

    study.optimize(objective, n_trials=n_with + n_without)
    assert inferred(study) == ({"x": {"flag": [True]}} if is_clear else {})


def test_value_that_was_not_seen_leaves_a_parameter_optional() -> None:
    def objective(trial: optuna.Trial) -> float:
        choice = trial.suggest_categorical("choice", ["a", "b", "c"])
        if trial.suggest_int("n", 0, 9) >= 5:
            trial.suggest_float("of n", 0.0, 1.0)
        if choice == "a":
            trial.suggest_float("of choice", 0.0, 1.0)
        return 1.0

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for number in range(12):  # neither "c" nor 4
        study.enqueue_trial({"choice": "ab"[number % 2], "n": number % 4 + 5 * (number // 6)})
    study.optimize(objective, n_trials=12)
    assert inferred(study) == {}


def test_contradicting_queue_leaves_a_parameter_optional() -> None:
    study = played(optimizers)
    study.enqueue_trial({"width": 8})
    expected = {name: when for name, when in CONDITIONS.items() if name != "width"}
    assert inferred(study) == expected
