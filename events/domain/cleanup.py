"""The cleanup of events and deliveries, which `purge` runs."""

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from events.models import Delivery, Event
from tuner_project.cleanup import delete_in_batches


def delete_old_events() -> tuple[str, int]:
    """Delete the events that are older than KEEP_EVENTS_DAYS, with their deliveries."""
    before = Now() - timedelta(days=settings.KEEP_EVENTS_DAYS)
    return "old events", delete_in_batches(Event.objects.filter(created_at__lt=before))


def delete_old_pings() -> tuple[str, int]:
    """Delete the test messages that are as old."""
    before = Now() - timedelta(days=settings.KEEP_EVENTS_DAYS)
    old = Delivery.objects.filter(event=None, created_at__lt=before)
    return "old test messages to webhooks", delete_in_batches(old)
