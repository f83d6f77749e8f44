"""Validation of the links between the attempts of a retried trial in a file."""

from collections.abc import Iterator, Mapping
from typing import Any

from tuner_project.errors import FieldError


class RetryLinks:
    """Checks that each retried trial and its next attempt refer to each other."""

    def __init__(self) -> None:
        # From the number of the next attempt to the retried trial's line, number and attempt.
        self._awaited: dict[int, tuple[int, int, int]] = {}

    def faults(self, line: int, attrs: Mapping[str, Any]) -> Iterator[FieldError]:
        """Yield the errors in the retry fields of the next trial in the file."""
        number, attempt = attrs["number"], attrs.get("attempt", 1)
        retry_of, retried_as = attrs.get("retry_of"), attrs.get("retried_as")
        _, before, attempts = self._awaited.pop(number, (0, None, 0))
        if retry_of != before:
            said = "no trial was" if before is None else f"trial {before} was"
            yield FieldError(("retry_of",), f"{said} retried as trial {number}")
        elif attempt <= attempts:  # it counts reoffers after an expired lease, too
            yield FieldError(("attempt",), f"expected more than {attempts}, not {attempt}")
        if retried_as is None:
            return
        if retried_as <= number or retried_as in self._awaited:
            text = f"trial {retried_as} is not the next attempt of trial {number}"
            yield FieldError(("retried_as",), text)
        self._awaited[retried_as] = (line, number, attempt)

    def awaited(self) -> tuple[int, str] | None:
        """Return (line, error message) of a trial whose next attempt is missing, or None."""
        for retried_as, (line, _, _) in self._awaited.items():
            return line, f"there is no trial {retried_as}"
        return None
