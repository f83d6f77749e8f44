"""The best trial and the Pareto front of a study."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from analysis.errors import NoCompletedTrials, NoFeasibleTrial, SingleObjective
from optuna_bridge.repeats.aggregates import standard_errors
from studies.models import Study
from trials.models import Trial
from tuner_project.errors import DomainError
from tuner_project.rest.numbers import finite


@dataclass(frozen=True)
class Best:
    """The best trial: the first of equally good ones, or of the Pareto front, by number."""

    params: dict[str, Any]
    value: float | list[float]
    trial_id: int
    metric_names: list[str] | None
    repeats: "BestRepeats | None" = None


@dataclass(frozen=True)
class BestRepeats:
    """The completed repeats of the best point, whose aggregate is its value.

    `standard_error` is that of their mean, for each objective; None for one repeat.
    """

    trial_ids: list[int]
    values: list[float | list[float]]
    standard_error: float | list[float] | None


def best(*, study: Study) -> Best:
    """Return the study's best feasible trial.

    Raises:
        NoCompletedTrials: No trial has completed yet.
        NoFeasibleTrial: All completed trials violate a constraint.
    """
    params, value, number = study.best_params, study.best_value, study.best_number
    if params is None or value is None or number is None:
        raise _no_best(study)
    return Best(
        params=params,
        value=value,
        trial_id=number,
        metric_names=study.metric_names,
        repeats=None if study.repeats is None else _repeats_of(study, number),
    )


def _repeats_of(study: Study, group: int) -> BestRepeats:
    complete = study.trials.filter(repeat_group=group, state="COMPLETE").order_by("number")
    found = {number: values or [] for number, values in complete.values_list("number", "values")}
    errors = standard_errors(list(found.values()))
    is_multi = study.is_multi_objective
    return BestRepeats(
        trial_ids=list(found),
        values=[each if is_multi else each[0] for each in found.values()],
        standard_error=errors if errors is None or is_multi else errors[0],
    )


def _no_best(study: Study) -> DomainError:
    group = "" if study.repeats is None else "group_"
    violation = f"{group}violation"
    violating = study.trials.filter(**{f"{group}state": "COMPLETE", f"{violation}__gt": 0})
    trial = violating.order_by(violation, "number").first()
    if trial is None:
        return NoCompletedTrials(f'study "{study.name}" has no completed trial yet')
    trial.study = study
    values = [finite(value) for value in trial.judged_values or []]
    constraints = trial.judged_constraints_by_name or {}
    return NoFeasibleTrial(
        f'study "{study.name}" has no feasible trial yet; trial {trial.number} violates least',
        least_violating={
            "trial_id": trial.number,
            "params": trial.params,
            "value": values if study.is_multi_objective else values[0],
            "constraints": {name: finite(value) for name, value in constraints.items()},
        },
    )


def pareto_front(*, study: Study) -> "QuerySet[Trial]":
    """Return the trials on the Pareto front, by number.

    Raises:
        SingleObjective: The study has one objective.
    """
    if not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective: ask for its best trial')
    return study.trials.filter(on_front=True).order_by("number")
