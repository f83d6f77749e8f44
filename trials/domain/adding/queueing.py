"""Adding trials without an ask: queued trials, and results that are already known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.domain.lifecycle import refusal
from studies.domain.limits import check_room_for_trials
from studies.models import NamedStudy, Study
from trials.domain.audit import record_trials
from trials.domain.finish_trial import (
    FinishedTrial,
    check_budget,
    complete_if_used_up,
    finish_trials,
)
from trials.domain.locking import lock_trial
from trials.domain.param_faults import param_faults
from trials.domain.repeating import form_groups, further_repeats
from trials.domain.trial_limits import check_n_steps
from trials.domain.trial_result import Steps, TrialResult, apply_result, check_result
from trials.errors import InvalidResult, InvalidTrial, TrialNotWaiting
from trials.models import Trial
from trials.models.repeat_fields import GroupState
from trials.models.reservation import Reservation
from trials.sampling.drafts import Annotations
from trials.sampling.session_registry import session_registry
from tuner_project.db.pipelines import pipelined, pipelined_transaction
from tuner_project.errors import FieldError, FieldPath

CANCELLED = "cancelled"
MAX_PARTIAL = 100  # trials of a request for which feasible points are searched
MAX_ADDED = 10_000  # trials of one request, with all repeats


@dataclass(frozen=True)
class NewTrial:
    """A trial to add.

    Without a result, it is queued with some or all parameters fixed. With a result, it is
    finished and has all parameters.
    """

    params: Mapping[str, Any]
    result: TrialResult | None = None
    priority: int = 0  # higher first
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    at: FieldPath = ()  # its path in the request's body, for error messages

    @property
    def state(self) -> TrialState:
        return TrialState.WAITING if self.result is None else self.result.state


def add_trials(*, actor: Actor, named: NamedStudy, new: Sequence[NewTrial]) -> list[Trial]:
    """Add trials to the named study, all or none, and return them in the same order.

    Raises:
        StudyNotFound
        InvalidTrial: a parameter is missing or not in the space, or a result does not fit the
            study.
        StudyCompleted, StudyCancelled
        BudgetExceeded: `max_trials` does not allow so many.
        TooManyTrials
    """
    checked = named.one()
    _check(checked, new)
    recorded = [each for each in new if each.result is not None]
    annotations = Annotations()
    if recorded:
        annotations = session_registry.use_anew(
            checked, lambda session: session.annotations(recorded[0].params)
        )
    with pipelined_transaction():
        study = named.locked()
        if study.id != checked.id or study.search_space_version != checked.search_space_version:
            _check(study, new)  # deleted and created again meanwhile, or changed
        return add_to_locked(study, new, annotations, actor=actor)


def add_to_locked(
    study: Study, new: Sequence[NewTrial], annotations: Annotations, *, actor: Actor
) -> list[Trial]:
    """Add trials that fit a locked study, within the caller's transaction.

    Of a point that is repeated, the first trial is returned.

    Raises the errors of `add_trials` about the study's state and budgets, and `InvalidTrial` if
    there are too many trials with all repeats.
    """
    _check_size(study, new)
    _check_room(study, new)
    return _add(study, new, annotations, actor)


@pipelined_transaction()
def cancel_trial(*, actor: Actor, named: NamedStudy, number: int) -> Trial:
    """Cancel a WAITING trial: it becomes FAIL. Cancelling it again has no effect.

    If it is a repeat of a point that no worker has got yet, the whole point is cancelled.

    Raises:
        StudyNotFound, TrialNotFound
        TrialNotWaiting: it is running, or has ended in another way.
    """
    trial = lock_trial(named, number)
    study = trial.study
    if trial.state == TrialState.WAITING:
        cancelled = [trial, *_unstarted_repeats(study, trial)]
        for each in cancelled:
            each.state, each.reason = TrialState.FAIL, CANCELLED
        finished = [FinishedTrial(each, TrialState.WAITING, Action.CANCELLED) for each in cancelled]
        finish_trials(study, finished, actor=actor)
    elif trial.datetime_start is not None or trial.state != TrialState.FAIL:
        raise TrialNotWaiting(f"trial {number} is {trial.state}: only a WAITING one is cancelled")
    return trial


def _unstarted_repeats(study: Study, trial: Trial) -> list[Trial]:
    """Return the other repeats of a WAITING trial's point if all of them wait, else none."""
    if trial.repeat_group is None:
        return []
    first = Trial.objects.get_by_number(study, trial.repeat_group)
    if first.group_state != GroupState.WAITING:
        return []
    return Trial.objects.waiting_repeats(study, [trial.repeat_group], but=[trial])


