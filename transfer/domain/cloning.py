"""Cloning a study, with those of its trials that fit the search space of the clone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from access.actors import Actor
from access.models.audit_entry import Action
from studies.domain import Definition, check_sampler_is_installed, new_study
from studies.domain.audit import record_study
from studies.domain.change_search_space import constrain
from studies.enums import Duplicates
from studies.errors import BudgetExceeded, InvalidStudy
from studies.models import NamedStudy, Study
from transfer.domain.attachments import with_attachments
from transfer.domain.importing import save_new, store_versions
from transfer.domain.kept_trials import KeptTrials
from transfer.domain.trial_writer import TrialWriter
from trials.domain.finish_trial import complete_if_used_up
from trials.models import Trial
from trials.projection.consistency import snapshot
from trials.queries.chunks import chunks_of
from tuner_project.errors import DomainError, FieldError


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
    defaults: Mapping[str, Any] | None = None,
    exclude: Sequence[int] = (),
    watched: Callable[[Iterable[Trial]], Iterable[Trial]] = iter,
) -> Clone:
    """Create an active copy of a study, with changes.

    `changes` may contain the search space, the constraints between parameters, the sampler, the
    pruner, their options, user attributes, duplicates, budgets, retries and the lease. Options that
    are left out are those of the source, or the defaults if the sampler or pruner is another one.
    `KeptTrials` chooses the trials. With the source's search space the clone has its versions, too;
    another one is the first version.

    Args:
        actor: The actor that clones.
        named: The source.
        name: The name of the clone.
        changes: The fields that differ.
        with_trials: Whether trials are kept.
        defaults: Values for the parameters that finished trials lack.
        exclude: The numbers of trials that are left out.
        watched: Wraps the trials, and raises an error once the clone is no longer wanted.

    Raises:
        StudyNotFound: The source does not exist, or the actor may not see the new name.
        StudyExists: The new name exists.
        InvalidStudy, InvalidBudget: As in `create_study`; or a default is not in the search space,
            or an excluded trial does not exist.
        BudgetExceeded: The kept trials would use up `max_trials`.
        BudgetUsedUp: The kept trials reach `target_value` or `max_failures`, or `deadline` has
            passed.
        TooManyStudies, TooManyTrials: The limit of studies or trials is reached.
    """
    with snapshot(mode="READ WRITE"):
        source = named.one()
        definition = _definition(source, name, changes)
        study = _study(source, definition, keeps_space="search_space" not in changes)
        check_sampler_is_installed(study.sampler)
        _check_trials(source, study, defaults or {}, exclude)
        save_new(study, actor)
        if "search_space" not in changes:
            store_versions(study, source.search_space_versions.order_by("version"))
        writer = TrialWriter(study)
        kept = KeptTrials(source, study, defaults or {}, exclude)
        for trial, size in kept.copies(watched(_trials_of(source)) if with_trials else ()):
            writer.put(trial, size)
        writer.finish()
        record_study(actor, Action.CLONED, study, source=source.name, trials=writer.n_written)
        clone = NamedStudy(name).locked()
        _check_budgets(clone)
        complete_if_used_up(clone, actor=actor)
        return Clone(clone, writer.n_written, source.n_trials - writer.n_written)


def _definition(source: Study, name: str, changes: Mapping[str, Any]) -> Definition:
    return Definition(
        name=name,
        search_space=changes.get("search_space", source.current.parameters),
        direction=source.direction,
        **_kind("sampler", source, changes),
        **_kind("pruner", source, changes),
        constraints=source.constraints,
        parameter_constraints=changes.get("parameter_constraints", source.parameter_constraints),
        duplicates=changes.get("duplicates", _duplicates(source)),
        pruning_direction=source.pruning_direction or None,
        repeats=source.repeats,
        user_attrs=changes.get("user_attrs", source.user_attrs),
        metric_names=changes.get("metric_names", source.metric_names),
        life={field: changes.get(field, getattr(source, field)) for field in Study.LIFE},
    )


def _study(source: Study, definition: Definition, *, keeps_space: bool) -> Study:
    """Return the clone, not stored yet; it may keep all versions of the source's search space."""
    if not keeps_space:
        return new_study(definition)
    # The constraints between parameters may contain retired ones.
    study = new_study(replace(definition, parameter_constraints=None))
    for field in ("search_space", "distributions", "search_space_version", "current_space"):
        setattr(study, field, getattr(source, field))
    constrain(study, definition.parameter_constraints or ())
    return study


def _duplicates(source: Study) -> str | None:
    """Return the source's rule; None for the default, which depends on the sampler."""
    return None if source.duplicates == Duplicates.ALLOW else source.duplicates


def _kind(what: str, source: Study, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition's fields of the sampler or pruner and its options."""
    kind = changes.get(what, getattr(source, what))
    options = getattr(source, f"{what}_options") if kind == getattr(source, what) else {}
    return {what: kind, f"{what}_options": {**options, **changes.get(f"{what}_options", {})}}


def _trials_of(source: Study) -> Iterator[Trial]:
    """Yield the trials of a study by number, without the attributes and logs that no copy has."""
    trials = source.trials.with_steps().defer("system_attrs", "study_attrs")
    for chunk in with_attachments(chunks_of(source, trials), with_logs=False):
        yield from chunk


def _check_trials(
    source: Study, study: Study, defaults: Mapping[str, Any], exclude: Sequence[int]
) -> None:
    """Raise `InvalidStudy` for a default outside the space, or a trial that does not exist."""
    outside = study.space.value_faults(defaults)
    faults = [FieldError(("defaults", name), text) for name, text in outside]
    faults += [
        FieldError(("exclude", index), f'there is no trial {number} in study "{source.name}"')
        for index, number in enumerate(exclude)
        if number >= source.next_number
    ]
    if faults:
        raise InvalidStudy(str(faults[0]), faults)


def _check_budgets(study: Study) -> None:
    """Raise an error if the locked clone would be completed before its first own trial."""
    if study.deadline is not None and study.deadline <= study.now:
        detail = f"the deadline, {study.deadline.isoformat()}, has passed: "
        raise BudgetUsedUp(f'{detail}give another one, or "deadline": null for none')
    if study.has_reached_target:
        detail = f"a kept trial has reached target_value, {study.target_value}: "
        raise BudgetUsedUp(f'{detail}give another one, "target_value": null, or trials: false')
    if study.max_failures is not None and study.n_failures >= study.max_failures:
        failed = f"{study.n_failures} kept trials failed"
        detail = f"max_failures is {study.max_failures}, and {failed}: "
        raise BudgetUsedUp(f'{detail}give more, "max_failures": null, exclude, or trials: false')
    is_used_up = study.is_handed_out and study.n_waiting == 0
    if study.max_trials is None or study.n_trials == 0:
        return
    if is_used_up or study.n_counted > study.max_trials:
        detail = (
            f"max_trials is {study.max_trials}, and {study.n_counted} trials are kept: "
            "give a larger max_trials, null for none, or trials: false"
        )
        raise BudgetExceeded(detail)
