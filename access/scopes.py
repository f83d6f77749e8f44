"""What a caller may do, and with which studies."""

import re
from dataclasses import dataclass
from functools import cache, cached_property

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
        return self.studies == EVERY_STUDY or bool(self._pattern.fullmatch(study_name))

    @cached_property
    def regex(self) -> str | None:
        """The names that it sees, as a regular expression of PostgreSQL's; None: all."""
        return None if self.studies == EVERY_STUDY else f"^{_regex(self.studies)}$"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _compiled(self.studies)


def matches(pattern: str, name: str) -> bool:
    """Whether this is one of the names that a pattern stands for, as in a token's `search-*`."""
    return bool(_compiled(pattern).fullmatch(name))


def _regex(pattern: str) -> str:
    """A pattern in which `*` stands for any text, and everything else for itself."""
    return ".*".join(re.escape(part) for part in pattern.split("*"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_regex(pattern), re.DOTALL)
