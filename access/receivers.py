"""What is done with tokens is noted in the audit, in the transaction that does it."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from access.domain.audit import record
from access.models import Token
from access.models.audit_entry import Action, AuditEntry, SubjectKind


@receiver(post_save, sender=Token, dispatch_uid="access.audit_saved_token")
def audit_saved(
    instance: Token,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    if raw:
        return
    expires = instance.expiry_date and instance.expiry_date.isoformat()
    details = {"scope": str(instance.scope), "studies": instance.studies, "expires": expires}
    if created:
        _record(instance, Action.CREATED, details | {"prefix": instance.prefix})
    elif update_fields == frozenset({"revoked"}):
        _record(instance, Action.REVOKED, {"prefix": instance.prefix})
    else:
        _record(instance, Action.CHANGED, details | {"name": instance.name})


@receiver(post_delete, sender=Token, dispatch_uid="access.audit_deleted_token")
def audit_deleted(instance: Token, **kwargs: Any) -> None:
    _record(instance, Action.DELETED, {"prefix": instance.prefix})


def _record(token: Token, action: Action, details: dict[str, Any]) -> None:
    entry = AuditEntry(
        action=action,
        kind=SubjectKind.TOKEN,
        subject=token.name,
        subject_id=token.pk,
        details=details,
    )
    record([entry])
