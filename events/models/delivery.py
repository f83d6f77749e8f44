"""Deliveries: messages that are to be sent, or were, to webhooks."""

from typing import Self

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from events.enums import PING, DeliveryState
from events.models.event import Event
from events.models.webhook import Webhook
from studies.models.definitions import FIELDS

# Of a study only the name is read, which may be a millionth of it.
_NOT_READ = ("user_attrs", "state_history", *FIELDS)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries."""

    def with_names(self) -> Self:
        """Read the events, too, and the names of their studies."""
        deferred = [f"event__study__{field}" for field in _NOT_READ]
        return self.select_related("event__study").defer(*deferred)


class Delivery(models.Model):
    """An event that is sent to a webhook, or a test message, which has none."""

    # Both are deleted by the database (ON DELETE CASCADE, set by a migration).
    webhook = models.ForeignKey(
        Webhook,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    event = models.ForeignKey(
        Event, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    state = models.CharField(
        max_length=9,
        choices=DeliveryState.choices,
        default=DeliveryState.PENDING,
        db_default=DeliveryState.PENDING,
    )
    created_at = models.DateTimeField(db_default=Now())
    attempts = models.IntegerField(default=0, db_default=0)
    first_attempt_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(
        db_default=Now(), help_text="While it is sent: when another process may send it."
    )
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="", db_default="")
    message_id = models.UUIDField(db_default=RandomUUID(), help_text="Of a test message.")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(
                fields=["webhook", "next_attempt_at", "id"],
                name="delivery_pending",
                condition=models.Q(state="PENDING"),
            ),
            models.Index(fields=["webhook", "-id"], name="delivery_latest"),
            models.Index(
                fields=["created_at"], name="delivery_ping", condition=models.Q(event=None)
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} to {self.webhook_id}"

    @property
    def type(self) -> str:
        return PING if self.event is None else self.event.type
