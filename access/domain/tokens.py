"""The use cases of tokens: create, change, revoke, delete."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from access.actors import Actor
from access.domain.audit import Change, record
from access.models import Token
from access.models.audit_entry import Action, SubjectKind
from access.scopes import EVERY_STUDY, Scope


def create_token(
    *,
    actor: Actor,
    name: str,
    scope: Scope,
    studies: str = EVERY_STUDY,
    days: int | None = None,
) -> tuple[Token, str]:
    """Create a token.

    Args:
        actor: The actor that creates it.
        name: The name of the client that will use it.
        scope: The operations that it allows.
        studies: The pattern of the study names that it may see.
        days: The number of days after which it expires; None means never.

    Returns:
        The token, and its key, which cannot be read again.

    Raises:
        django.core.exceptions.ValidationError: The name or the pattern is invalid.
    """
    expiry_date = None if days is None else timezone.now() + timedelta(days=days)
    token = Token(name=name, scope=scope, studies=studies, expiry_date=expiry_date)
    return token, store_token(actor=actor, token=token)


@transaction.atomic
def store_token(*, actor: Actor, token: Token) -> str:
    """Store a new token and return its key.

    Raises:
        django.core.exceptions.ValidationError: One of its fields is invalid.
    """
    key = Token.objects.assign_key(token)
    token.full_clean()
    token.save(force_insert=True)
    _record(actor, Action.CREATED, token, **_terms(token), prefix=token.prefix)
    return key


@transaction.atomic
def change_token(*, actor: Actor, token: Token, fields: Iterable[str]) -> None:
    """Store the changed fields of a token, and only those."""
    changed = list(fields)
    if changed:
        token.save(update_fields=changed)
        _record(actor, Action.CHANGED, token, **_terms(token), name=token.name)


@transaction.atomic
def revoke_token(*, actor: Actor, token: Token) -> None:
    """Revoke a token permanently."""
    token.revoked = True
    token.save(update_fields=["revoked"])
    _record(actor, Action.REVOKED, token, prefix=token.prefix)


@transaction.atomic
def delete_tokens(*, actor: Actor, tokens: Iterable[Token]) -> int:
    """Delete tokens, and return how many of them still existed."""
    these = Token.objects.filter(pk__in=[token.pk for token in tokens])
    stored = list(these.order_by("pk").select_for_update())
    record(actor, *(_change(Action.DELETED, each, prefix=each.prefix) for each in stored))
    these.delete()
    return len(stored)


def _terms(token: Token) -> dict[str, Any]:
    """Return a token's scope, study pattern and expiry for the audit log."""
    expires = token.expiry_date and token.expiry_date.isoformat()
    terms = {"scope": str(token.scope), "studies": token.studies, "expires": expires}
    return terms | ({"share_of": token.study_id} if token.is_share else {})


def _record(actor: Actor, action: Action, token: Token, **details: Any) -> None:
    record(actor, _change(action, token, **details))


def _change(action: Action, token: Token, **details: Any) -> Change:
    return Change(action, SubjectKind.TOKEN, token.name, token.pk, details=details)
