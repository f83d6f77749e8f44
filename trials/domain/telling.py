"""A trial's life: ask and tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from studies.errors import StudyNotFound
from studies.fields import same_json
from studies.models import NamedStudy, Study
from trials.errors import InvalidOutcome, StepConflict, TrialFinished
from trials.histories import histories
from trials.history import History
from trials.models import State, Trial


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. `values` are one for each objective, for COMPLETE only."""

    state: State
    values: Sequence[float] | None = None
    intermediate_values: Mapping[int, float] = field(default_factory=dict)
    user_attrs: Mapping[str, Any] = field(default_factory=dict)


def ask(*, named: NamedStudy) -> Trial:
    """A new RUNNING trial for the study of a name; raises `StudyNotFound`.

    The sampler thinks before the transaction, holding nothing. Only one that must know the
    trial's number draws inside: a quasi-random one, in microseconds, and a seeded one in the rare
    case that another ask took the number that was expected; then the study's writers wait.
    """
    history = histories.known(named.name)
    if history is not None:
        try:
            return _ask(history)
        except StudyNotFound:
            histories.forget(history)  # there may be another one of the name by now
    return _ask(histories.of(named.one()))


def _ask(history: History) -> Trial:
    study = history.study
    draft = None if history.needs_number else history.sample()
    try:
        with transaction.atomic():
            reserved = Trial.objects.reserve(study, {State.RUNNING: 1})
            number = reserved.first_number
            if draft is None or (history.is_seeded and draft.trial.number != number):
                draft = history.sample_numbered(number, instead_of=draft)
            draft.number = number
            trial = Trial(
                id=reserved.ids[0],
                study=study,
                number=number,
                state=State.RUNNING,
                internal_params=study.space.to_internal(draft.trial.params),
                datetime_start=reserved.now,
                system_attrs=draft.system_attrs,
                study_attrs=draft.study_attrs or None,
                revision=reserved.revision,
            )
            Trial.objects.add([trial])
            return trial
    finally:
        if draft is not None:
            draft.is_over = True


@transaction.atomic
def tell(*, named: NamedStudy, number: int, outcome: Outcome) -> Trial:
    """End a RUNNING trial of the study of a name; the same outcome again is harmless.

    Raises:
        StudyNotFound, TrialNotFound
        InvalidOutcome: not one value for each objective.
        TrialFinished: it was told otherwise.
        StepConflict: another intermediate value of a step is stored.
    """
    study = named.locked()
    trial = Trial.objects.numbered(study, number)
    _check_number_of_values(study, outcome)
    was = State(trial.state)
    if was.is_finished:
        if not _agrees(trial, outcome):
            raise TrialFinished(f"trial {number} was told already: {_described(trial)}")
        return trial
    steps = _new_steps(trial, outcome)
    trial.state = outcome.state
    trial.values = _final_values(study, trial, outcome)
    trial.user_attrs = trial.user_attrs | dict(outcome.user_attrs)
    trial.datetime_complete = study.now
    if outcome.state == State.COMPLETE and trial.values is not None:
        trial.on_front = study.may_be_best(trial.values, number)
    Trial.objects.change(study, [trial], was=[was], steps=steps)
    return trial


def _check_number_of_values(study: Study, outcome: Outcome) -> None:
    expected = len(study.directions)
    if outcome.values is not None and len(outcome.values) != expected:
        detail = f"the study has {expected} objectives, but {len(outcome.values)} values were told"
        raise InvalidOutcome(detail, [("/values", detail)])


def _new_steps(trial: Trial, outcome: Outcome) -> list[tuple[Trial, int, float]]:
    """The intermediate values to be stored, which become part of the trial."""
    stored = trial.intermediate_values
    for step, value in outcome.intermediate_values.items():
        if step in stored and not _same(stored[step], value):
            raise StepConflict(f"step {step} is stored with {stored[step]}, and {value} was told")
    new = {step: value for step, value in outcome.intermediate_values.items() if step not in stored}
    merged = sorted((stored | new).items())
    trial.steps = [step for step, _ in merged]
    trial.step_values = [value for _, value in merged]
    return [(trial, step, value) for step, value in new.items()]


def _final_values(study: Study, trial: Trial, outcome: Outcome) -> list[float] | None:
    """A pruned trial's value is its last intermediate value, as in Optuna."""
    if outcome.state != State.PRUNED:
        return None if outcome.values is None else list(outcome.values)
    if study.is_multi_objective or not trial.steps or math.isnan(trial.step_values[-1]):
        return None
    return [trial.step_values[-1]]


def _agrees(trial: Trial, outcome: Outcome) -> bool:
    """Whether a finished trial ended just so, in all that the outcome gives."""
    stored = trial.intermediate_values
    return (
        trial.state == outcome.state
        and (outcome.values is None or trial.values == list(outcome.values))
        and all(
            step in stored and _same(stored[step], value)
            for step, value in outcome.intermediate_values.items()
        )
        and all(
            key in trial.user_attrs and same_json(trial.user_attrs[key], value)
            for key, value in outcome.user_attrs.items()
        )
    )


def _described(trial: Trial) -> str:
    values = "no value" if trial.values is None else f"values {trial.values}"
    return f"stored are state {trial.state} and {values}"


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
