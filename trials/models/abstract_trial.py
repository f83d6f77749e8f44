"""The fields of a trial and properties derived from them, without the manager that writes it.

They are in their own module, so that the manager and its statements can refer to them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NoReturn, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import SAMPLED_BY
from studies.models import DirectWriteRefused, Study
from trials.models.repeat_fields import RepeatFields
from trials.models.reservation import Reservation
from tuner_project.db.fields import PlainJSONField
from tuner_project.json_values import finite_or_largest


@cache
def _defaults(model: type[models.Model]) -> list[tuple[str, Callable[[], Any]]]:
    """Return a model's fields in their order, each with a function that returns its default."""
    return [(field.attname, field.get_default) for field in model._meta.concrete_fields]


class GuardedModel(models.Model):
    """A model that is written only by methods of its manager."""

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("a trial is written by Trial.objects.add() and change()")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused("a trial is deleted with its study")


class AbstractTrial(RepeatFields, GuardedModel):
    """The fields of a trial."""

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
    state = models.CharField(max_length=8, choices=TrialState.choices)
    values = ArrayField(models.FloatField(), null=True)
    internal_params = ArrayField(
        models.FloatField(null=True), help_text="Of a WAITING trial, those that are fixed."
    )
    space_version = models.IntegerField(
        default=1, db_default=1, help_text="The version of the search space that it started with."
    )
    params_hash = models.UUIDField(
        null=True, help_text="Of the whole point, where the study avoids duplicates."
    )
    datetime_start = models.DateTimeField(null=True)
    datetime_complete = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, default="", help_text="Why it ended so.")
    constraints = ArrayField(
        models.FloatField(), null=True, help_text="In the order of the study's; feasible up to 0."
    )
    violation = models.FloatField(
        default=0, help_text="By how much constraints are exceeded, together; 0: feasible."
    )
    priority = models.IntegerField(default=0, help_text="Of a WAITING trial: higher first.")
    worker_id = models.CharField(max_length=128, blank=True, default="")
    token = models.BigIntegerField(null=True, help_text="The id of the token that asked for it.")
    lease_seconds = models.FloatField(null=True)
    lease_expires_at = models.DateTimeField(
        null=True, help_text="While it runs; of a failed trial, when its lease was lost."
    )
    seen_at = models.DateTimeField(
        null=True, help_text="The last ask, report or heartbeat of its worker."
    )
    should_prune = models.BooleanField(
        default=False, help_text="What the pruner said of its last report."
    )
    is_retry_wanted = models.BooleanField(
        default=False, help_text="Whether it was told to fail with another attempt."
    )
    reoffers = models.IntegerField(
        default=0,
        db_default=0,
        help_text="How often it was returned to its worker since the last report or heartbeat.",
    )
    infeasible = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether it failed since its parameters cannot be evaluated: that is an answer.",
    )
    attempt = models.IntegerField(default=1)
    retry_of = models.IntegerField(null=True, help_text="The number of the previous attempt.")
    retried_as = models.IntegerField(null=True, help_text="The number of the next attempt.")
    cancelled_retry = models.IntegerField(
        null=True, help_text="The number of the queued attempt that its late result has replaced."
    )
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
    size: int  # in bytes, about; set by PageBytes.read()
    reoffered = False  # whether an ask returned it to the worker that already held it
    retry_refused: str | None = None  # why the requested next attempt was not queued
    # Whether system attributes, and values, were removed, of which Optuna has rows.
    has_lost_attrs = False
    has_lost_values = False

    class Meta(GuardedModel.Meta):
        abstract = True

    def __str__(self) -> str:
        return f"trial {self.number}"

    @classmethod
    def reserved(cls, reserved: Reservation, index: int, *, study: Study, **fields: Any) -> Self:
        """Create a trial of the study with the number and the id reserved at an index."""
        fields |= {
            "id": reserved.ids[index],
            "number": reserved.first_number + index,
            "revision": reserved.revision,
            "study_id": study.id,
        }
        values = {name: default() for name, default in _defaults(cls)} | fields
        trial = cls(*values.values())  # Django takes three times as long for arguments by name
        trial.study = study
        return trial

    def renew_lease(self, now: datetime, max_trial_seconds: float | None) -> None:
        """Restart the lease at `now`, if the trial has one; it ends with `max_trial_seconds`."""
        self.seen_at = now
        ends = [(now, self.lease_seconds), (self.datetime_start or now, max_trial_seconds)]
        self.lease_expires_at = min(
            (start + timedelta(seconds=n) for start, n in ends if n is not None), default=None
        )

    def replace_system_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Set the system attributes; those that `attrs` leaves out are removed in both schemas.

        Pruners note the values at their rungs, which may be infinite in an imported study.
        """
        self.has_lost_attrs = bool(self.system_attrs.keys() - attrs.keys())
        self.system_attrs = {key: finite_or_largest(value) for key, value in attrs.items()}

    def remove_values(self) -> list[float]:
        """Remove its values in both schemas, and return them."""
        removed, self.values = self.values or [], None
        self.has_lost_values = True
        return removed

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name, in the order and with the types of the search space."""
        return self.study.space.to_external(self.internal_params)

    @property
    def sampled_by(self) -> str | None:
        """What drew it, if the study's sampler chooses among others."""
        found = self.system_attrs.get(SAMPLED_BY)
        return found if isinstance(found, str) else None  # an imported trial may have anything

    @property
    def has_all_params(self) -> bool:
        """Whether it has a value for each parameter that is active with the others."""
        return None not in self.internal_params or self.study.space.is_complete(
            self.internal_params
        )

    @property
    def constraints_by_name(self) -> dict[str, float] | None:
        if self.constraints is None:
            return None
        return dict(zip(self.study.constraints, self.constraints, strict=True))

    @property
    def is_failure(self) -> bool:
        """Whether the trial ran, failed without being infeasible, and is not retried."""
        return (
            self.state == TrialState.FAIL
            and not self.infeasible
            and self.retried_as is None
            and self.datetime_start is not None
        )

    @property
    def has_lost_lease(self) -> bool:
        return self.state == TrialState.FAIL and self.lease_expires_at is not None

    def has_lapsed(self, now: datetime) -> bool:
        """Return whether its lease has expired."""
        return self.lease_expires_at is not None and self.lease_expires_at <= now

    @property
    def duration_seconds(self) -> float | None:
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return (self.datetime_complete - self.datetime_start).total_seconds()
