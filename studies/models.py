"""The study: what is to be optimised, how, and how far it has come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models.functions import Now

from studies.errors import StudyNotFound
from studies.fields import NextValue, PlainJSONField
from studies.search_space import SearchSpace
from tuner_project.prepared import Parameter, PreparedQuery


class Direction(models.TextChoices):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


# The field that counts a study's trials in each state.
TALLIES = {
    "WAITING": "n_waiting",
    "RUNNING": "n_running",
    "COMPLETE": "n_complete",
    "PRUNED": "n_pruned",
    "FAIL": "n_fail",
}


class DirectWriteRefused(RuntimeError):
    """A write that would leave Optuna's schema behind; use the domain's functions."""


@dataclass(frozen=True)
class NamedStudy:
    """The study of this name, which is read by whom it is given to."""

    name: str

    def one(self) -> "Study":
        """The study; raises `StudyNotFound`."""
        return self._read(_ONE)

    def locked(self) -> "Study":
        """The same, locked against other writers until the transaction ends.

        The row is the study's write lock: it is taken before any row of a trial, and children
        can still be inserted. `now` on the result is the database's clock.
        """
        return self._read(_LOCKED)

    def _read(self, query: "PreparedQuery[Study]") -> "Study":
        study = query.first(name=self.name)
        if study is None:
            raise StudyNotFound.named(self.name)
        return study


class StudyQuerySet(models.QuerySet["Study"]):
    """Studies. What sends no signals is refused, since Optuna's schema would not follow."""

    def newest_first(self) -> Self:
        return self.order_by("-id")

    def update(self, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.update() sends no signals: use study.save()")

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.bulk_create() sends no signals: use save()")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.bulk_update() sends no signals: use save()")


class Study(models.Model):
    """A study. Its id is also Optuna's `study_id`.

    The fields from `next_number` on are kept by the two writing methods of Trial's manager,
    under the lock of this row, and are never saved from here.
    """

    id = models.IntegerField(
        primary_key=True,
        db_default=NextValue(models.Value("optuna.studies_study_id_seq")),
        editable=False,
    )
    name = models.CharField(max_length=256, unique=True)
    directions = ArrayField(models.CharField(max_length=8, choices=Direction.choices))
    direction_is_list = models.BooleanField(
        default=False, help_text="The direction was given as a list, and is answered as one."
    )
    search_space = PlainJSONField()
    distributions = ArrayField(
        models.TextField(), help_text="The search space as Optuna's storage writes it."
    )
    sampler = models.CharField(max_length=16)
    sampler_options = PlainJSONField(default=dict)
    pruner = models.CharField(max_length=16)
    pruner_options = PlainJSONField(default=dict)
    user_attrs = PlainJSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    next_number = models.IntegerField(default=0, help_text="The next trial's number.")
    revision = models.BigIntegerField(default=0, help_text="Counts the writes to its trials.")
    n_waiting = models.IntegerField(default=0)
    n_running = models.IntegerField(default=0)
    n_complete = models.IntegerField(default=0)
    n_pruned = models.IntegerField(default=0)
    n_fail = models.IntegerField(default=0)
    best_number = models.IntegerField(
        null=True, help_text="Of equally good trials the first; of a Pareto front, its first."
    )
    best_values = ArrayField(models.FloatField(), null=True)
    best_internal_params = ArrayField(models.FloatField(null=True), null=True)

    now: datetime  # the database's clock; set by NamedStudy.locked()

    objects = StudyQuerySet.as_manager()

    # All that may change once it is stored: trials, and the histories of other processes, rely on
    # the rest.
    CHANGEABLE = frozenset({"user_attrs"})

    class Meta:
        base_manager_name = "objects"
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if not self._state.adding:
            # Without tallies, which a study read a while ago would take back to then.
            update_fields = self.CHANGEABLE if update_fields is None else frozenset(update_fields)
            if fixed := sorted(update_fields - self.CHANGEABLE):
                raise DirectWriteRefused(f"a study's {', '.join(fixed)} cannot be changed")
        # Django sends post_save after a transaction of its own: keep the receivers within.
        with transaction.atomic(savepoint=False):
            super().save(*args, update_fields=update_fields, **kwargs)

    @property
    def is_multi_objective(self) -> bool:
        return len(self.directions) > 1

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace(self.search_space)

    @property
    def n_trials(self) -> int:
        return self.next_number

    @property
    def trial_counts(self) -> dict[str, int]:
        return {state: getattr(self, field) for state, field in TALLIES.items()}

    @property
    def direction(self) -> str | list[str]:
        """The direction in the form in which it was given."""
        return list(self.directions) if self.direction_is_list else self.directions[0]

    @property
    def best_value(self) -> float | list[float] | None:
        """One number for one objective, a list for several, None before any trial completed."""
        if self.best_values is None:
            return None
        return self.best_values if self.is_multi_objective else self.best_values[0]

    def may_be_best(self, values: Sequence[float], number: int) -> bool:
        """Whether a trial of these values is the best now, or may be on the Pareto front."""
        if self.best_values is None or self.best_number is None or self.is_multi_objective:
            return True
        sign = 1 if self.directions == [Direction.MINIMIZE] else -1
        best = sign * self.best_values[0], self.best_number
        return (sign * values[0], number) < best

    @property
    def best_params(self) -> dict[str, Any] | None:
        """The parameters of the best trial, by name; None before any completed."""
        if self.best_internal_params is None:
            return None
        return self.space.to_external(self.best_internal_params)


_ONE = PreparedQuery(lambda: Study.objects.filter(name=Parameter("name")))
_LOCKED = PreparedQuery(
    lambda: (
        Study.objects.filter(name=Parameter("name"))  # type: ignore[no-redef]
        .select_for_update(no_key=True, of=("self",))
        .annotate(now=Now())
    )
)
