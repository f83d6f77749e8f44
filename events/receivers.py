"""Receivers that write events, in the transaction of the change that they report."""

from collections.abc import Sequence
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from events.domain import content
from events.domain.outbox import BEST_EVERY, add_events, add_new_best
from events.domain.throttle import Throttle
from studies.domain.lifecycle import FAILING
from studies.enums import StudyState
from studies.models import Study
from studies.signals import state_entered
from trials.models import Trial
from trials.models.statements.failure_streak import FailureStreak
from trials.signals import trials_added, trials_changed

# In the minute after this process has tried to write a new best trial, `announce_best` does.
throttle = Throttle(BEST_EVERY)


@receiver(post_save, sender=Study, dispatch_uid="events.study_saved")
def add_study_event(instance: Study, created: bool, raw: bool = False, **kwargs: Any) -> None:
    """Write that a study was created."""
    if created and not raw:
        add_events(instance, [content.created(instance)])


@receiver(state_entered, sender=Study, dispatch_uid="events.state_entered")
def add_state_event(study: Study, **kwargs: Any) -> None:
    """Write that a study has ended, or was paused since its trials fail."""
    if study.state in (StudyState.COMPLETED, StudyState.CANCELLED):
        if study.is_multi_objective:  # the first of the front is known to the database alone
            study.refresh_from_db(fields=["best_number", "best_values", "best_internal_params"])
        add_events(study, [content.completed(study)])
    elif study.state == StudyState.PAUSED and study.state_reason == FAILING and study.is_failing:
        add_events(study, [content.failing(study)])


@receiver(trials_added, sender=Trial, dispatch_uid="events.trials_added")
def add_events_of_new(improving: Sequence[Trial], **kwargs: Any) -> None:
    """Write that a recorded trial is the best one."""
    if improving:
        _add_best_event(improving)


@receiver(trials_changed, sender=Trial, dispatch_uid="events.trials_changed")
def add_events_of_changed(
    trials: Sequence[Trial],
    was: Sequence[str],
    streak: FailureStreak,
    improving: Sequence[Trial],
    **kwargs: Any,
) -> None:
    """Write that trials have failed, that many have in a row, and that one is the best."""
    study = trials[0].study
    add_events(study, list(content.of_changed_trials(study, trials, was, streak)))
    if improving:
        _add_best_event(improving)


def _add_best_event(trials: Sequence[Trial]) -> None:
    study = trials[0].study
    if throttle.is_due(study.id):
        add_new_best(study, [(trial.id, content.new_best(trial)) for trial in trials])
