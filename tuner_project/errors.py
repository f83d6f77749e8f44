"""Errors of the domain: a status, a stable code, and the fields that they are about.

The domain names a field by its path; `json_pointer` is the one place where a path becomes a JSON
pointer. `rest/problems.py` makes the problem documents.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

# The keys and indexes that lead to a value in a document, such as ("params", "x"); (): all of it.
FieldPath = tuple[str | int, ...]


class FieldError(NamedTuple):
    """What is wrong with the value at a path."""

    path: FieldPath
    detail: str

    def under(self, path: FieldPath) -> "FieldError":
        """The same error in a document that holds this one's at `path`."""
        return FieldError(path + self.path, self.detail)

    def __str__(self) -> str:
        """The detail with its place, as in `/params/x: expected a number`."""
        return f"{json_pointer(self.path)}: {self.detail}" if self.path else self.detail


class DomainError(Exception):
    """A request that cannot be served as things are.

    A subclass names its `status` and a stable `code` and, where a retry is worthwhile, how many
    seconds to `wait`.

    Args:
        detail: One sentence for people.
        errors: The faults by field, each a pair of path and detail.
        members: Further members of the problem document.
    """

    status = 400
    code = "invalid"
    wait: int | None = None

    def __init__(
        self, detail: str, errors: Sequence[tuple[FieldPath, str]] = (), **members: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [FieldError(*each) for each in errors]
        self.members = members


def json_pointer(path: FieldPath) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def summary(errors: Sequence[FieldError]) -> str:
    """The first of several errors with its place, and how many more there are."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0]}{more}"
