"""What nobody needs any more of this app; `purge` deletes it."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Greatest, Now

from access.models import Token
from tuner_project.leftovers import delete_in_batches


def delete_dead_tokens() -> tuple[str, int]:
    """Tokens that let nobody in, and have not for KEEP_DEAD_TOKENS_DAYS.

    When one was revoked is not kept: it counts from its last use, or from when it was made.
    """
    long_ago = Now() - timedelta(days=settings.KEEP_DEAD_TOKENS_DAYS)
    tokens = Token.objects.annotate(seen=Greatest("created", "last_used_at"))
    dead = tokens.filter(Q(expiry_date__lt=long_ago) | Q(revoked=True, seen__lt=long_ago))
    return "dead tokens", delete_in_batches(dead)
