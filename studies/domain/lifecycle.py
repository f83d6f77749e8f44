"""The lifecycle of a study: its states, and the budgets that complete it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from access.actors import SERVICE, Actor
from access.domain.audit import shortened
from access.models.audit_entry import Action
from optuna_bridge.space.changes import SpaceRequest
from studies.domain.audit import record_study
from studies.domain.budgets import SPACE_EXHAUSTED, check_budgets, counts_anew, used_up
from studies.domain.change_search_space import change_search_space
from studies.enums import StudyState
from studies.errors import (
    IllegalTransition,
    InvalidStudy,
    NotOpen,
    StudyCancelled,
    StudyCompleted,
    StudyPaused,
)
from studies.models import NamedStudy, Study
from studies.signals import state_entered

# The actions on a study, by the state that each leads to.
ACTIONS = {
    StudyState.PAUSED: "pause",
    StudyState.ACTIVE: "resume",
    StudyState.COMPLETED: "complete",
    StudyState.CANCELLED: "cancel",
}
_LEADS_TO: Mapping[StudyState, tuple[StudyState, ...]] = {
    StudyState.ACTIVE: (StudyState.PAUSED, StudyState.COMPLETED, StudyState.CANCELLED),
    StudyState.PAUSED: (StudyState.ACTIVE, StudyState.COMPLETED, StudyState.CANCELLED),
    StudyState.COMPLETED: (StudyState.ACTIVE, StudyState.CANCELLED),
    StudyState.CANCELLED: (),
}
_RECORDED_AS = {
    StudyState.ACTIVE: Action.RESUMED,
    StudyState.PAUSED: Action.PAUSED,
    StudyState.COMPLETED: Action.COMPLETED,
    StudyState.CANCELLED: Action.CANCELLED,
}
FAILING = "failing"
FAILURES_IN_A_ROW = 10  # that make a study without max_consecutive_failures a failing one

# Called by `change_study` within its transaction, with the locked study and the changed fields. An
# app above this one appends what it has to change then.
CHANGE_HOOKS: list[Callable[[Study, Collection[str]], None]] = []


@transaction.atomic
def change_state(
    *,
    actor: Actor,
    named: NamedStudy,
    to: StudyState,
    reason: str = "",
    stop_running: bool | None = None,
) -> Study:
    """Pause, resume, complete or cancel a study; do nothing if it is in that state already.

    `stop_running`, if given, replaces the study's: whether its running trials are told to stop once
    it is completed. A completed study can be cancelled while trials run, and resumed.

    Raises:
        StudyNotFound: There is no study with this name.
        IllegalTransition: The current state does not allow the transition.
        StudyCancelled: The study was cancelled, which is final.
        StudyCompleted: The study cannot be resumed, because a budget is used up.
    """
    study = named.locked()
    state = StudyState(study.state)
    if stop_running not in (None, study.stop_running):
        study.stop_running = bool(stop_running)
        study.save(update_fields=["stop_running"])
        record_study(actor, Action.CHANGED, study, stop_running=study.stop_running)
    if state == to:
        return study
    allowed = allowed_actions(study)
    if state == StudyState.CANCELLED:
        raise StudyCancelled(f'study "{study.name}" was cancelled, which is final', allowed=allowed)
    if ACTIONS[to] not in allowed:
        detail = f'study "{study.name}" is {state}: {ACTIONS[to]} is not possible, '
        raise IllegalTransition(f"{detail}only {' or '.join(allowed)}", allowed=allowed)
    if to == StudyState.ACTIVE:
        _resume(study, reason, actor=actor)
    else:
        enter(study, to, reason, actor=actor)
    return study


def reopen_if_room(study: Study, *, actor: Actor) -> None:
    """Resume a locked, completed study that has trials to hand out again.

    Raises:
        StudyCompleted: A budget is used up.
    """
    if study.state_reason == SPACE_EXHAUSTED:
        study.state_reason = ""  # its points may be repeated on request
    _resume(study, "", actor=actor)


def _resume(study: Study, reason: str, *, actor: Actor) -> None:
    budget = used_up(study) if study.state == StudyState.COMPLETED else None
    # A failed repeat that was queued again has room, even if another point has none.
    if budget == "max_trials" and study.repeats is not None and study.n_waiting:
        budget = None
    if budget:
        detail = f'study "{study.name}" cannot be resumed: {budget} leaves no room'
        raise StudyCompleted(detail, reason=budget, allowed=allowed_actions(study))
    study.n_consecutive_failures = 0
    enter(study, StudyState.ACTIVE, reason, actor=actor)


def allowed_actions(study: Study) -> list[str]:
    """Return the actions that a study's state allows; a used-up budget may prevent `resume`.

    A completed study is cancelled only to stop trials that still run.
    """
    leads_to = _LEADS_TO[StudyState(study.state)]
    if study.state == StudyState.COMPLETED and study.n_running == 0:
        leads_to = (StudyState.ACTIVE,)
    return [ACTIONS[each] for each in leads_to]


@transaction.atomic
def change_study(
    *,
    actor: Actor,
    named: NamedStudy,
    changes: Mapping[str, Any],
    space: SpaceRequest | None = None,
    if_version: int | None = None,
) -> Study:
    """Change budgets, retries, the lease, user attributes, names of metrics, tags and the note.

    None removes a budget, the lease, or the metric names.

    `space` is the next version of the search space (`change_search_space`).

    If a budget is used up after the change, the study is completed. `stop_after_no_improvement`
    counts anew, unless only its number of trials is another one. A lease or `max_trial_seconds`
    also applies to running trials that have none.

    Raises:
        StudyNotFound: There is no study with this name.
        InvalidBudget: A budget does not fit the number of objectives or of repeats.
        InvalidStudy: There is not one metric name for each objective, or the search space lacks
            something.
        SearchSpaceChanged, SearchSpaceIncompatible, TooManySearchSpaces
    """
    study = named.locked()
    change_search_space(study, space, if_version, actor=actor)
    check_budgets(changes, n_objectives=len(study.directions), n_repeats=study.n_repeats)
    check_metric_names(changes.get("metric_names"), n_objectives=len(study.directions))
    is_counted_anew = counts_anew(study, changes)
    for field, value in changes.items():
        setattr(study, field, value)
    if is_counted_anew:
        study.start_counting()
    study.save(update_fields=[*changes, *(Study.PROGRESS if is_counted_anew else ())])
    for hook in CHANGE_HOOKS:
        hook(study, changes.keys())
    if changes:
        details = {field: _as_recorded(field, value) for field, value in changes.items()}
        record_study(actor, Action.CHANGED, study, **details)
    complete_if_budget_is_used_up(study, actor=actor)
    pause_if_failing(study, actor=actor)
    return study


def check_metric_names(names: Sequence[str] | None, *, n_objectives: int) -> None:
    """Raise `InvalidStudy` unless there is one metric name for each objective, or none at all."""
    if names is not None and len(names) != n_objectives:
        detail = f"expected a name for each of the {n_objectives} objectives, not {len(names)}"
        raise InvalidStudy(f"metric_names: {detail}", [(("metric_names",), detail)])


def complete_if_budget_is_used_up(study: Study, *, actor: Actor) -> None:
    """Complete a locked study if a budget is used up.

    For `max_trials`, the study must also be idle, because a running trial may still fail and leave
    room. In the audit log the service is the actor, with the address and id of `actor`'s request.
    """
    if not study.is_open:
        return
    budget = used_up(study)
    if budget and (budget != "max_trials" or study.is_idle):
        enter(study, StudyState.COMPLETED, budget, actor=SERVICE.within(actor))


def pause_if_failing(study: Study, *, actor: Actor) -> None:
    """Pause a locked ACTIVE study of which too many trials have failed in a row.

    In the audit log the service is the actor, with the address and id of `actor`'s request.
    """
    if study.state == StudyState.ACTIVE and study.is_failing:
        enter(study, StudyState.PAUSED, FAILING, actor=SERVICE.within(actor))


def enter(study: Study, state: StudyState, reason: str, *, actor: Actor) -> None:
    """Set the state of a locked study, and record the change in its history and the audit log."""
    change = {"state": state.value, "reason": reason or None, "datetime": study.now.isoformat()}
    study.state, study.state_reason = state.value, reason
    study.state_history = [*study.state_history, change]
    study.save(update_fields=Study.STATE)
    state_entered.send(sender=Study, study=study)
    record_study(actor, _RECORDED_AS[state], study, reason=shortened(reason) or None)


def refusal(study: Study) -> NotOpen | None:
    """Return the error for an ask of a study that is not active, or None if it is active."""
    reason = study.state_reason or None
    because = f": {reason}" if reason else ""
    match study.state:
        case StudyState.PAUSED:
            return StudyPaused(f'study "{study.name}" is paused{because}', reason=reason)
        case StudyState.COMPLETED:
            return StudyCompleted(f'study "{study.name}" is completed{because}', reason=reason)
        case StudyState.CANCELLED:
            return StudyCancelled(f'study "{study.name}" was cancelled{because}', reason=reason)
    return None


def _as_recorded(field: str, value: Any) -> Any:
    """Return the audit log's value of a changed field; long ones are not recorded."""
    if field in ("user_attrs", "note"):
        return "…"
    return value.isoformat() if isinstance(value, datetime) else value
