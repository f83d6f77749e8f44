"""What is done with studies is noted in the audit, in the transaction that does it."""

from datetime import datetime
from typing import Any

from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from access.domain.audit import record, shortened
from access.models.audit_entry import Action, AuditEntry, SubjectKind
from studies.enums import StudyState
from studies.models import Study

_ENTERED = {
    StudyState.ACTIVE: Action.RESUMED,
    StudyState.PAUSED: Action.PAUSED,
    StudyState.COMPLETED: Action.COMPLETED,
    StudyState.CANCELLED: Action.CANCELLED,
}


def note_study(study: Study, action: Action, **details: Any) -> None:
    """Note what was done with a study; `details` are few and short."""
    entry = AuditEntry(
        action=action,
        kind=SubjectKind.STUDY,
        subject=study.name,
        subject_id=study.id,
        details=details,
    )
    record([entry])


@receiver(post_save, sender=Study, dispatch_uid="studies.audit_saved")
def audit_saved(
    instance: Study, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    changed = update_fields or frozenset()
    if created:
        about = {"sampler": instance.sampler, "pruner": instance.pruner}
        note_study(instance, Action.CREATED, **about, parameters=len(instance.search_space))
    elif changed >= set(Study.STATE):
        reason = shortened(instance.state_reason) or None
        note_study(instance, _ENTERED[StudyState(instance.state)], reason=reason)
    else:
        note_study(instance, Action.CHANGED, **{name: _told(instance, name) for name in changed})


@receiver(pre_delete, sender=Study, dispatch_uid="studies.audit_deleted")
def audit_deleted(instance: Study, **kwargs: Any) -> None:
    # Locked, so that nobody adds a trial that is not counted.
    stored = Study.objects.filter(pk=instance.pk).select_for_update(of=("self",)).first()
    if stored is not None:
        note_study(stored, Action.DELETED, state=stored.state, trials=stored.n_trials)


def _told(study: Study, name: str) -> Any:
    """What a field was changed to; attributes are the users' own."""
    if name not in Study.LIFE:
        return "…"
    value = getattr(study, name)
    return value.isoformat() if isinstance(value, datetime) else value
