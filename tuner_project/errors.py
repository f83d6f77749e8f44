"""Domain errors: a status, a stable code, and the invalid fields.

The domain identifies a field by its path; only `json_pointer` converts a path to a JSON pointer.
`rest/problems.py` creates the problem documents.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

# The keys and indexes that lead to a value in a document, such as ("params", "x"); the empty path
# is the whole document.
FieldPath = tuple[str | int, ...]


class FieldError(NamedTuple):
    """An error message about the value at a path."""

    path: FieldPath
    detail: str

    def under(self, path: FieldPath) -> "FieldError":
        """Return the same error for an outer document that contains this one's at `path`."""
        return FieldError(path + self.path, self.detail)

    def __str__(self) -> str:
        """Return the detail with its JSON pointer, as in `/params/x: expected a number`."""
        return f"{json_pointer(self.path)}: {self.detail}" if self.path else self.detail


class DomainError(Exception):
    """Base class of the errors that the domain raises for a request it rejects.

    A subclass sets its HTTP `status`, a stable `code` and, if a retry may succeed, the number of
    seconds to `wait` before it.

    Args:
        detail: One sentence for people.
        errors: The errors of single fields, each a pair of path and detail.
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
    """Return the JSON pointer of a path (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def summary(errors: Sequence[FieldError]) -> str:
    """Return the first of several errors with its JSON pointer, and the number of further ones."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0]}{more}"
