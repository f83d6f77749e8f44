"""The metrics of webhooks and of what is still to be delivered."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import F
from rest_framework.test import APIClient

from events.models import Delivery, Webhook
from events.queries import backlog
from events.queries.backlog import Backlog, read_backlog
from studies.models import Study
from tests.support.api_client import create_study
from tests.support.events import build_many_events, create_webhook

pytestmark = pytest.mark.django_db


def read() -> Backlog:
    raw: Any = connection.cursor().connection
    with psycopg.Cursor(raw) as cursor:
        return read_backlog(cursor)


def test_pending_deliveries_are_counted_with_the_age_of_the_oldest(api: APIClient) -> None:
    assert read() == Backlog(0, 0.0, {"enabled": 0, "failing": 0, "disabled": 0})
    for name in ("one", "two", "three", "four"):
        create_webhook(api, name=name)
    for name in ("first", "second"):
        create_study(api, name=name)
    Webhook.objects.filter(name="two").update(n_failures=3)
    Webhook.objects.filter(name="three").update(enabled=False)
    Delivery.objects.filter(webhook__name="four").update(state="DELIVERED")
    of_two = Delivery.objects.filter(webhook__name__in=["two", "three"])
    of_two.update(created_at=F("created_at") - timedelta(hours=1))
    found = read()
    assert found.n_pending == 4
    assert 3600 <= found.seconds < 3700
    assert found.n_webhooks == {"enabled": 2, "failing": 1, "disabled": 1}


def test_number_of_deliveries_that_are_read_is_bounded(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_webhook(api, name="one")
    create_webhook(api, name="two")
    create_study(api)
    build_many_events(Study.objects.get(), 30)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_delivery (webhook_id, event_id) "
            "SELECT w.id, e.id FROM events_webhook AS w CROSS JOIN events_event AS e"
        )
    monkeypatch.setattr(backlog, "OF_WEBHOOK", 20)
    assert read().n_pending == 40
    monkeypatch.setattr(backlog, "OF_ALL", 25)
    assert read().n_pending == 25
