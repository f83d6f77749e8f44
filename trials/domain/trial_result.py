"""The result of a trial: whether it fits the study, and how it changes the trial."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optuna_bridge.constraints import constraint_attrs, total_violation
from optuna_bridge.enums import TrialState
from optuna_bridge.pruners.registry import corrected_attrs
from optuna_bridge.pruners.steps import changed_steps, same_number
from studies.models import Study
from trials.domain.fencing import UNFENCED, FencingToken
from trials.errors import InvalidResult, LeaseLost, TrialFinished, TrialNotRunning
from trials.models import Trial
from tuner_project.json_values import same_json

Steps = list[tuple[Trial, int, float]]


class StepChanges(NamedTuple):
    """The intermediate values to store: (trial, step, value), and the steps that had another."""

    changed: Steps
    replaced: list[int]


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial. `values` has one number for each objective, for COMPLETE only.

    `retry` asks for another attempt at a failed trial; None if the client left it out. An
    `infeasible` trial is FAIL, and an answer: its parameters cannot be evaluated. `fence` says
    which trial the client means.
    """

    state: TrialState
    values: Sequence[float] | None = None
    intermediate_values: Mapping[int, float] = field(default_factory=dict)
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    constraints: Mapping[str, float] | None = None
    reason: str = ""
    retry: bool | None = None
    infeasible: bool = False
    fence: FencingToken = UNFENCED


def check_result(study: Study, result: TrialResult) -> None:
    """Check that the numbers of values and the names of constraints are those of the study.

    A COMPLETE trial needs all constraints; others may leave them out.

    Raises:
        InvalidResult: they are not.
    """
    expected = len(study.directions)
    if result.values is not None and len(result.values) != expected:
        detail = f"the study has {expected} objectives, but {len(result.values)} values were given"
        raise InvalidResult(detail, [(("values",), detail)])
    if result.constraints is None:
        if result.state == TrialState.COMPLETE and study.constraints:
            names = ", ".join(study.constraints)
            detail = f"the study has constraints, each of which needs a number: {names}"
            raise InvalidResult(detail, [(("constraints",), detail)])
        return
    faults = [
        (("constraints", name), f'the study has no constraint "{name}"')
        for name in result.constraints
        if name not in study.constraints
    ] + [
        (("constraints", name), f'constraint "{name}" is missing: expected a number')
        for name in study.constraints
        if name not in result.constraints
    ]
    if faults:
        raise InvalidResult(faults[0][1], faults)


def is_repeated(trial: Trial, result: TrialResult) -> bool:
    """Return whether the trial has already ended with this result; False while it is running.

    Raises:
        TrialNotRunning: it waits in the queue.
        NotHolder: it was handed out to another worker.
        LeaseLost: it was failed because its lease had expired.
        TrialFinished: it ended with another result.
    """
    check_is_held(trial, result.fence)
    if not TrialState(trial.state).is_finished:
        return False
    if not _agrees(trial, result):
        raise TrialFinished(f"trial {trial.number} has ended already: {_described(trial)}")
    return True


def check_is_held(trial: Trial, fence: FencingToken) -> None:
    """Check that the trial has been handed out as `fence` says, and has not lost its lease.

    The caller has checked the study, before it looked for the trial.

    Raises:
        TrialNotRunning: it waits in the queue.
        NotHolder: it was handed out to another worker.
        LeaseLost: it was failed because its lease had expired.
    """
    if trial.state == TrialState.WAITING:
        raise TrialNotRunning(f"trial {trial.number} is WAITING: it has not been handed out yet")
    fence.check_holder(trial)
    if trial.has_lost_lease:
        raise LeaseLost.of_trial(trial.number, trial.retried_as)


def apply_result(trial: Trial, result: TrialResult) -> Steps:
    """Apply a result to a trial, and return its new and replaced intermediate values."""
    study = trial.study
    steps = _take_last_steps(trial, result.intermediate_values)
    trial.state = result.state
    trial.values = _final_values(trial, result)
    trial.user_attrs = trial.user_attrs | dict(result.user_attrs)
    trial.reason = result.reason
    trial.is_retry_wanted = bool(result.retry)
    trial.infeasible = result.infeasible
    trial.lease_expires_at = None
    if result.constraints is not None:
        named = {name: result.constraints[name] for name in study.constraints}
        trial.constraints = list(named.values())
        trial.violation = total_violation(named.values())
        trial.system_attrs = trial.system_attrs | constraint_attrs(named)
    mark_front(study, [trial])
    return steps


def mark_front(study: Study, trials: Sequence[Trial]) -> None:
    """Mark the ended trials that may be the study's best one, or on its Pareto front.

    With one objective each is compared with the best before it. With several, they are compared
    with the front, and with each other, when they are stored. Of a study with repeats, groups of
    trials are compared instead, when they are stored.
    """
    if study.repeats is not None:
        return
    complete = [
        (trial, trial.values)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.values is not None and trial.violation == 0
    ]
    for trial, values in complete:
        trial.on_front = study.may_be_best(values, trial.number)
        if trial.on_front and not study.is_multi_objective:  # the next one is compared with it
            study.remember_best(trial.number, values, trial.internal_params)


def take_steps(trial: Trial, reported: Mapping[int, float]) -> StepChanges:
    """Set intermediate values of the trial; of a step the last value counts."""
    stored = trial.intermediate_values
    changed = changed_steps(stored, reported)
    merged = sorted((stored | changed).items())
    trial.steps = [step for step, _ in merged]
    trial.step_values = [value for _, value in merged]
    return StepChanges(
        [(trial, step, value) for step, value in changed.items()], sorted(changed.keys() & stored)
    )


def _take_last_steps(trial: Trial, reported: Mapping[int, float]) -> Steps:
    """Set intermediate values that no pruner decides about, and what earlier decisions stored."""
    old = trial.intermediate_values
    steps = take_steps(trial, reported)
    if steps.replaced:
        study = trial.study
        attrs = corrected_attrs(
            study.pruner,
            study.pruner_options,
            trial.system_attrs,
            study_name=study.name,
            number=trial.number,
            old=old,
            new=trial.intermediate_values,
        )
        trial.replace_system_attrs(attrs)
    return steps.changed


def _final_values(trial: Trial, result: TrialResult) -> list[float] | None:
    """Return the trial's values; a pruned trial's is its last intermediate value, as in Optuna."""
    if result.state != TrialState.PRUNED:
        return None if result.values is None else list(result.values)
    if trial.study.is_multi_objective or not trial.steps or math.isnan(trial.step_values[-1]):
        return None
    return [trial.step_values[-1]]


def _agrees(trial: Trial, result: TrialResult) -> bool:
    """Return whether a finished trial contains everything in the result."""
    stored = trial.intermediate_values
    return (
        trial.state == result.state
        and (result.values is None or trial.values == list(result.values))
        and (result.constraints is None or trial.constraints_by_name == result.constraints)
        and result.reason in ("", trial.reason)
        and result.retry in (None, trial.is_retry_wanted)
        and result.infeasible in (False, trial.infeasible)
        and all(
            step in stored and same_number(stored[step], value)
            for step, value in result.intermediate_values.items()
        )
        and all(
            key in trial.user_attrs and same_json(trial.user_attrs[key], value)
            for key, value in result.user_attrs.items()
        )
    )


def _described(trial: Trial) -> str:
    values = "no value" if trial.values is None else f"values {trial.values}"
    because = f", because: {trial.reason:.200}" if trial.reason else ""
    return f"it has state {trial.state} and {values}{because}"
