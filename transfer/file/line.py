"""A line of a file, and the error of one that is invalid."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ValidationError

from transfer.file.format import Document
from tuner_project.errors import DomainError, FieldError, summary
from tuner_project.rest.problems import field_errors
from tuner_project.rest.serializers import StrictSerializer

MAX_FAULTS = 20  # errors reported per line


class BadLine(DomainError):
    """A line of the file is invalid; `errors` point at its keys.

    `line` is its number, from 1, and `text` the error message without it.
    """

    line: int
    text: str

    @classmethod
    def at(cls, line: int, faults: Iterable[FieldError]) -> "BadLine":
        """Return the error for values in a line; lines are numbered from 1."""
        every = list(faults)
        text = summary(every)
        errors = [fault.under((line,)) for fault in every[:MAX_FAULTS]]
        error = cls(f"line {line}: {text}", errors)
        error.line, error.text = line, text
        return error

    @classmethod
    def whole(cls, line: int, text: str) -> "BadLine":
        """Return the error for a line as a whole."""
        return cls.at(line, [FieldError((), text)])


@dataclass(frozen=True)
class Line:
    """One line of a file: its number, from 1, its document, and its size in bytes."""

    number: int
    document: Document
    size: int

    @property
    def kind(self) -> Any:
        return self.document.get("kind")

    def bad(self, text: str, *path: str) -> BadLine:
        return BadLine.at(self.number, [FieldError(path, text)])

    def read(self, shape: StrictSerializer) -> dict[str, Any]:
        try:
            valid: dict[str, Any] = shape.run_validation(self.document)
        except ValidationError as error:
            raise BadLine.at(self.number, field_errors(error.detail)) from None
        return valid
