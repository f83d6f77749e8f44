"""Deleting studies and their trials from Django's and Optuna's schemas."""

from django.db import transaction

from access.actors import Actor
from access.domain.audit import record
from access.domain.tokens import delete_tokens
from access.models import Token
from access.models.audit_entry import Action
from studies.domain.audit import study_change
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study, StudyQuerySet


@transaction.atomic
def delete_studies(*, actor: Actor, studies: StudyQuerySet) -> int:
    """Delete the studies of a query, their trials and shares from both schemas; return how many.

    The rows are locked first, so that the audit counts every deleted trial, and in the order of
    their ids, to avoid deadlocks.
    """
    locked = list(studies.order_by("id").select_for_update(of=("self",)))
    record(
        actor,
        *(
            study_change(Action.DELETED, each, state=each.state, trials=each.n_trials)
            for each in locked
        ),
    )
    shares = Token.objects.filter(study_id__in=[each.pk for each in locked])
    if found := list(shares):
        delete_tokens(actor=actor, tokens=found)
    Study.objects.filter(pk__in=[each.pk for each in locked]).order_by("id").delete()
    return len(locked)


def delete_study(*, actor: Actor, named: NamedStudy) -> None:
    """Delete the study with a name; raises `StudyNotFound`."""
    if not delete_studies(actor=actor, studies=Study.objects.filter(name=named.name)):
        raise StudyNotFound.named(named.name)
