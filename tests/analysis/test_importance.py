"""Parameter importance, compared with Optuna's evaluators."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.importance import (
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial, TrialState, create_trial
from rest_framework.test import APIClient

from analysis import importance
from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    assert_refused,
    complete,
    prune,
    start_trial,
    strict_json,
    trial_action,
)
from tests.support.database import recorded_statements
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    TWO_DIRECTIONS,
    create_analysis_study,
    play_analysis_study,
    record_objective,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning",
    "ignore:PedAnova:UserWarning",
)

NAMES = {parameter["name"] for parameter in ANALYSIS_SPACE}
EVALUATORS: dict[str, Callable[[], Any]] = {
    "fanova": lambda: FanovaImportanceEvaluator(seed=0),
    "mean_decrease_impurity": lambda: MeanDecreaseImpurityImportanceEvaluator(seed=0),
    "ped_anova": lambda: PedAnovaImportanceEvaluator(),
}


def found(api: APIClient, **query: Any) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/importance", query))


def stock(study: optuna.Study, method: str, index: int | None = None) -> dict[str, float]:
    def target(trial: FrozenTrial) -> float:
        return trial.values[index or 0]

    evaluator = EVALUATORS[method]()
    return get_param_importances(
        study, evaluator=evaluator, target=None if index is None else target
    )


def of_values(study: optuna.Study, values: Any, direction: Any) -> optuna.Study:
    """A study of these values at the points of the trials that completed."""
    one = optuna.create_study(direction=direction)
    completed = study.get_trials(states=[TrialState.COMPLETE])
    for trial, value in zip(completed, values, strict=True):
        one.add_trial(
            create_trial(value=float(value), params=trial.params, distributions=trial.distributions)
        )
    return one


def assert_shares(importances: dict[str, float], names: set[str] = NAMES) -> None:
    assert importances.keys() == names
    assert sum(importances.values()) == pytest.approx(1)
    assert list(importances.values()) == sorted(importances.values(), reverse=True)


# As Optuna says --------------------------------------------------------------------------


def test_importance_equals_optunas_fanova(api: APIClient) -> None:
    play_analysis_study(api)
    answer = found(api)
    assert_shares(answer["importances"])
    assert next(iter(answer["importances"])) == "x"
    n = len(load_optuna_study().get_trials(states=[TrialState.COMPLETE]))
    theirs = stock(load_optuna_study(), "fanova")
    assert answer == {
        "importances": theirs,
        "method": "fanova",
        "n_trials": n,
        "n_complete": n,
        "is_subsampled": False,
    }
    assert list(answer["importances"]) == list(theirs)
    assert found(api) == found(api, target_idx=0) == found(api, target="objective") == answer


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("method", EVALUATORS)
def test_importance_uses_the_requested_method(api: APIClient, method: str, direction: str) -> None:
    play_analysis_study(api, direction=direction, constraints=["load"])
    answer = found(api, method=method)
    assert answer["method"] == method
    assert_shares(answer["importances"])
    assert answer["importances"] == stock(load_optuna_study(), method)


@pytest.mark.parametrize(
    ("index", "method"),
    [(0, "fanova"), (1, "mean_decrease_impurity"), (0, "ped_anova"), (1, "ped_anova")],
)
def test_importance_is_of_the_requested_objective(api: APIClient, index: int, method: str) -> None:
    play_analysis_study(api, direction=TWO_DIRECTIONS)
    answer = found(api, target_idx=index, method=method)
    study = load_optuna_study()
    completed = study.get_trials(states=[TrialState.COMPLETE])
    alone = of_values(study, [trial.values[index] for trial in completed], TWO_DIRECTIONS[index])
    assert answer["importances"] == stock(alone, method)
    if method != "ped_anova":  # stock minimizes a target
        assert answer["importances"] == stock(study, method, index)
        assert next(iter(answer["importances"])) == ["x", "rate"][index]


@pytest.mark.parametrize(
    ("method", "constraints"),
    [("fanova", []), ("mean_decrease_impurity", ["load"]), ("ped_anova", ["load"])],
)
def test_importance_for_the_front_uses_ranks(
    api: APIClient, method: str, constraints: list[str]
) -> None:
    play_analysis_study(api, direction=TWO_DIRECTIONS, constraints=constraints)
    study = load_optuna_study()
    completed = study.get_trials(states=[TrialState.COMPLETE])
    losses = np.array([trial.values for trial in completed]) * [1, -1]
    violations = [any(each > 0 for each in t.constraints.values()) for t in completed]
    ranks = _fast_non_domination_rank(losses, penalty=np.array(violations, dtype=float))
    answer = found(api, target="front", method=method)
    assert answer["importances"] == stock(of_values(study, ranks, "minimize"), method)
    assert found(api, target="front", method=method, target_idx=1) == answer


def test_importance_for_the_front_of_one_objective_is_refused(api: APIClient) -> None:
    play_analysis_study(api, n=5)
    assert_refused(api.get(f"{STUDY_URL}/importance?target=front"), 400, "single_objective")


# Of many trials --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fanova", "ped_anova"])
@pytest.mark.parametrize("most", [19, 20])
def test_importance_of_many_trials_uses_evenly_spaced_ones(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, method: str, most: int
) -> None:
    monkeypatch.setitem(
        importance.METHODS,
        method,
        replace(importance.METHODS[method], most_trials=most),
    )
    create_analysis_study(api)
    record_objective(api, 39 if most == 20 else 19)
    answer = found(api, method=method)
    expected = {19: (19, 19, False), 20: (20, 39, True)}[most]
    assert (answer["n_trials"], answer["n_complete"], answer["is_subsampled"]) == expected
    study = load_optuna_study()
    subsample = optuna.create_study()
    subsample.add_trials(study.trials[:: 2 if most == 20 else 1])
    assert answer["importances"] == stock(subsample, method)


def test_importance_for_the_front_is_bounded(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importance, "MAX_RANKED", 10)
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_objective(api, 30, objectives=2)
    answer = found(api, target="front")
    assert (answer["n_trials"], answer["n_complete"], answer["is_subsampled"]) == (10, 30, True)


# Kept until the next trial ---------------------------------------------------------------


def test_importance_is_cached_until_the_next_finished_trial(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_analysis_study(api)
    record_objective(api, 20)
    built: list[str] = []

    def counted() -> Any:
        built.append("fanova")
        return EVALUATORS["fanova"]()

    monkeypatch.setitem(
        importance.METHODS,
        "fanova",
        replace(importance.METHODS["fanova"], build=counted),
    )
    first = found(api)
    with recorded_statements() as statements:
        assert found(api) == first
    assert (len(statements), built) == (1, ["fanova"])
    start_trial(api)
    add_trials(api, {"params": {"x": 0.5}})
    assert (found(api), built) == (first, ["fanova"])
    for n, end in enumerate(
        (
            lambda number: complete(api, "search", number, 1e3),
            lambda number: prune(api, "search", number),
            lambda number: trial_action(api, number, "fail"),
        ),
        start=2,
    ):
        number = 20 if n == 2 else start_trial(api)
        end(number)
        answer = found(api)
        assert len(built) == n
        assert answer["n_complete"] == 21
        assert answer["importances"] != first["importances"]


def test_importance_is_cached_by_study_objective_and_method(api: APIClient) -> None:
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    record_objective(api, 20, objectives=2)
    queries = [
        {"target_idx": index, "method": method} for index in (0, 1) for method in EVALUATORS
    ] + [{"target": "front", "method": "fanova"}, {"target": "front", "method": "ped_anova"}]
    answers = [found(api, **query) for query in queries]
    assert [found(api, **query) for query in queries] == answers
    assert len({tuple(answer["importances"].items()) for answer in answers}) == len(queries)
    assert api.delete(STUDY_URL).status_code == 204
    create_analysis_study(api, direction=TWO_DIRECTIONS)
    assert_refused(api.get(f"{STUDY_URL}/importance"), 400, "too_few_trials")
