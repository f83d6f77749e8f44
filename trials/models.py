"""The trial: one evaluation of the objective, from ask to tell."""

from typing import Any, NoReturn

from django.contrib.postgres.fields import ArrayField
from django.db import models

from studies.fields import PlainJSONField
from studies.models import DirectWriteRefused, Study
from trials.managers import StepQuerySet, TrialManager


class State(models.TextChoices):
    """Optuna's states of a trial."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def is_finished(self) -> bool:
        return self not in (State.WAITING, State.RUNNING)


class GuardedModel(models.Model):
    """A model that is written by its manager's own methods alone."""

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("a trial is written by Trial.objects.add() and change()")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("a trial is deleted with its study")


class Trial(GuardedModel):
    """A trial. Its id is also Optuna's `trial_id`, which rises with the number.

    `params` are in Optuna's internal representation, in the order of the study's search space
    (`SearchSpace`). Rows are written by `Trial.objects.add()` and `change()` only.
    """

    id = models.IntegerField(primary_key=True, editable=False)
    study = models.ForeignKey(
        # The database deletes a study's trials (ON DELETE CASCADE, set by a migration).
        Study,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="trials",
    )
    number = models.IntegerField(help_text="Within the study: 0, 1, 2, … without gaps.")
    state = models.CharField(max_length=8, choices=State.choices)
    values = ArrayField(models.FloatField(), null=True)
    internal_params = ArrayField(models.FloatField(null=True))
    datetime_start = models.DateTimeField(null=True)
    datetime_complete = models.DateTimeField(null=True)
    user_attrs = PlainJSONField(default=dict)
    system_attrs = PlainJSONField(default=dict, help_text="What samplers and pruners note on it.")
    study_attrs = PlainJSONField(
        null=True, help_text="What its sampler noted on the study; of one key the first counts."
    )
    on_front = models.BooleanField(
        default=False, help_text="On the Pareto front; of one objective, the best trial."
    )
    revision = models.BigIntegerField(help_text="The study's revision of the last write.")

    # Set by TrialQuerySet.with_steps().
    steps: list[int]
    step_values: list[float]

    objects = TrialManager()

    class Meta(GuardedModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=["study", "number"], name="trial_number_unique"),
        )
        indexes = (
            models.Index(fields=["study", "revision"], name="trial_revision"),
            models.Index(fields=["study", "state", "number"], name="trial_state"),
            models.Index(
                fields=["study", "number"], name="trial_front", condition=models.Q(on_front=True)
            ),
        )

    def __str__(self) -> str:
        return f"trial {self.number}"

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name, in the order and the types of the search space."""
        return self.study.space.to_external(self.internal_params)

    @property
    def duration_seconds(self) -> float | None:
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return (self.datetime_complete - self.datetime_start).total_seconds()

    @property
    def intermediate_values(self) -> dict[int, float]:
        """By step. Read with the trial where `with_steps()` asked for it, else now."""
        if not hasattr(self, "steps"):
            rows = self.intermediate_value_set.order_by("step").values_list("step", "value")
            return dict(rows)
        return dict(zip(self.steps, self.step_values, strict=True))


class IntermediateValue(GuardedModel):
    """What was reported at a step of a trial. Written through Trial's manager only."""

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
