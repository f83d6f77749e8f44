"""Bringing a study that stock Optuna made in its schema into Django."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import optuna
from django.conf import settings
from django.db import transaction
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from studies.models import TALLIES, Study
from studies.optuna_storage.storage import DjangoStorage
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from studies.search_space import SearchSpace, parameter_of
from trials.consistency import differences
from trials.drafts import FIXED_PARAMS
from trials.models import State, Trial


class AdoptionRefused(Exception):
    """The study cannot be represented in Django exactly as it is."""


@transaction.atomic
def adopt(*, name: str) -> Study:
    """Take over a study that exists in Optuna's schema only, with its trials and its ids.

    It gets the default sampler and pruner, as Optuna stores neither. What Django's side would
    say otherwise than Optuna's does is a reason to refuse.

    Raises:
        AdoptionRefused: with the reason in one line; nothing is changed.
    """
    storage = DjangoStorage()
    if Study.objects.filter(name=name).exists():
        raise AdoptionRefused(f'study "{name}" is in Django already')
    try:
        source = optuna.load_study(study_name=_checked_name(name), storage=storage)
    except KeyError:
        raise AdoptionRefused(f'there is no study "{name}" in Optuna\'s schema') from None
    trials = source.get_trials(deepcopy=False)
    study = _study(source, trials)
    study.save(force_insert=True)
    rows, steps = _rows(source, study, trials)
    rows[0].study_attrs = storage.get_study_system_attrs(study.id) or None
    Trial.objects.add(rows, steps)
    difference = next(differences(study), None)
    if difference:
        raise AdoptionRefused(f"it would not be the same: {difference}")
    return study


def _study(source: optuna.Study, trials: Sequence[FrozenTrial]) -> Study:
    space = _search_space(trials)
    sampler, pruner = settings.DEFAULT_SAMPLER, settings.DEFAULT_PRUNER
    if len(source.directions) > 1:
        pruner = "none"
    best = min(_front(source, trials), key=lambda trial: trial.number, default=None)
    tallies = {
        field: sum(trial.state.name == state for trial in trials)
        for state, field in TALLIES.items()
    }
    return Study(
        id=source._study_id,
        name=source.study_name,
        directions=[direction.name.lower() for direction in source.directions],
        direction_is_list=len(source.directions) > 1,
        search_space=space.parameters,
        distributions=space.distributions_json(),
        sampler=sampler,
        sampler_options=SAMPLERS[sampler].complete({}),
        pruner=pruner,
        pruner_options=PRUNERS[pruner].complete({}),
        user_attrs=source.user_attrs,
        next_number=len(trials),
        revision=1,
        **tallies,
        n_failures=sum(t.state.name == "FAIL" and t.datetime_start is not None for t in trials),
        constraints=sorted({name for trial in trials for name in trial.constraints}),
        best_number=best.number if best else None,
        best_values=best.values if best else None,
        best_internal_params=space.to_internal(best.params) if best else None,
    )


def _checked_name(name: str) -> str:
    if not name or len(name) > 256 or "/" in name or name in (".", ".."):
        raise AdoptionRefused(f'"{name}" cannot be a name here: 1 to 256 characters without "/"')
    return name


def _search_space(trials: Sequence[FrozenTrial]) -> SearchSpace:
    found: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if found.setdefault(name, distribution) != distribution:
                raise AdoptionRefused(
                    f'parameter "{name}" of trial {trial.number} is distributed as '
                    f"{distribution}, in an earlier trial as {found[name]}"
                )
    if not found:
        raise AdoptionRefused("no trial has parameters, so that there is no search space")
    return SearchSpace([parameter_of(name, each) for name, each in found.items()])


def _front(source: optuna.Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The Pareto front; of one objective, the first of the best trials."""
    if len(source.directions) > 1:
        return source.best_trials
    complete = [
        trial
        for trial in trials
        if trial.state.name == State.COMPLETE and all(c <= 0 for c in trial.constraints.values())
    ]
    sign = 1 if source.direction == StudyDirection.MINIMIZE else -1
    return sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))[:1]


def _rows(
    source: optuna.Study, study: Study, trials: Sequence[FrozenTrial]
) -> tuple[list[Trial], list[tuple[Trial, int, float]]]:
    """The trials, and their intermediate values."""
    front = {trial.number for trial in _front(source, trials)}
    rows = [_row(study, trial, trial.number in front) for trial in trials]
    steps = [
        (row, step, value)
        for row, trial in zip(rows, trials, strict=True)
        for step, value in trial.intermediate_values.items()
    ]
    return rows, steps


def _row(study: Study, trial: FrozenTrial, on_front: bool) -> Trial:
    is_waiting = trial.state.name == State.WAITING
    fixed = trial.system_attrs.get(FIXED_PARAMS, {}) if is_waiting else {}
    if faults := study.space.faults(fixed):
        name, fault = faults[0]
        raise AdoptionRefused(f'trial {trial.number} is queued with parameter "{name}": {fault}')
    if trial.constraints and sorted(trial.constraints) != study.constraints:
        raise AdoptionRefused(f"trial {trial.number} lacks a constraint that others have")
    constraints = [trial.constraints[name] for name in study.constraints if trial.constraints]
    return Trial(
        id=trial._trial_id,
        study=study,
        number=trial.number,
        state=trial.state.name,
        values=trial.values,
        internal_params=study.space.to_internal(fixed | trial.params),
        constraints=constraints or None,
        violation=sum(max(value, 0.0) for value in constraints),
        datetime_start=_aware(trial.datetime_start),
        datetime_complete=_aware(trial.datetime_complete),
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        on_front=on_front,
        revision=1,
    )


def _aware(moment: datetime | None) -> Any:
    """Optuna reads its naive UTC columns as naive local time."""
    return moment and moment.astimezone(UTC)
