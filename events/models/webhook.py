"""Webhooks: URLs to which events are sent."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.functions import Now

from access.scopes import EVERY_STUDY, regex_of
from events.enums import EventType, WebhookFormat

MAX_URL = 2000


def every_event() -> list[str]:
    """Return the names of all events."""
    return [each.value for each in EventType]


class Webhook(models.Model):
    """A URL, and the studies and events that are sent to it."""

    name = models.CharField(
        max_length=50,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Who receives it: the audit says so.",
    )
    url = models.CharField(
        "URL",
        max_length=MAX_URL,
        help_text="https:// or http://; private addresses only as WEBHOOK_ALLOWED_HOSTS says.",
    )
    studies = models.CharField(
        max_length=256,
        default=EVERY_STUDY,
        validators=[ProhibitNullCharactersValidator()],
        help_text="The names of the studies it is for; * stands for any text, as in search-*.",
    )
    # Read by the statement that writes an event.
    studies_regex = models.TextField(editable=False)
    events = ArrayField(
        models.CharField(max_length=16, choices=EventType.choices), default=every_event
    )
    format = models.CharField(
        max_length=8, choices=WebhookFormat.choices, default=WebhookFormat.STANDARD
    )
    secret = models.CharField(max_length=128, editable=False)
    previous_secret = models.CharField(max_length=128, blank=True, default="", editable=False)
    rotated_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField("created", db_default=Now(), editable=False)
    enabled = models.BooleanField(default=True, db_default=True)
    disabled_reason = models.TextField(blank=True, default="", editable=False)
    # What its deliveries have found; written by them alone.
    n_failures = models.IntegerField("failures in a row", default=0, db_default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    retry_at = models.DateTimeField("next attempt", null=True, editable=False)
    last_success_at = models.DateTimeField("last success", null=True, editable=False)
    last_failure_at = models.DateTimeField("last failure", null=True, editable=False)
    last_failure = models.TextField("last failure's reason", blank=True, default="", editable=False)

    def __str__(self) -> str:
        return self.name

    def set_studies(self, pattern: str) -> None:
        """Set the pattern of the studies' names, and what the database compares names with."""
        self.studies = pattern
        self.studies_regex = regex_of(pattern) or ""
