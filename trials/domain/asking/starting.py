"""Starting trials for an ask: those of the queue, and new ones with all repeats of their points."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.models import Study
from trials.domain.asking.request import AskRequest
from trials.domain.repeating import form_groups, further_repeats
from trials.models import Trial
from trials.models.reservation import Reservation
from trials.projection.trial_rows import new_study_attrs
from trials.sampling.drafts import Draft
from trials.sampling.plan import Plan, mark_points
from trials.sampling.session import SamplerSession
from tuner_project.db.statements import Sent


def start_queued(
    session: SamplerSession,
    study: Study,
    queued: Sequence[Trial],
    drafts: Mapping[int, Draft],
    request: AskRequest,
) -> None:
    """Start queued trials; those with a draft get its parameters and attributes."""
    others = _other_repeats(study, queued, drafts)
    for trial in queued:
        draft = drafts.get(trial.point_number)
        if draft is not None:
            draft.reserve(trial.point_number)
            if request.fixed:
                trial.system_attrs |= {FIXED_PARAMS: {**request.fixed, **trial.params}}
            trial.internal_params = session.internal_params(draft, trial.internal_params)
        if draft is not None and not trial.is_further_repeat:
            trial.system_attrs = trial.system_attrs | draft.system_attrs
            added = new_study_attrs(study, draft.study_attrs)
            trial.study_attrs = {**(trial.study_attrs or {}), **added} or None
        trial.lease_seconds = request.lease.of(study)
        trial.space_version = study.search_space_version
        _hand_out(trial, study.now, study.max_trial_seconds, request)
    for trial in others:
        draft = drafts[trial.point_number]
        trial.internal_params = session.internal_params(draft, trial.internal_params)
        trial.system_attrs = {FIXED_PARAMS: trial.params}
    changed = [*queued, *others]
    mark_points(session, changed, list(drafts.values()), are_queued=True)
    if queued:
        Trial.objects.change(study, changed, was=[TrialState.WAITING] * len(changed))


def _other_repeats(
    study: Study, queued: Sequence[Trial], drafts: Mapping[int, Draft]
) -> list[Trial]:
    """Return the repeats that go on waiting, of points whose last parameters are drawn now."""
    incomplete = {
        trial.point_number
        for trial in queued
        if trial.point_number in drafts and not trial.has_all_params
    }
    if study.repeats is None or not incomplete:
        return []
    return Trial.objects.waiting_repeats(study, incomplete, but=queued)


def send_reserve(
    study: Study, n: int, request: AskRequest, *, passes_queue: bool = False
) -> Sent[Reservation]:
    """Reserve n new trials to start, and the other repeats of their points, which wait."""
    return Trial.objects.send_reserve_running(
        study,
        n,
        request.lease,
        n_waiting=-n % study.n_repeats,
        passes_queue=passes_queue,
    )


def start_new(
    session: SamplerSession, reserved: Reservation, plan: Plan, request: AskRequest, n: int
) -> list[Trial]:
    """Store new trials under the numbers that were reserved for them, and return the first n.

    Those start. In a study with repeats, each point has a group of trials with numbers in a row, of
    which the last one's may have to wait.
    """
    study = session.study
    # The same attribute as Optuna's `enqueue_trial` sets.
    fixed = {FIXED_PARAMS: dict(request.fixed)} if request.fixed else {}
    trials: list[Trial] = []
    points: list[Trial] = []
    for index in range(0, len(reserved.ids), study.n_repeats):
        number = reserved.first_number + index
        draft = plan.new_draft(index // study.n_repeats, number)
        draft.reserve(number)
        trial = Trial.reserved(
            reserved,
            index,
            study=study,
            internal_params=session.internal_params(draft),
            system_attrs=draft.system_attrs | fixed,
            study_attrs=draft.study_attrs or None,
        )
        points.append(trial)
        trials += [trial, *further_repeats(trial, reserved, index)]
    mark_points(session, points, plan.new[: len(points)])
    for trial in trials[:n]:
        trial.lease_seconds = reserved.lease_seconds
        trial.space_version = study.search_space_version
        _hand_out(trial, reserved.now, reserved.max_trial_seconds, request)
    form_groups(study, trials)
    Trial.objects.add(trials)
    return trials[:n]


def _hand_out(
    trial: Trial, now: datetime, max_trial_seconds: float | None, request: AskRequest
) -> None:
    trial.state = TrialState.RUNNING
    trial.datetime_start = now
    trial.worker_id = request.worker_id
    trial.token = request.actor.token_id
    trial.renew_lease(now, max_trial_seconds)
    trial.steps, trial.step_values = [], []
