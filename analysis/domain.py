"""Read-only answers about a study."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analysis.errors import (
    NoCompletedTrials,
    NoFeasibleTrial,
    NoSuchObjective,
    SingleObjective,
    TooFewTrials,
)
from analysis.importance import importances
from studies.models import Study
from trials.histories import histories
from trials.models import Trial
from tuner_project.database import release_connection
from tuner_project.rest.errors import DomainError
from tuner_project.rest.numbers import finite


@dataclass(frozen=True)
class Best:
    """The best trial: of equal ones the first, of a Pareto front its first by number."""

    params: dict[str, Any]
    value: float | list[float]
    trial_id: int


@dataclass(frozen=True)
class Importance:
    """Each parameter's share of what makes the objective vary, summing to 1."""

    importances: dict[str, float]
    method: str


def best(*, study: Study) -> Best:
    """The study's best trial, among the feasible ones.

    Raises:
        NoCompletedTrials
        NoFeasibleTrial: all that completed violate constraints.
    """
    params, value, number = study.best_params, study.best_value, study.best_number
    if params is None or value is None or number is None:
        raise _no_best(study)
    return Best(params=params, value=value, trial_id=number)


def _no_best(study: Study) -> DomainError:
    violating = study.trials.filter(state="COMPLETE", violation__gt=0)
    trial = violating.order_by("violation", "number").first()
    if trial is None:
        return NoCompletedTrials(f'study "{study.name}" has no completed trial yet')
    trial.study = study
    values = [finite(value) for value in trial.values or []]
    return NoFeasibleTrial(
        f'study "{study.name}" has no feasible trial yet; trial {trial.number} violates least',
        least_violating={
            "trial_id": trial.number,
            "params": trial.params,
            "value": values if study.is_multi_objective else values[0],
            "constraints": trial.constraints_by_name,
        },
    )


def pareto_front(*, study: Study) -> Iterable[Trial]:
    """The trials that no other one beats, by number; raises `SingleObjective`."""
    if not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective: ask for its best trial')
    return study.trials.filter(on_front=True).order_by("number")


def importance(*, study: Study, target_idx: int = 0, method: str | None = None) -> Importance:
    """How much each parameter matters for the objective of this index.

    Raises:
        NoSuchObjective, TooFewTrials
        ImportanceUnavailable: the method cannot be computed.
    """
    objectives = len(study.directions)
    if not 0 <= target_idx < objectives:
        raise NoSuchObjective(f"target_idx is {target_idx}; expected 0 to {objectives - 1}")
    if study.n_complete < 2:
        raise TooFewTrials(f"{study.n_complete} trials have completed; at least 2 are needed")
    history = histories.of(study)
    history.sync()
    release_connection()  # the evaluators take seconds
    shares, used = importances(history, target_idx=target_idx, method=method)
    return Importance(importances=shares, method=used)
