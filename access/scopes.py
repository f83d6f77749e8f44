"""What a caller may do, and with which studies."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

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


@dataclass(frozen=True)
class Caller:
    """Who calls: a token, or somebody of the staff with a session."""

    name: str
    scope: Scope
    studies: str = EVERY_STUDY
    token_id: int | None = None
    user_id: int | None = None

    def sees(self, study_name: str) -> bool:
        return self.studies == EVERY_STUDY or matches(self.studies, study_name)

    @cached_property
    def regex(self) -> str | None:
        """The names that it sees, as a regular expression of PostgreSQL's; None: all."""
        if self.studies == EVERY_STUDY:
            return None
        return f"^{'.*'.join(re.escape(part) for part in self.studies.split('*'))}$"


def matches(pattern: str, name: str) -> bool:
    """Whether this is one of the names that a pattern stands for, as in a token's `search-*`.

    `*` stands for any text, and everything else for itself.
    """
    return bool(_compiled(pattern).fullmatch(name))


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
