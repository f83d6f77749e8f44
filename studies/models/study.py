"""The model of a study: its definition, its state, and its progress."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, Self
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction

from access.actors import Actor
from access.scopes import regex_of
from optuna_bridge.enums import Direction
from optuna_bridge.repeats.aggregates import Repeats
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.current import CurrentSpace
from optuna_bridge.space.points import Points
from optuna_bridge.space.search_space import SearchSpace
from studies.enums import Duplicates, StudyState
from studies.models.abstract_study import AbstractStudy

# From a trial's state to the study's field that counts the trials in this state.
TALLIES = {
    "WAITING": "n_waiting",
    "RUNNING": "n_running",
    "COMPLETE": "n_complete",
    "PRUNED": "n_pruned",
    "FAIL": "n_fail",
}

# A failure is a trial that ran, failed and was not retried.
FAILURES = "failures"
INFEASIBLE = "infeasible"
COUNTERS = TALLIES | {FAILURES: "n_failures", INFEASIBLE: "n_infeasible"}


class DirectWriteRefused(RuntimeError):
    """Raised for a write that would not be projected into Optuna's schema."""


class StudyQuerySet(models.QuerySet["Study"]):
    """Studies. Bulk writes raise, because without signals Optuna's schema would not be updated."""

    def seen_by(self, actor: Actor) -> Self:
        """Return the studies that an actor may see."""
        if actor.study_id is not None:
            return self.filter(pk=actor.study_id)
        return self.matching(actor.studies)

    def matching(self, pattern: str) -> Self:
        """Return the studies whose names match a pattern such as `search-*`."""
        regex = regex_of(pattern)
        return self.all() if regex is None else self.filter(name__regex=regex)

    def update(self, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.update() sends no signals: use study.save()")

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.bulk_create() sends no signals: use save()")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("Study.objects.bulk_update() sends no signals: use save()")


class Study(AbstractStudy):
    """A study. Its id is also Optuna's `study_id`."""

    now: datetime  # the database's clock; set by NamedStudy.locked()

    objects = StudyQuerySet.as_manager()

    BUDGETS = (
        "max_trials",
        "max_concurrent",
        "max_failures",
        "target_value",
        "deadline",
        "stop_after_no_improvement",
    )
    LIFE = (
        *BUDGETS,
        "lease_seconds",
        "max_retries",
        "max_reoffers",
        "max_trial_seconds",
        "max_consecutive_failures",
        "stop_running",
    )
    STATE = ("state", "state_reason", "state_history", "n_consecutive_failures")
    PROGRESS = ("n_without_improvement", "improvement_reference")
    # Changed only by `change_search_space`, with all that is stored by it.
    SPACE = (
        "search_space",
        "distributions",
        "search_space_version",
        "current_space",
        "best_internal_params",
    )
    DESCRIPTION = ("tags", "note")
    # The fields that may change after creation: trials, and the sampler sessions of other
    # processes, rely on the others. Of those in SPACE they check the version.
    UNKNOWN_TO_OPTUNA = frozenset({*LIFE, *STATE, *PROGRESS, *SPACE, *DESCRIPTION})
    CHANGEABLE = UNKNOWN_TO_OPTUNA | {"user_attrs", "metric_names"}

    class Meta(AbstractStudy.Meta):
        base_manager_name = "objects"
        indexes = (GinIndex(fields=["tags"], name="study_tags"),)
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if not self._state.adding:
            # Only the named fields, so that a stale object does not overwrite concurrent changes.
            update_fields = frozenset({"user_attrs"} if update_fields is None else update_fields)
            if fixed := sorted(update_fields - self.CHANGEABLE):
                raise DirectWriteRefused(f"a study's {', '.join(fixed)} cannot be changed")
        # Django sends post_save after its own transaction: run the receivers in the same one.
        with transaction.atomic(savepoint=False):
            super().save(*args, update_fields=update_fields, **kwargs)

    @property
    def is_multi_objective(self) -> bool:
        return len(self.directions) > 1

    @property
    def objective_names(self) -> list[str]:
        """The name of each objective: the metric's, or its position."""
        if self.metric_names is not None:
            return list(self.metric_names)
        if not self.is_multi_objective:
            return ["Objective"]
        return [f"Objective {index}" for index in range(len(self.directions))]

    @property
    def can_prune(self) -> bool:
        """Whether its trials can be pruned; several objectives need a pruning direction."""
        return not self.is_multi_objective or bool(self.pruning_direction)

    @cached_property
    def space(self) -> SearchSpace:
        """The space in which its trials are stored."""
        return SearchSpace(self.search_space, self.parameter_constraints)

    @cached_property
    def current(self) -> CurrentSpace:
        """What is suggested of the space, and what new values are checked against."""
        if self.current_space is None:
            return CurrentSpace(self.space)
        return CurrentSpace(self.space, **self.current_space)

    def forget_space(self) -> None:
        """Forget what was derived from the search space, which was replaced."""
        for cached in ("space", "current", "points"):
            self.__dict__.pop(cached, None)

    @property
    def n_trials(self) -> int:
        return self.next_number

    @property
    def trial_counts(self) -> dict[str, int]:
        return {state: getattr(self, field) for state, field in TALLIES.items()}

    @property
    def is_failing(self) -> bool:
        """Whether `max_consecutive_failures` trials have failed in a row."""
        most = self.max_consecutive_failures
        return most is not None and self.n_consecutive_failures >= most

    @property
    def is_open(self) -> bool:
        return StudyState(self.state).is_open

    @cached_property
    def points(self) -> Points:
        """The points by which the study avoids duplicates."""
        kind = SAMPLERS[self.sampler]
        return kind.points(self.current.space, kind.complete(self.sampler_options))

    def point_hash(self, internal_params: Sequence[float | None]) -> UUID | None:
        """Return the hash by which a trial's point is indexed.

        None if the trial lacks a parameter or has a value that is no longer suggested, or if
        duplicates are allowed.
        """
        if self.duplicates == Duplicates.ALLOW:
            return None
        visited = self.current.as_visited(internal_params)
        return None if visited is None else self.points.hash(visited)

    @property
    def repeated(self) -> Repeats | None:
        """How the repeats of a point become one result; None if each is evaluated once."""
        return None if self.repeats is None else Repeats(**self.repeats)

    @property
    def n_repeats(self) -> int:
        """How many trials evaluate each new point."""
        return 1 if self.repeats is None else int(self.repeats["n"])

    @property
    def n_counted(self) -> int:
        """The number of trials that count against `max_trials`."""
        return self.next_number - self.n_fail + self.n_infeasible

    @property
    def n_counted_done(self) -> int:
        """The number of those that have ended."""
        return self.n_complete + self.n_pruned + self.n_infeasible

    @property
    def is_idle(self) -> bool:
        """Whether no trial is RUNNING or WAITING."""
        return self.n_running == self.n_waiting == 0

    @property
    def is_handed_out(self) -> bool:
        """Whether `max_trials` leaves no room for another point, with all its repeats."""
        return self.max_trials is not None and self.n_counted + self.n_repeats > self.max_trials

    @property
    def has_reached_target(self) -> bool:
        if self.target_value is None or self.best_values is None:
            return False
        return self._loss(self.best_values[0]) <= self._loss(self.target_value)

    @property
    def min_delta(self) -> float:
        """The least improvement that counts for `stop_after_no_improvement`; more is needed."""
        budget = self.stop_after_no_improvement
        return 0.0 if budget is None else float(budget["min_delta"])

    @property
    def n_trials_without_improvement(self) -> int | None:
        """The trials that finished since the last improvement; None if no budget counts them."""
        return None if self.stop_after_no_improvement is None else self.n_without_improvement

    @property
    def has_stopped_improving(self) -> bool:
        """Whether `stop_after_no_improvement` is used up."""
        budget = self.stop_after_no_improvement
        return budget is not None and self.n_without_improvement >= budget["trials"]

    def start_counting(self) -> None:
        """Count the trials without improvement from now on, compared with the best value so far."""
        self.n_without_improvement, self.improvement_reference = 0, None
        if self.best_values is not None and not self.is_multi_objective:
            self.improvement_reference = self.best_values[0]

    @property
    def direction(self) -> str | list[str]:
        """The direction in the form in which the client gave it, a string or a list."""
        return list(self.directions) if self.direction_is_list else self.directions[0]

    @property
    def best_value(self) -> float | list[float] | None:
        """A number for one objective, a list for several; None if there is no best trial yet."""
        if self.best_values is None:
            return None
        return self.best_values if self.is_multi_objective else self.best_values[0]

    def count(self, moves: Mapping[str, int]) -> None:
        """Add to the counters of this object what an UPDATE added to those of its row."""
        for what, n in moves.items():
            field = COUNTERS[what]
            setattr(self, field, getattr(self, field) + n)

    @property
    def signs(self) -> list[float]:
        """The factor for each objective's values that turns them into losses to minimize."""
        return [Direction(each).sign for each in self.directions]

    def remember_best(
        self, number: int, values: Sequence[float], internal_params: list[float | None]
    ) -> None:
        """Store a trial as the best one if it is better; only for a single objective."""
        if not self.is_multi_objective and self.may_be_best(values, number):
            self.best_number, self.best_values = number, list(values)
            self.best_internal_params = internal_params

    def may_be_best(self, values: Sequence[float], number: int) -> bool:
        """Return whether a trial with these values is the new best, or may be Pareto-optimal."""
        if self.best_values is None or self.best_number is None or self.is_multi_objective:
            return True
        best = self._loss(self.best_values[0]), self.best_number
        return (self._loss(values[0]), number) < best

    def _loss(self, value: float) -> float:
        """Return the loss (less is better) of a value of the single objective."""
        return value * self.signs[0]

    @property
    def best_params(self) -> dict[str, Any] | None:
        """The parameters of the best trial, by name; None if there is no best trial yet."""
        if self.best_internal_params is None:
            return None
        return self.space.to_external(self.best_internal_params)
