"""The tokens that clients may still use, and that have expired or soon will."""

from datetime import timedelta

from django.utils import timezone

from access.models import Token

SOON = timedelta(days=7)
LATELY = timedelta(days=30)  # a client of a token that expired earlier was missed long ago
MAX_TOKENS = 5


def expiring_tokens() -> list[Token]:
    """Return the tokens that expired lately or expire soon, the first of them first."""
    now = timezone.now()
    found = Token.objects.filter(revoked=False, expiry_date__range=(now - LATELY, now + SOON))
    return list(found.order_by("expiry_date", "id")[:MAX_TOKENS])
