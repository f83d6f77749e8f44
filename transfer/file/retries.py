"""Retries within a file: what was tried again, and as what."""

from collections.abc import Iterator, Mapping
from typing import Any

from tuner_project.errors import FieldError


class RetryLinks:
    """Checks that each trial that was retried, and its next attempt, name each other."""

    def __init__(self) -> None:
        # By the number of the next attempt: the line of the trial, its number and its attempt.
        self._awaited: dict[int, tuple[int, int, int]] = {}

    def faults(self, line: int, attrs: Mapping[str, Any]) -> Iterator[FieldError]:
        """The errors of the next trial of the file."""
        number, attempt = attrs["number"], attrs.get("attempt", 1)
        retry_of, retried_as = attrs.get("retry_of"), attrs.get("retried_as")
        _, before, attempts = self._awaited.pop(number, (0, None, 0))
        if retry_of != before:
            said = "no trial was" if before is None else f"trial {before} was"
            yield FieldError(("retry_of",), f"{said} retried as trial {number}")
        elif attempt != attempts + 1:
            yield FieldError(("attempt",), f"expected {attempts + 1}, not {attempt}")
        if retried_as is None:
            return
        if retried_as <= number or retried_as in self._awaited:
            text = f"trial {retried_as} is not the next attempt of trial {number}"
            yield FieldError(("retried_as",), text)
        self._awaited[retried_as] = (line, number, attempt)

    def awaited(self) -> tuple[int, str] | None:
        """(line, what is wrong) where a next attempt did not follow."""
        for retried_as, (line, _, _) in self._awaited.items():
            return line, f"there is no trial {retried_as}"
        return None
