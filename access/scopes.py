"""Scopes, which define what an actor may do, and patterns of the study names that it may see."""

import re
from functools import lru_cache

from django.db import models

EVERY_STUDY = "*"


class Scope(models.TextChoices):
    """The permitted operations; each scope includes those before it."""

    READ = "read", "read"
    WORKER = "worker", "worker: read, ask, report and tell"
    MANAGE = "manage", "manage: everything"

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


def matches(pattern: str, name: str) -> bool:
    """Return whether a study name matches a pattern such as `search-*`.

    `*` matches any text, and every other character matches itself.
    """
    return bool(_compiled(pattern).fullmatch(name))


def covers(pattern: str, other: str) -> bool:
    """Return whether a pattern matches every name that another one matches."""
    # A character that no pattern has stands for what `*` matches: only another `*` matches it.
    return pattern == EVERY_STUDY or matches(pattern, other.replace("*", "\0"))


def regex_of(pattern: str) -> str | None:
    """Return the PostgreSQL regular expression of a pattern, or None if it matches every name."""
    if pattern == EVERY_STUDY:
        return None
    return f"^{'.*'.join(re.escape(part) for part in pattern.split('*'))}$"


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part) for part in pattern.split("*"))
    if not others:
        return re.compile(first)
    *middle, last = others
    # Atomic groups avoid exponential backtracking: the first match of a part is always sufficient.
    found = "".join(f"(?>.*?{part})" for part in middle if part)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)
