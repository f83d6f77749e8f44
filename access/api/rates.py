"""The rates of requests per token and per client address, counted in the database.

The generic cell rate algorithm (ITU-T I.371): for each key, the table stores the theoretical
arrival time of the next request, if requests were evenly spaced. A request may arrive at most
`BURST` seconds before it, and then advances it by one interval.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from access.models import Token
from access.models.token import USE_NOTED_EVERY
from tuner_project.db.prepared import rows_of, run
from tuner_project.errors import DomainError

BURST = 2  # seconds; above 1, because Retry-After is in whole seconds

# If one of the keys is over its limit, nothing is written. Rows are locked in the order of their
# keys to avoid deadlocks.
_WANTED_AND_TAKEN = f"""
wanted AS MATERIALIZED (
    SELECT key, make_interval(secs => seconds) AS every, (
               SELECT arrives_at - statement_timestamp() FROM access_ratelimit AS r
                WHERE r.key = w.key
           ) AS ahead
      FROM unnest(%(keys)s::bigint[], %(seconds)s::float8[]) AS w(key, seconds)
     WHERE {{condition}}
), taken AS (
    INSERT INTO access_ratelimit AS r (key, arrives_at)
    SELECT key, statement_timestamp() + every FROM wanted
     WHERE NOT EXISTS (SELECT FROM wanted WHERE ahead > make_interval(secs => {BURST}))
     ORDER BY key
        ON CONFLICT (key) DO UPDATE
       SET arrives_at = greatest(r.arrives_at, statement_timestamp())
                        + (excluded.arrives_at - statement_timestamp())
     WHERE r.arrives_at <= statement_timestamp() + make_interval(secs => {BURST})
    RETURNING key
)"""  # noqa: S608
_FOUND = "key, key IN (SELECT key FROM taken), coalesce(extract(epoch FROM ahead), 0)::float8"
_TOKEN_FIELDS = [field.attname for field in Token._meta.concrete_fields]
_TAKE = f"""
WITH {_WANTED_AND_TAKEN.format(condition="true")}
SELECT {_FOUND} FROM wanted
"""  # noqa: S608
# Only a request with a usable token is counted; which one it is, and whether its key is right, is
# looked up in the same turn.
_TAKE_BY_TOKEN = f"""
WITH token AS MATERIALIZED (
    SELECT * FROM access_token WHERE prefix = %(prefix)s
), usable AS MATERIALIZED (
    SELECT id FROM token
     WHERE hashed_key = %(hash)s AND NOT revoked
       AND (expiry_date IS NULL OR expiry_date > statement_timestamp())
), {_WANTED_AND_TAKEN.format(condition="EXISTS (SELECT FROM usable)")}, noted AS (
    UPDATE access_token AS t SET last_used_at = statement_timestamp() FROM usable
     WHERE t.id = usable.id
       AND coalesce(
           last_used_at <= statement_timestamp() - %(noted_every)s::interval, true)
)
SELECT {", ".join(f"token.{each}" for each in _TOKEN_FIELDS)}, {_FOUND}
  FROM token LEFT JOIN wanted ON true
"""  # noqa: S608
_GIVE_BACK = """
UPDATE access_ratelimit SET arrives_at = arrives_at - make_interval(secs => %(seconds)s)
 WHERE key = %(key)s
"""


class TooManyRequests(DomainError):
    """The token or the address has sent more requests per minute than it may: retry later."""

    status = 429
    code = "too_many_requests"

    def __init__(self, rate: "Rate", seconds: float, token: Token | None) -> None:
        self.wait = max(1, math.ceil(seconds))
        owner = rate.of or (f'the token "{token.name}"' if token else "the token")
        limit = f"{owner} may send {rate.per_minute} {rate.kind} a minute"
        super().__init__(f"{limit}: wait {self.wait} s")


@dataclass(frozen=True)
class Rate:
    """A rate limit of one token or address, for one kind of requests."""

    of: str | None  # description of the owner, for the error message; None: the token
    owner: str
    kind: str
    per_minute: int

    @property
    def key(self) -> int:
        digest = blake2b(f"{self.kind} {self.owner}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)

    @property
    def seconds(self) -> float:
        """The interval between evenly spaced requests."""
        return 60 / self.per_minute


def take(rates: Sequence[Rate]) -> None:
    """Count a request against all these limits, or none.

    Raises:
        TooManyRequests: One of the limits is reached.
    """
    if not rates:
        return
    refusal = _refusal(rates, rows_of(_TAKE, _arguments(rates)))
    if refusal is not None:
        raise refusal


def take_by_token(key: str, rates: Sequence[Rate]) -> tuple[Token | None, TooManyRequests | None]:
    """Look a token up by its key, and if it is usable, count a request and store its use.

    Returns:
        The token, even if it is expired or revoked, or None; and the error if a limit is reached.
    """
    arguments = _arguments(rates) | {
        "prefix": Token.objects.prefix_of(key),
        "hash": Token.objects.key_generator.hash(key),
        "noted_every": USE_NOTED_EVERY,
    }
    rows = rows_of(_TAKE_BY_TOKEN, arguments)
    if not rows:
        return None, None
    n = len(_TOKEN_FIELDS)
    token = Token.from_db("default", _TOKEN_FIELDS, rows[0][:n])
    if not token.is_valid(key):
        return None, None
    return token, _refusal(rates, [row[n:] for row in rows if row[n] is not None], token)


def _arguments(rates: Iterable[Rate]) -> dict[str, Any]:
    return {"keys": [rate.key for rate in rates], "seconds": [rate.seconds for rate in rates]}


def _refusal(
    rates: Sequence[Rate], rows: Iterable[tuple[Any, ...]], token: Token | None = None
) -> TooManyRequests | None:
    """Return the error if some of the rates were not taken, and give back the others.

    Args:
        rates: The rates that were wanted.
        rows: For each rate that was counted, its key, whether it was taken, and how many seconds
            ahead the next request's arrival is.
        token: The token that was counted.
    """
    found = {key: (is_taken, ahead) for key, is_taken, ahead in rows}
    counted = [rate for rate in rates if rate.key in found]
    taken = [rate for rate in counted if found[rate.key][0]]
    if len(taken) == len(counted):
        return None
    for rate in taken:  # a concurrent request used up another one of the limits
        run(_GIVE_BACK, {"key": rate.key, "seconds": rate.seconds})
    fullest = max((rate for rate in counted if rate not in taken), key=lambda r: found[r.key][1])
    return TooManyRequests(fullest, found[fullest.key][1] - BURST, token)
