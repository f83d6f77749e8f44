"""What can be done with a token."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from access.models import Token
from access.scopes import EVERY_STUDY, Scope


@transaction.atomic
def create_token(
    *, name: str, scope: Scope, studies: str = EVERY_STUDY, days: int | None = None
) -> tuple[Token, str]:
    """Make a token; answers it, and its key, which nobody can read again.

    `studies` is the pattern of the names that it sees; after `days` it expires.

    Raises:
        django.core.exceptions.ValidationError: the name or the pattern cannot be used.
    """
    expiry_date = None if days is None else timezone.now() + timedelta(days=days)
    token = Token(name=name, scope=scope, studies=studies, expiry_date=expiry_date)
    return token, keep(token)


def keep(token: Token) -> str:
    """Store a new token; answers its key."""
    key = Token.objects.assign_key(token)
    token.full_clean()
    token.save(force_insert=True)
    return key


@transaction.atomic
def revoke_token(*, token: Token) -> None:
    """Let it in no more, for good."""
    token.revoked = True
    token.save(update_fields=["revoked"])
