"""Deletion of expired and revoked tokens."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from access.models import Token


def purge() -> str:
    written = StringIO()
    call_command("purge", stdout=written)
    return written.getvalue()


def test_unusable_tokens_are_deleted_after_their_retention(
    token: Callable[..., tuple[Token, str]], settings: Any
) -> None:
    settings.KEEP_DEAD_TOKENS_DAYS = 10
    old, new = (timezone.now() - timedelta(days=days) for days in (11, 9))
    changed: dict[str, dict[str, Any]] = {
        "in use": {"created": old, "last_used_at": new},
        "unused": {"created": old},
        "expired long ago": {"created": old, "expiry_date": old},
        "expired": {"created": old, "expiry_date": new},
        "revoked long ago": {"created": old, "last_used_at": old, "revoked": True},
        "revoked unused": {"created": old, "revoked": True},
        "revoked": {"created": old, "last_used_at": new, "revoked": True},
    }
    for name, changes in changed.items():
        made, _ = token(name=name)
        Token.objects.filter(pk=made.pk).update(**changes)
    assert "deleted 3 dead tokens\n" in purge()
    kept = Token.objects.order_by("pk").values_list("name", flat=True)
    assert list(kept) == ["in use", "unused", "expired", "revoked"]