def _check(study: Study, new: Sequence[NewTrial]) -> None:
    _check_n_partial(study, new)
    faults = [fault.under(trial.at) for trial in new for fault in _faults(study, trial)]
    if faults:
        raise InvalidTrial(faults[0].detail, faults)


def _check_n_partial(study: Study, new: Sequence[NewTrial]) -> None:
    """Limit the searches for points that satisfy the constraints between parameters."""
    constraints = study.space.parameter_constraints
    if constraints is None:
        return
    n_partial = sum(any(name not in each.params for name in constraints.names) for each in new)
    if n_partial > MAX_PARTIAL:
        raise InvalidTrial(
            f"{n_partial} trials leave out parameters of parameter_constraints, and at most "
            f"{MAX_PARTIAL} of a request may: send the others in further requests"
        )


def _check_size(study: Study, new: Sequence[NewTrial]) -> None:
    """Raise `InvalidTrial` if a list of points is too long for one request, with all repeats."""
    n = sum(n_trials_of(study, each) for each in new)
    if n > MAX_ADDED:
        raise InvalidTrial(
            f"each point is repeated {study.n_repeats} times, which makes {n} trials; expected at "
            f"most {MAX_ADDED} in a request: send fewer points at a time"
        )


def _faults(study: Study, trial: NewTrial) -> list[FieldError]:
    faults = param_faults(study, trial.params, "params")
    if trial.result is None:
        return faults
    if not (faults and study.space.is_conditional):  # then the active ones are not known
        faults += [
            FieldError(("params", name), f'parameter "{name}" is missing: a finished trial has all')
            for name in study.current.space.missing(trial.params)
            if name not in study.current.constants
        ]
    try:
        check_result(study, trial.result)
        check_n_steps((), trial.result.intermediate_values)
    except InvalidResult as error:
        faults += error.errors or [FieldError((), error.detail)]
    return faults


def _check_room(study: Study, new: Sequence[NewTrial]) -> None:
    if not study.is_open and (error := refusal(study)):
        raise error
    sizes = [(trial.state, n_trials_of(study, trial)) for trial in new]
    check_room_for_trials(study, sum(n for _, n in sizes))
    check_budget(study, sum(n for state, n in sizes if state != TrialState.FAIL))


def _add(
    study: Study, new: Sequence[NewTrial], annotations: Annotations, actor: Actor
) -> list[Trial]:
    states: Counter[str] = Counter()
    for each in new:
        states[each.state] += n_trials_of(study, each)
    reserved = Trial.objects.reserve(study, states)
    trials: list[Trial] = []
    stored: list[Trial] = []  # with all repeats
    steps: Steps = []
    for each in new:
        trial = _trial(study, each, reserved, len(stored))
        if each.result is not None:
            trial.steps, trial.step_values = [], []
            trial.system_attrs = dict(annotations.system_attrs)
            trial.datetime_start = trial.datetime_complete = reserved.now
            steps += apply_result(trial, each.result)
        trials.append(trial)
        stored.append(trial)
        if each.result is None:
            stored += further_repeats(trial, reserved, len(stored) - 1)
    form_groups(study, stored)
    if annotations.study_attrs:
        first = next(trial for trial in trials if trial.state != TrialState.WAITING)
        first.study_attrs = dict(annotations.study_attrs)
    with pipelined():
        Trial.objects.add(stored, steps, study=study, are_results=True)
        record_trials(actor, study, [(_recorded_as(trial), trial) for trial in trials])
    complete_if_used_up(study, actor=actor)
    return trials


def n_trials_of(study: Study, new: NewTrial) -> int:
    """Return how many trials are added for one: a queued one is repeated, a known result is not."""
    return study.n_repeats if new.result is None else 1


def _recorded_as(trial: Trial) -> Action:
    return Action.QUEUED if trial.state == TrialState.WAITING else Action.RECORDED


def _trial(study: Study, new: NewTrial, reserved: Reservation, index: int) -> Trial:
    params = {**study.current.constants, **new.params}
    internal_params = study.space.to_internal(params)
    return Trial.reserved(
        reserved,
        index,
        study=study,
        state=TrialState.WAITING,
        internal_params=internal_params,
        params_hash=study.point_hash(internal_params),
        space_version=study.search_space_version,
        priority=new.priority,
        user_attrs=dict(new.user_attrs),
        # The same attribute as Optuna's `enqueue_trial` sets.
        system_attrs={FIXED_PARAMS: study.space.to_external(internal_params)},
    )
