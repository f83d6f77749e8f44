"""Enums of events, webhooks and deliveries."""

from django.db import models


class EventType(models.TextChoices):
    """What has happened to a study or to one of its trials."""

    STUDY_CREATED = "study.created", "study.created"
    STUDY_COMPLETED = "study.completed", "study.completed"
    STUDY_NEW_BEST = "study.new_best", "study.new_best"
    STUDY_FAILING = "study.failing", "study.failing"
    STUDY_STALLED = "study.stalled", "study.stalled"
    TRIAL_FAILED = "trial.failed", "trial.failed"
    TRIAL_LEASE_LOST = "trial.lease_lost", "trial.lease_lost"


class WebhookFormat(models.TextChoices):
    """The body of a message."""

    STANDARD = "standard", "standard: type, timestamp, data"
    SLACK = "slack", "slack: a text"


class DeliveryState(models.TextChoices):
    """The state of a delivery."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


PING = "webhook.ping"  # the type of a test message, which is no event
