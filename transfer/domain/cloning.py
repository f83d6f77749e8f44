"""Cloning a study, with those of its trials that fit the search space of the clone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.constraints import constraint_attrs
from optuna_bridge.enums import TrialState
from studies.domain import Definition, check_sampler_is_installed, new_study
from studies.domain.audit import record_study
from studies.errors import BudgetExceeded
from studies.models import NamedStudy, Study
from transfer.domain.exporting import CHUNK
from transfer.domain.importing import save_new
from transfer.domain.trial_writer import TrialWriter
from trials.domain.finish_trial import complete_if_used_up
from trials.models import Trial
from trials.projection.consistency import snapshot
from trials.sampling.session_registry import session_registry
from tuner_project.errors import DomainError

_KEPT_STATES = [TrialState.COMPLETE, TrialState.PRUNED]
_KEPT_FIELDS = (
    "state",
    "values",
    "datetime_start",
    "datetime_complete",
    "reason",
    "constraints",
    "violation",
    "worker_id",
    "user_attrs",
)


class BudgetUsedUp(DomainError):
    """A budget would complete the clone before its first own trial."""

    status = 409
    code = "budget_used_up"


@dataclass(frozen=True)
class Clone:
    """A new study, and how many of the source's trials were kept and left out."""

    study: Study
    n_kept: int
    n_left_out: int


def clone_study(
    *,
    actor: Actor,
    named: NamedStudy,
    name: str,
    changes: Mapping[str, Any],
    with_trials: bool = True,
) -> Clone:
    """Create an active copy of a study, with changes.

    `changes` may contain the search space, the sampler, the pruner, their options, user attributes,
    duplicates, budgets, retries and the lease. Options that are left out are those of the source,
    or the defaults if the sampler or pruner is another one. The COMPLETE and PRUNED trials that
    have a value in the new search space for each of its parameters are kept as known results.

    Raises:
        StudyNotFound: The source does not exist, or the actor may not see the new name.
        StudyExists: The new name exists.
        InvalidStudy, InvalidBudget: As in `create_study`.
        BudgetExceeded: The kept trials would use up `max_trials`.
        BudgetUsedUp: A kept trial has reached `target_value`, or `deadline` has passed.
        TooManyStudies, TooManyTrials: The limit of studies or trials is reached.
    """
    with snapshot(mode="READ WRITE"):
        source = named.one()
        study = new_study(_definition(source, name, changes))
        check_sampler_is_installed(study.sampler)
        save_new(study, actor)
        writer = TrialWriter(study)
        for trial in _fitting(source, study) if with_trials else ():
            writer.put(trial)
        writer.flush()
        record_study(actor, Action.CLONED, study, source=source.name, trials=writer.n_written)
        clone = NamedStudy(name).locked()
        _check_budgets(clone)
        complete_if_used_up(clone, actor=actor)
        return Clone(clone, writer.n_written, source.n_trials - writer.n_written)


def _definition(source: Study, name: str, changes: Mapping[str, Any]) -> Definition:
    return Definition(
        name=name,
        search_space=changes.get("search_space", source.search_space),
        direction=source.direction,
        **_kind("sampler", source, changes),
        **_kind("pruner", source, changes),
        constraints=source.constraints,
        duplicates=changes.get("duplicates", source.duplicates),
        pruning_direction=source.pruning_direction or None,
        user_attrs=changes.get("user_attrs", source.user_attrs),
        metric_names=changes.get("metric_names", source.metric_names),
        life={field: changes.get(field, getattr(source, field)) for field in Study.LIFE},
    )


def _kind(what: str, source: Study, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition's fields of the sampler or pruner and its options."""
    kind = changes.get(what, getattr(source, what))
    options = getattr(source, f"{what}_options") if kind == getattr(source, what) else {}
    return {what: kind, f"{what}_options": {**options, **changes.get(f"{what}_options", {})}}


def _fitting(source: Study, study: Study) -> Iterator[Trial]:
    """Yield copies of the source's trials that fit the new study, with new numbers."""
    note: Mapping[str, Any] | None = None
    number = 0
    for trial in _finished(source):
        params = trial.params
        if not _fits(params, study):
            continue
        kept = {name: params[name] for name in study.space.distributions}
        if note is None:  # system attributes without which the sampler ignores a trial
            note = session_registry.of(study).annotations(kept).system_attrs
        yield _kept(trial, study, number, study.space.to_internal(kept), note)
        number += 1


def _finished(source: Study) -> Iterator[Trial]:
    """Yield the COMPLETE and PRUNED trials of a study by number, read in chunks."""
    last = -1
    told = Trial.objects.with_steps().filter(study_id=source.id, state__in=_KEPT_STATES)
    while chunk := list(told.filter(number__gt=last).order_by("number")[:CHUNK]):
        for trial in chunk:
            trial.study = source
            yield trial
        last = chunk[-1].number


def _fits(params: Mapping[str, Any], study: Study) -> bool:
    kept = {name: params[name] for name in study.space.distributions if name in params}
    return len(kept) == len(study.space.distributions) and not study.space.faults(kept)


def _kept(
    trial: Trial,
    study: Study,
    number: int,
    internal_params: list[float | None],
    note: Mapping[str, Any],
) -> Trial:
    fields = {field: getattr(trial, field) for field in _KEPT_FIELDS}
    constraints = constraint_attrs(trial.constraints_by_name or {})
    kept = Trial(
        study=study,
        number=number,
        internal_params=internal_params,
        params_hash=study.point_hash(internal_params),
        system_attrs={**note, **constraints},
        **fields,
    )
    kept.steps, kept.step_values = trial.steps, trial.step_values
    return kept


def _check_budgets(study: Study) -> None:
    """Raise an error if the locked clone would be completed before its first own trial."""
    if study.deadline is not None and study.deadline <= study.now:
        detail = f"the deadline, {study.deadline.isoformat()}, has passed: "
        raise BudgetUsedUp(f'{detail}give another one, or "deadline": null for none')
    if study.has_reached_target:
        detail = f"a kept trial has reached target_value, {study.target_value}: "
        raise BudgetUsedUp(f'{detail}give another one, "target_value": null, or trials: false')
    if study.max_trials is not None and study.n_trials > 0 and study.is_handed_out:
        detail = (
            f"max_trials is {study.max_trials}, and {study.n_trials} trials are kept: "
            "give a larger max_trials, null for none, or trials: false"
        )
        raise BudgetExceeded(detail)
