"""The deletion of studies that ended long ago, where `purge` is told to."""

from collections.abc import Iterator
from datetime import timedelta

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
from trials.models import Trial

# When the last change of its state was.
_LAST_CHANGE = Cast(
    KeyTextTransform("datetime", KeyTransform("-1", "state_history")), DateTimeField()
)


def purge_studies(
    *, actor: Actor, days: int, pattern: str = EVERY_STUDY, dry_run: bool = False
) -> Iterator[Study]:
    """Delete the studies that ended and were left alone for so many days, and yield each.

    That is: COMPLETED or CANCELLED, and for that long neither created nor changed in their state,
    and with no trial that began or ended since, or whose lease has run on since. The `pattern` of
    their names is as a token's: `tmp-*`. Each is deleted from both schemas in a transaction of its
    own, in which it is looked at once more. A dry run deletes none.
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
