"""Beginning a study with the best trials of earlier ones."""

from collections.abc import Iterator
from itertools import islice

from django.db.models import F

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain.warm_start import WarmStart
from studies.enums import WarmStartMode
from studies.errors import InvalidStudy
from studies.models import NamedStudy, Study
from trials.domain.adding.queueing import NewTrial, add_to_locked
from trials.domain.trial_result import TrialResult
from trials.models import Trial
from trials.models.front import feasible
from trials.queries.ordering import VALUE, TrialOrdering
from trials.sampling.drafts import Annotations
from trials.sampling.session import SamplerSession

MAX_STUDIES = 20  # the newest ones of those that match
_READ_PER_TRIAL = 3  # since some do not fit, and some have the same parameters
# The user attribute that names the trial from which one was taken.
TAKEN_FROM = "warm_start"


def add_best_trials(actor: Actor, study: Study, request: WarmStart) -> None:
    """Add the best trials of earlier studies to a new one, in the caller's transaction.

    Those that fit are taken: feasible, COMPLETE, of a study with the same directions. To be queued,
    a trial's parameters that the new study has must lie in its space, and the sampler draws the
    others. To be recorded, both studies must have the same parameters and constraints.

    Raises:
        InvalidStudy: A study that is named without a pattern does not exist for the actor, or has
            other directions.
        BudgetExceeded, TooManyTrials: There is no room for them.
    """
    found = [
        each
        for source in _sources(actor, study, request)
        for each in _fitting(study, source, request)
    ]
    if not study.is_multi_objective:
        (sign,) = study.signs
        found.sort(key=lambda each: sign * (each[0].judged_values or [0.0])[0])
    new = list(islice(_unique(study, found), request.top))
    if new:
        locked = NamedStudy(study.name).locked()
        add_to_locked(locked, new, _annotations(locked, new), actor=actor)


Found = tuple[Trial, NewTrial]  # an earlier trial, and what is added for it


def _sources(actor: Actor, study: Study, request: WarmStart) -> list[Study]:
    """Return the studies from which trials are taken, newest first."""
    seen = Study.objects.seen_by(actor).exclude(id=study.id)
    sources: dict[int, Study] = {}
    for position, pattern in enumerate(request.studies):
        if "*" in pattern:
            matching = seen.matching(pattern).filter(directions=study.directions)
            found = list(matching.order_by("-id")[:MAX_STUDIES])
        else:
            found = [_named(study, seen.filter(name=pattern).first(), pattern, position)]
        sources |= {each.id: each for each in found}
    return sorted(sources.values(), key=lambda each: -each.id)[:MAX_STUDIES]


def _named(study: Study, source: Study | None, name: str, position: int) -> Study:
    if source is not None and source.directions == study.directions:
        return source
    fault = f'there is no study "{name}"'
    if source is not None:
        fault = f'study "{name}" has the directions {source.directions}, not {study.directions}'
    raise InvalidStudy(f"warm_start: {fault}", [(("warm_start", "from", position), fault)])


def _fitting(study: Study, source: Study, request: WarmStart) -> Iterator[Found]:
    for trial in _best(source, _READ_PER_TRIAL * request.top):
        trial.study = source
        new = _new_trial(study, trial, request.mode)
        if new is not None:
            yield trial, new


def _best(source: Study, n: int) -> list[Trial]:
    """Return the n best feasible trials; with several objectives, of the front."""
    trials = feasible(source, Trial.objects.filter(study=source))
    if source.is_multi_objective:
        return list(trials.filter(on_front=True).order_by("number")[:n])
    (sign,) = source.signs
    if source.repeats is not None:
        value = F("group_values__0")
        return list(trials.order_by(value.asc() if sign > 0 else value.desc(), "number")[:n])
    return TrialOrdering(VALUE if sign > 0 else f"-{VALUE}").page(trials, n)


def _new_trial(study: Study, trial: Trial, mode: WarmStartMode) -> NewTrial | None:
    """Return what is added to the study for an earlier trial, or None if it does not fit."""
    space = study.space
    shared = {name: value for name, value in trial.params.items() if name in space.distributions}
    if space.value_faults(shared):
        return None
    params = space.active_only(shared)
    if not params or space.partial_faults(params):
        return None
    attrs = {TAKEN_FROM: {"study_name": trial.study.name, "trial_id": trial.number}}
    if mode == WarmStartMode.QUEUE:
        return NewTrial(params, user_attrs=attrs)
    is_same_space = params.keys() == trial.params.keys() and not space.missing(params)
    if not is_same_space or sorted(study.constraints) != sorted(trial.study.constraints):
        return None
    result = TrialResult(
        state=TrialState.COMPLETE,
        values=trial.judged_values,
        constraints=trial.judged_constraints_by_name,
        user_attrs=attrs,
    )
    return NewTrial(params, result)


def _unique(study: Study, found: list[Found]) -> Iterator[NewTrial]:
    """Yield the trials of which none before has the same parameters."""
    seen = set()
    for _, new in found:
        point = tuple(study.space.to_internal(new.params))
        if point not in seen:
            seen.add(point)
            yield new


def _annotations(study: Study, new: list[NewTrial]) -> Annotations:
    """Return what the sampler needs on recorded trials to learn from them.

    The session is not kept, since the study may yet be rolled back.
    """
    recorded = [each for each in new if each.result is not None]
    return SamplerSession(study).annotations(recorded[0].params) if recorded else Annotations()
