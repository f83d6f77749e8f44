"""The limit of the trials that a token may have running, over all studies."""

from django.conf import settings

from access.actors import Actor
from studies.errors import TooManyRunningOfToken
from tuner_project.db.prepared import row_of

# Counts no further than the limit, and lets the token's next ask wait until this one is committed.
_RUNNING = "SELECT trials_running_of_token(%(token)s, %(most)s)"


def room_of_token(actor: Actor, n: int) -> int:
    """Return how many of n more trials MAX_RUNNING_TRIALS allows an actor, until the commit.

    It is called before a study is locked.
    """
    most, token = settings.MAX_RUNNING_TRIALS, actor.token_id
    if not most or token is None:
        return n
    row = row_of(_RUNNING, {"token": token, "most": most})
    return n if row is None else min(n, most - row[0])


def too_many_running() -> TooManyRunningOfToken:
    """Return the error for an actor that has as many running trials as it may have."""
    most = settings.MAX_RUNNING_TRIALS
    return TooManyRunningOfToken(f"{most} trials of this token run, as many as may at a time")
