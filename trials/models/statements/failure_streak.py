"""How many trials of a study have failed in a row."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FailureStreak:
    """How trials that ended change the number of trials that have failed in a row.

    Attributes:
        n: The failures since the last of them that did not fail.
        is_new: Whether one of them did not fail.
    """

    n: int
    is_new: bool

    @classmethod
    def of(cls, ended: Sequence[str]) -> "FailureStreak":
        """Return the streak of trials that ended in these states, in this order."""
        n = 0
        for state in reversed(ended):
            if state != "FAIL":
                return cls(n, True)
            n += 1
        return cls(n, False)

    def after(self, before: int) -> int:
        """Return the number of failures in a row after `before`."""
        return self.n if self.is_new else before + self.n

    @property
    def assignment(self) -> str:
        """SQL that updates the study's number, followed by a comma; empty if it stays the same."""
        if self.n == 0 and not self.is_new:
            return ""
        before = "" if self.is_new else "n_consecutive_failures + "
        return f"n_consecutive_failures = {before}{self.n:d}, "


NO_STREAK = FailureStreak.of(())
