"""Events and webhooks in requests and answers."""

from typing import Any

from rest_framework import serializers

from access.scopes import EVERY_STUDY
from events.enums import EventType, WebhookFormat
from events.models.webhook import MAX_URL
from tuner_project.rest.base_serializers import AnswerSerializer, StrictSerializer
from tuner_project.rest.serializers import (
    MAX_SAFE_INTEGER,
    QueryIntegerField,
    StrictBooleanField,
    StrictCharField,
    TextOrNullField,
    UTCDateTimeField,
    page_limit,
)


class EventQuerySerializer(StrictSerializer):
    """Where to read a study's events."""

    after = QueryIntegerField(
        default=0,
        min_value=0,
        max_value=MAX_SAFE_INTEGER,
        help_text="The number of the last event that is known: `next_after` of the last answer.",
    )
    limit = page_limit(default=100)


class EventSerializer(AnswerSerializer):
    """Something that has happened to a study or to one of its trials."""

    number = serializers.IntegerField(help_text="Within the study: 1, 2, 3, … without gaps.")
    type = serializers.ChoiceField(choices=EventType.choices)
    timestamp = UTCDateTimeField(source="created_at")
    # The name shadows DRF's property `data`, which this service does not use.
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="By type; docs/events.md lists the members."
    )


class FeedSerializer(AnswerSerializer):
    """A study's events from a cursor on."""

    study_id = serializers.IntegerField(source="head.study_id")
    state = serializers.CharField(source="head.state", help_text="The study's state.")
    events = EventSerializer(many=True)
    next_after = serializers.IntegerField(help_text="The cursor to read on from.")
    last = serializers.IntegerField(
        source="head.last", help_text="The number of the study's last event; 0: it has none."
    )
    version = serializers.CharField(
        source="head.version",
        help_text="Another one after each change of the study or its trials, but heartbeats.",
    )


class _EventsField(serializers.ListField):
    child = serializers.ChoiceField(choices=EventType.choices)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            min_length=1,
            max_length=len(EventType),
            help_text="The events that are sent; by default all.",
            **kwargs,
        )


class ChangeWebhookSerializer(StrictSerializer):
    """Changes of a webhook."""

    name = StrictCharField(required=False, max_length=50, help_text="Who receives it.")
    url = StrictCharField(
        required=False,
        max_length=MAX_URL,
        help_text="`https://` or `http://`, without a user. Private addresses are refused, unless "
        "`WEBHOOK_ALLOWED_HOSTS` names the host.",
    )
    studies = StrictCharField(
        required=False,
        max_length=256,
        help_text="The names of the studies; `*` stands for any text. The token has to see them.",
    )
    events = _EventsField()
    format = serializers.ChoiceField(choices=WebhookFormat.choices, required=False)
    enabled = StrictBooleanField(
        required=False, help_text="False: nothing is sent, and what waits is dropped."
    )


class CreateWebhookSerializer(StrictSerializer):
    """A webhook that is to be created."""

    name = StrictCharField(max_length=50, help_text="Who receives it.")
    url = StrictCharField(
        max_length=MAX_URL,
        help_text="`https://` or `http://`, without a user. Private addresses are refused, unless "
        "`WEBHOOK_ALLOWED_HOSTS` names the host.",
    )
    studies = StrictCharField(
        default=EVERY_STUDY,
        max_length=256,
        help_text="The names of the studies; `*` stands for any text. The token has to see them.",
    )
    events = _EventsField()
    format = serializers.ChoiceField(choices=WebhookFormat.choices, default=WebhookFormat.STANDARD)


class WebhookSerializer(AnswerSerializer):
    """A webhook, and how its deliveries fare."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    studies = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(choices=EventType.choices))
    format = serializers.ChoiceField(choices=WebhookFormat.choices)
    enabled = serializers.BooleanField()
    disabled_reason = TextOrNullField()
    created_at = UTCDateTimeField()
    n_failures = serializers.IntegerField(help_text="Attempts that failed, in a row.")
    last_success_at = UTCDateTimeField(allow_null=True)
    last_failure_at = UTCDateTimeField(allow_null=True)
    last_failure = TextOrNullField(help_text="What went wrong.")


class SecretWebhookSerializer(WebhookSerializer):
    """A webhook with its secret, which is answered this once."""

    secret = serializers.CharField(help_text="`whsec_` and the key of the signatures in Base64.")
