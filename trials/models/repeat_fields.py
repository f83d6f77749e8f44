"""The fields of a trial that repeats a point, and by what a trial is judged then."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from optuna_bridge.enums import TrialState
from optuna_bridge.repeats.aggregates import seed_of


class GroupState(models.TextChoices):
    """The state of a group of trials that repeat one point."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"
    INFEASIBLE = "INFEASIBLE"


class RepeatFields(models.Model):
    """The fields by which trials are the repeats of one point. `AbstractTrial` has the others."""

    # Of `AbstractTrial`.
    study: Any
    number: Any
    state: Any
    values: Any
    constraints: Any
    violation: Any

    repeat_group = models.IntegerField(
        null=True, help_text="The number of the first trial that repeats the same point."
    )
    repeat_index = models.IntegerField(null=True, help_text="Within the group: 0, 1, 2, …")
    group_state = models.CharField(
        max_length=10,
        choices=GroupState.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Of the first trial of a group, as the next three: the state of the whole group.",
    )
    group_values = ArrayField(
        models.FloatField(), null=True, help_text="The aggregates of its repeats' values."
    )
    group_constraints = ArrayField(
        models.FloatField(), null=True, help_text="The aggregates of its repeats' constraints."
    )
    group_violation = models.FloatField(null=True, help_text="Of these constraints, together.")

    class Meta:
        abstract = True

    @property
    def is_leader(self) -> bool:
        """Whether it is the first trial of its group, which keeps the group's result."""
        return self.repeat_group is not None and self.repeat_group == self.number

    @property
    def is_further_repeat(self) -> bool:
        """Whether it repeats a point that samplers know by another trial."""
        return self.repeat_group is not None and self.repeat_group != self.number

    @property
    def point_number(self) -> int:
        """The number of the first trial that has its parameters as a repeat; else its own."""
        return self.number if self.repeat_group is None else self.repeat_group

    @property
    def repeat(self) -> dict[str, int] | None:
        """Which repeat of its point it is, and the seed for its noise; None without repeats."""
        if self.repeat_group is None or self.repeat_index is None:
            return None
        seed = seed_of(self.repeat_index)
        return {"group": self.repeat_group, "index": self.repeat_index, "seed": seed}

    @property
    def judged_state(self) -> str | None:
        """The state by which it is judged: its group's, of which only the first trial counts."""
        return self.state if self.study.repeats is None else self.group_state

    @property
    def judged_values(self) -> list[float] | None:
        """The values by which it is judged: its own, or the aggregates of its group."""
        return self.values if self.study.repeats is None else self.group_values

    @property
    def judged_constraints_by_name(self) -> dict[str, float] | None:
        """The constraints by which it is judged, by name."""
        constraints = self.constraints if self.study.repeats is None else self.group_constraints
        if constraints is None:
            return None
        return dict(zip(self.study.constraints, constraints, strict=True))

    @property
    def is_judged_feasible(self) -> bool:
        """Whether it has completed, and satisfies all constraints."""
        violation = self.violation if self.study.repeats is None else self.group_violation
        return self.judged_state == TrialState.COMPLETE and violation == 0
