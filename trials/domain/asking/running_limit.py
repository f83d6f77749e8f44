"""The limit of the number of running trials of one token, over all studies."""

from django.conf import settings

from access.actors import Actor
from studies.errors import TooManyRunningOfToken
from tuner_project.db.prepared import row_of

# The function counts up to the limit only, and takes a lock, so that the token's next ask waits
# until this transaction ends.
_RUNNING = "SELECT trials_running_of_token(%(token)s, %(most)s)"


def room_of_token(actor: Actor, n: int) -> int:
    """Return how many of n further trials MAX_RUNNING_TRIALS allows an actor, until the commit.

    To be called before a study is locked.
    """
    most, token = settings.MAX_RUNNING_TRIALS, actor.token_id
    if not most or token is None:
        return n
    row = row_of(_RUNNING, {"token": token, "most": most})
    return n if row is None else min(n, most - row[0])


def too_many_running() -> TooManyRunningOfToken:
    """Return the error for an actor that has reached its limit of running trials."""
    most = settings.MAX_RUNNING_TRIALS
    return TooManyRunningOfToken(f"{most} trials of this token run, as many as may at a time")
