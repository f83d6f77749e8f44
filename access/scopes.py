"""What an actor may do, and the patterns that say with which studies."""

import re
from functools import lru_cache

from django.db import models

EVERY_STUDY = "*"


class Scope(models.TextChoices):
    """Each includes those before it."""

    READ = "read", "read"
    WORKER = "worker", "worker: read, ask, report and tell"
    MANAGE = "manage", "manage: everything"

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


def matches(pattern: str, name: str) -> bool:
    """Whether this is one of the names that a pattern stands for, as in a token's `search-*`.

    `*` stands for any text, and everything else for itself.
    """
    return bool(_compiled(pattern).fullmatch(name))


def regex_of(pattern: str) -> str | None:
    """The names that a pattern stands for, as a regular expression of PostgreSQL's; None: all."""
    if pattern == EVERY_STUDY:
        return None
    return f"^{'.*'.join(re.escape(part) for part in pattern.split('*'))}$"


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part) for part in pattern.split("*"))
    if not others:
        return re.compile(first)
    *middle, last = others
    # Atomic groups: where a part is found first is as good a place as any later one, and to try
    # them all would take for ever.
    found = "".join(f"(?>.*?{part})" for part in middle if part)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)
