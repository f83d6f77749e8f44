"""Bringing a study that stock Optuna made in its schema into Django."""

from collections.abc import Sequence

import optuna
from django.conf import settings
from django.db import transaction
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from studies.models import TALLIES, Study
from studies.optuna_storage.storage import DjangoStorage
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from trials.consistency import differences
from trials.foreign import (
    AdoptionRefused,
    aware,
    checked_name,
    constraint_names,
    constraints_of,
    params_of,
    search_space_of,
)
from trials.models import State, Trial


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
        source = optuna.load_study(study_name=checked_name(name), storage=storage)
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
    space = search_space_of(trials)
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
        constraints=constraint_names(trials),
        best_number=best.number if best else None,
        best_values=best.values if best else None,
        best_internal_params=space.to_internal(best.params) if best else None,
    )


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
    params = params_of(trial, study.space)
    constraints = list(constraints_of(trial, study.constraints).values())
    return Trial(
        id=trial._trial_id,
        study=study,
        number=trial.number,
        state=trial.state.name,
        values=trial.values,
        internal_params=study.space.to_internal(params),
        constraints=constraints or None,
        violation=sum(max(value, 0.0) for value in constraints),
        datetime_start=aware(trial.datetime_start),
        datetime_complete=aware(trial.datetime_complete),
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        on_front=on_front,
        revision=1,
    )
