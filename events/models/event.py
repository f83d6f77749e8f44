"""The outbox: the events of each study, and where each study's events have got to."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from events.enums import EventType
from studies.models import Study
from tuner_project.db.fields import PlainJSONField


class Event(models.Model):
    """Something that has happened, written in the transaction in which it happened."""

    study = models.ForeignKey(
        # The database deletes a study's events (ON DELETE CASCADE, set by a migration).
        Study,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="events",
    )
    number = models.BigIntegerField(help_text="Within the study: 1, 2, 3, … in commit order.")
    type = models.CharField(max_length=16, choices=EventType.choices)
    created_at = models.DateTimeField(db_default=Now())
    data = PlainJSONField(default=dict)
    message_id = models.UUIDField(db_default=RandomUUID())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["study", "number"], name="event_number_unique"),
        )
        indexes = (models.Index(fields=["created_at"], name="event_created_at"),)

    def __str__(self) -> str:
        return f"{self.type} {self.number}"


class EventStream(models.Model):
    """The number of a study's last event, and what later events of it depend on.

    Numbers, and what is said of the best trial, change only under the lock of the study's row. The
    watch for stalls is kept by `watch_for_stalls`, without it.
    """

    study = models.OneToOneField(
        Study,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        primary_key=True,
        related_name="event_stream",
    )
    last_number = models.BigIntegerField(default=0, db_default=0)
    best_at = models.DateTimeField(null=True, help_text="The time of the last study.new_best.")
    best_revision = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The `front_revision` of the last study.new_best.",
    )
    n_ended = models.BigIntegerField(
        null=True, help_text="The number of ended trials at `quiet_since`."
    )
    quiet_since = models.DateTimeField(
        null=True, help_text="The last known progress; null while there is nothing to wait for."
    )
    stalled_at = models.DateTimeField(null=True, help_text="When it was found to have stalled.")

    def __str__(self) -> str:
        return f"events of study {self.study_id}"
