"""Deletion of studies that ended long ago, and of old logs, for the command `purge`."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, OuterRef, Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Greatest, Now

from access.actors import Actor
from access.scopes import EVERY_STUDY, matches
from studies.domain import delete_study
from studies.enums import StudyState
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study, StudyQuerySet
from trials.models import Trial, TrialLog
from tuner_project.cleanup import delete_in_batches

# The time of a study's last change of state.
_LAST_CHANGE = Cast(
    KeyTextTransform("datetime", KeyTransform("-1", "state_history")), DateTimeField()
)


def purge_studies(
    *, actor: Actor, days: int, pattern: str = EVERY_STUDY, dry_run: bool = False
) -> Iterator[Study]:
    """Delete the ended studies that have been inactive for the given days, and yield each.

    Such a study is COMPLETED or CANCELLED. Within these days, it was neither created nor changed
    its state, no trial of it started or ended, and no lease of its trials was still valid. Names
    are matched by `pattern` as for tokens, for example `tmp-*`. Each study is checked again and
    deleted from both schemas in its own transaction. A dry run deletes nothing.
    """
    names = _left_alone(days).order_by("id").values_list("name", flat=True)
    for name in [name for name in names if matches(pattern, name)]:
        with transaction.atomic():
            try:
                study = NamedStudy(name).locked()
            except StudyNotFound:
                continue  # deleted meanwhile
            if not _left_alone(days).filter(pk=study.pk).exists():
                continue  # resumed meanwhile
            if not dry_run:
                delete_study(actor=actor, named=NamedStudy(name))
        yield study


def delete_old_logs() -> tuple[str, int]:
    """Delete the logs of trials that were not written for KEEP_LOGS_DAYS; by default, none."""
    deleted = 0
    if settings.KEEP_LOGS_DAYS:
        since = Now() - timedelta(days=settings.KEEP_LOGS_DAYS)
        deleted = delete_in_batches(TrialLog.objects.filter(written_at__lt=since))
    return "old logs of trials", deleted


def _left_alone(days: int) -> StudyQuerySet:
    ended = [state.value for state in StudyState if not state.is_open]
    since = Now() - timedelta(days=days)
    trials = Trial.objects.filter(study=OuterRef("pk")).filter(
        Q(datetime_start__gt=since) | Q(datetime_complete__gt=since) | Q(lease_expires_at__gt=since)
    )
    return (
        Study.objects.filter(state__in=ended)
        .annotate(last_change=Greatest("created_at", _LAST_CHANGE))
        .filter(~Exists(trials), last_change__lte=since)
    )
