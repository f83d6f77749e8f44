"""Events of studies over the API, time that passes for them, and webhooks."""

from typing import Any

from django.db import connection
from rest_framework.test import APIClient

from events import receivers
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import STUDIES, STUDY_NAME

WEBHOOKS = "/api/v1/webhooks"


def list_events(api: APIClient, study_name: str = STUDY_NAME, **query: Any) -> list[JSON]:
    response = api.get(f"{STUDIES}/{study_name}/events", query)
    assert response.status_code == 200, response.content
    return response.json()["events"]


def event_types(api: APIClient, study_name: str = STUDY_NAME) -> list[str]:
    """The types of a study's events, whose numbers have no gaps."""
    events = list_events(api, study_name, limit=1000)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"] for event in events]


def last_event(api: APIClient, study_name: str = STUDY_NAME) -> JSON:
    return list_events(api, study_name, limit=1000)[-1]


def let_pass(seconds: float) -> None:
    """Let time pass for the events and deliveries of all studies."""
    receivers.throttle.clear()
    times = {
        "events_eventstream": ("best_at", "quiet_since", "stalled_at"),
        "events_delivery": ("next_attempt_at", "first_attempt_at"),
        "events_webhook": ("retry_at", "failing_since", "rotated_at", "last_failure_at"),
        "trials_trial": ("seen_at", "datetime_start"),
        "optuna.trials": ("datetime_start",),
    }
    with connection.cursor() as cursor:
        for table, columns in times.items():
            changes = ", ".join(f"{name} = {name} - make_interval(secs => %s)" for name in columns)
            cursor.execute(f"UPDATE {table} SET {changes}", [seconds] * len(columns))


def build_many_events(study: Study, n: int) -> None:
    """Add n failures to a new study's events, by SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (study_id, number, type, data) "
            "SELECT %(study)s, number + 1, 'trial.failed', "
            "       json_build_object('trial_id', number, 'reason', repeat('why ', 50)) "
            "  FROM generate_series(1, %(n)s) AS number",
            {"study": study.id, "n": n},
        )
        cursor.execute(
            "UPDATE events_eventstream SET last_number = %(n)s + 1 WHERE study_id = %(study)s",
            {"study": study.id, "n": n},
        )


def create_webhook(api: APIClient, url: str = "https://hooks.example.org/x", **more: Any) -> JSON:
    response = api.post(WEBHOOKS, {"name": "alerts", "url": url, **more})
    assert response.status_code == 201, response.content
    return response.json()
