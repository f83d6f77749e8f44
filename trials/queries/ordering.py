"""Orderings of trials, with pages whose cost does not depend on where they begin."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.lookups import GreaterThan, LessThan

from studies.models import Study
from trials.errors import InvalidQuery
from trials.models import Trial
from trials.models.querysets import TrialQuerySet
from trials.models.sort_keys import attribute_key, constraint_key, duration_key, value_key
from trials.queries.filters import constraint_index

NUMBER, VALUE, DURATION = "number", "value", "duration"
USER_ATTR, CONSTRAINT = "user_attr.", "constraint."  # followed by a name
ORDERS = [sign + name for name in (NUMBER, VALUE, DURATION) for sign in ("", "-")]
NAMED_ORDERS = [
    sign + name for name in (f"{USER_ATTR}KEY", f"{CONSTRAINT}NAME") for sign in ("", "-")
]

Key = float | timedelta | list[Any] | None
Position = tuple[Key, int]  # of a trial in an ordering: its key and its number
Read = Callable[[TrialQuerySet, int, int], list[Trial]]  # the trials from a start to a stop


def read_all(trials: TrialQuerySet, start: int, stop: int) -> list[Trial]:
    """Read the trials from a start to a stop."""
    return list(trials[start:stop])


@dataclass(frozen=True)
class TrialOrdering:
    """An ordering of one study's trials, by number or by a key, such as an objective's value.

    By a key, the trials that have one come first, equal ones by number in the same direction;
    then, in either direction, the trials without one, by ascending number. By the first
    objective's value and by duration, each of these two phases is a range of one index, so that a
    page after a position costs the same wherever it begins. By another key, the database reads all
    trials of the study for each page.
    """

    order_by: str = NUMBER
    index: int = 0  # of the objective or the constraint by which the trials are ordered

    @classmethod
    def of(cls, study: Study, order_by: str, target_idx: int) -> "TrialOrdering":
        """Return an ordering of a study's trials.

        Raises:
            InvalidQuery: The study does not have the objective or the constraint.
        """
        if target_idx >= len(study.directions):
            fault = f"expected the index of an objective, at most {len(study.directions) - 1}"
            raise InvalidQuery(f"target_idx: {fault}", [(("target_idx",), fault)])
        name = order_by.removeprefix("-")
        if name.startswith(CONSTRAINT):
            return cls(order_by, constraint_index(study, name.removeprefix(CONSTRAINT), "order_by"))
        return cls(order_by, target_idx)

    @property
    def is_descending(self) -> bool:
        return self.order_by.startswith("-")

    @cached_property
    def key(self) -> Combinable | None:
        """The sort key; None if the trials are sorted by number only."""
        name = self.order_by.removeprefix("-")
        if name.startswith(USER_ATTR):
            return attribute_key(name.removeprefix(USER_ATTR))
        if name.startswith(CONSTRAINT):
            return constraint_key(self.index)
        match name:
            case "value":
                return value_key(self.index)
            case "duration":
                return duration_key()
        return None

    def position(self, trial: Trial) -> Position:
        """Return the position of a trial that was read by `page` or `page_at`."""
        return getattr(trial, "sort_key", None), trial.number

    def page(
        self,
        trials: TrialQuerySet,
        n: int,
        after: Position | None = None,
        read: Read = read_all,
    ) -> list[Trial]:
        """Return the first n trials (after a position), with one statement for each phase."""
        found: list[Trial] = []
        for phase in self._phases(trials, after):
            if len(found) < n:
                found += read(phase, 0, n - len(found))
        return found

    def page_at(
        self,
        trials: TrialQuerySet,
        n: int,
        offset: int,
        n_keyed: int | None = None,
        read: Read = read_all,
    ) -> list[Trial]:
        """Return n trials after the first `offset` ones, which the database skips one by one.

        `n_keyed` is the number of trials with a key; it is counted if needed and not given.
        """
        first, *rest = self._phases(trials, None)
        found = read(first, offset, offset + n)
        for phase in rest:
            if len(found) < n:
                if n_keyed is None and offset > 0:
                    n_keyed = first.count()
                start = max(0, offset - (n_keyed or 0))
                found += read(phase, start, start + n - len(found))
        return found

    def _phases(self, trials: TrialQuerySet, after: Position | None) -> list[TrialQuerySet]:
        """Return the trials after a position, in order: those with a key, and those without."""
        key, number = (None, None) if after is None else after
        if self.key is None:
            if number is not None:
                side = "number__lt" if self.is_descending else "number__gt"
                trials = trials.filter(**{side: number})
            return [trials.order_by("-number" if self.is_descending else "number")]
        trials = trials.annotate(sort_key=self.key)
        keyless = trials.filter(sort_key__isnull=True).order_by("sort_key", "number")
        if number is not None and key is None:
            return [keyless.filter(number__gt=number)]
        keyed = trials.filter(sort_key__isnull=False)
        if number is not None:
            keyed = keyed.filter(self._is_after(key, number))
        columns = ("-sort_key", "-number") if self.is_descending else ("sort_key", "number")
        return [keyed.order_by(*columns), keyless]

    def _is_after(self, key: Key, number: int) -> GreaterThan | LessThan:
        """Return a row comparison, which is a range of the index even among many equal keys."""
        compared = LessThan if self.is_descending else GreaterThan
        value = Value(key, JSONField()) if isinstance(key, list) else Value(key)
        return compared(_row(F("sort_key"), F("number")), _row(value, Value(number)))


def _row(*columns: Any) -> Func:
    return Func(*columns, function="ROW", output_field=TextField())
