"""The trial: one evaluation of the objective, from ask to tell."""

from typing import ClassVar

from django.db import models

from trials.models.abstract_trial import AbstractTrial, GuardedModel
from trials.models.managers import TrialManager
from trials.models.querysets import StepQuerySet
from trials.models.sort_keys import duration_key, value_key


class Trial(AbstractTrial):
    """A trial. Its id is also Optuna's `trial_id`, which increases with the number.

    `internal_params` are in Optuna's internal representation, in the order of the study's search
    space (`SearchSpace`). Rows are written only by methods of `Trial.objects`.
    """

    objects: ClassVar[TrialManager["Trial"]] = TrialManager()

    class Meta(AbstractTrial.Meta):
        constraints = (
            models.UniqueConstraint(fields=["study", "number"], name="trial_number_unique"),
        )
        indexes = (
            models.Index(fields=["study", "revision"], name="trial_revision"),
            models.Index(fields=["study", "state", "number"], name="trial_state"),
            models.Index(
                fields=["study", "number"], name="trial_front", condition=models.Q(on_front=True)
            ),
            models.Index(
                fields=["study", "-priority", "number"],
                name="trial_queue",
                condition=models.Q(state="WAITING"),
            ),
            models.Index(
                fields=["study", "worker_id", "number"],
                name="trial_held",
                condition=models.Q(state="RUNNING") & ~models.Q(worker_id=""),
            ),
            models.Index(
                fields=["study", "params_hash"],
                name="trial_point",
                condition=models.Q(params_hash__isnull=False),
            ),
            models.Index(
                fields=["study", "violation", "number"],
                name="trial_infeasible",
                condition=models.Q(state="COMPLETE", violation__gt=0),
            ),
            models.Index(
                fields=["study", "group_violation", "number"],
                name="trial_infeasible_groups",
                condition=models.Q(group_state="COMPLETE", group_violation__gt=0),
            ),
            models.Index(
                fields=["token"],
                name="trial_of_token",
                condition=models.Q(state="RUNNING", token__isnull=False),
            ),
            models.Index(
                fields=["study", "repeat_group"],
                name="trial_repeats",
                condition=models.Q(repeat_group__isnull=False),
            ),
            models.Index("study", value_key(), "number", name="trial_value"),
            models.Index("study", duration_key(), "number", name="trial_duration"),
        )

    @property
    def intermediate_values(self) -> dict[int, float]:
        """The intermediate values by step; queried now unless `with_steps()` has read them."""
        if not hasattr(self, "steps"):
            rows = self.intermediate_value_set.order_by("step").values_list("step", "value")
            return dict(rows)
        return dict(zip(self.steps, self.step_values, strict=True))


class IntermediateValue(GuardedModel):
    """The value that a trial reported at a step. It is written only by Trial's manager."""

    pk = models.CompositePrimaryKey("trial_id", "step")
    trial = models.ForeignKey(
        Trial,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="intermediate_value_set",
    )
    step = models.IntegerField()
    value = models.FloatField(help_text="NaN where the run diverged.")

    objects = StepQuerySet.as_manager()

    def __str__(self) -> str:
        return f"step {self.step}: {self.value}"
