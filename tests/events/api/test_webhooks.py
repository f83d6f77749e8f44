"""Webhooks over the API: create, change, rotate, delete, and who may do what."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from access.scopes import covers, matches
from events.models import Webhook
from tests.support.api_client import assert_refused, create_study
from tests.support.events import WEBHOOKS, create_webhook

EVENTS = [
    "study.created",
    "study.completed",
    "study.new_best",
    "study.failing",
    "study.stalled",
    "trial.failed",
    "trial.lease_lost",
]
URL = "https://hooks.example.org/x"


def test_secret_is_answered_once(api: APIClient) -> None:
    created = create_webhook(api)
    assert created["secret"].startswith("whsec_")
    assert (created["studies"], created["events"]) == ("*", EVENTS)
    assert (created["format"], created["enabled"]) == ("standard", True)
    url = f"{WEBHOOKS}/{created['id']}"
    assert api.get(url).json() == {k: v for k, v in created.items() if k != "secret"}
    assert api.get(WEBHOOKS).json() == [api.get(url).json()]
    rotated = api.post(f"{url}/rotate-secret").json()
    assert rotated["secret"] not in ("", created["secret"])
    assert "secret" not in api.patch(url, {"name": "other"}).json()
    for method, path in (("get", url), ("get", WEBHOOKS)):
        assert "whsec_" not in getattr(api, method)(path).content.decode()


def test_webhook_is_changed_and_deleted(api: APIClient) -> None:
    url = f"{WEBHOOKS}/{create_webhook(api)['id']}"
    changes = {"events": ["trial.failed", "study.created"], "format": "slack", "studies": "a-*"}
    changed = api.patch(url, changes).json()
    assert changed["events"] == ["study.created", "trial.failed"]
    assert (changed["format"], changed["studies"]) == ("slack", "a-*")
    assert Webhook.objects.get().studies_regex == r"^a\-.*$"
    assert api.delete(url).status_code == 204
    assert_refused(api.get(url), 404, "webhook_not_found")
    assert_refused(api.delete(url), 404, "webhook_not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://127.0.0.1/"},
        {"url": "https://user:password@example.org/"},
        {"url": "ftp://example.org/"},
        {"url": f"https://example.org/{'x' * 2000}"},
        {"url": 1},
        {"name": ""},
        {"name": "x" * 51},
        {"events": []},
        {"events": ["study.deleted"]},
        {"events": "study.created"},
        {"format": "teams"},
        {"studies": ""},
        {"studies": "x" * 257},
        {"secret": "whsec_AAAA"},
    ],
)
def test_wrong_webhook_is_refused(api: APIClient, wrong: dict[str, Any]) -> None:
    assert_refused(api.post(WEBHOOKS, {"name": "alerts", "url": URL, **wrong}), 400, "invalid")
    assert not Webhook.objects.exists()
    url = f"{WEBHOOKS}/{create_webhook(api)['id']}"
    assert_refused(api.patch(url, wrong), 400, "invalid")
    assert Webhook.objects.get().url == URL


def test_number_of_webhooks_is_limited(api: APIClient, settings: Any) -> None:
    settings.MAX_WEBHOOKS = 2
    create_webhook(api), create_webhook(api)
    assert_refused(api.post(WEBHOOKS, {"name": "a", "url": URL}), 409, "too_many_webhooks")


def test_disabled_webhook_is_not_pinged(api: APIClient) -> None:
    url = f"{WEBHOOKS}/{create_webhook(api)['id']}"
    assert api.patch(url, {"enabled": False}).json()["disabled_reason"] == "disabled by hand"
    assert_refused(api.post(f"{url}/ping"), 409, "webhook_disabled")


def test_token_has_webhooks_of_its_own_studies_alone(api: APIClient, client_of: Any) -> None:
    own = client_of("manage", studies="team-*")
    everybodys = create_webhook(api)
    for studies in ("*", "team", "team*", "other-*", "*team-*"):
        body = {"name": "a", "url": URL, "studies": studies}
        assert_refused(own.post(WEBHOOKS, body), 403, "pattern_not_covered")
    created = create_webhook(own, studies="team-a*")
    assert [each["id"] for each in own.get(WEBHOOKS).json()] == [created["id"]]
    assert own.get(WEBHOOKS)["X-Total-Count"] == "1"
    url = f"{WEBHOOKS}/{created['id']}"
    assert_refused(own.patch(url, {"studies": "*"}), 403, "pattern_not_covered")
    assert own.patch(url, {"studies": "team-*"}).status_code == 200
    other = f"{WEBHOOKS}/{everybodys['id']}"
    for response in (
        own.get(other),
        own.patch(other, {"studies": "team-*"}),
        own.delete(other),
        own.post(f"{other}/ping"),
        own.post(f"{other}/rotate-secret"),
    ):
        assert_refused(response, 404, "webhook_not_found")


@pytest.mark.parametrize("scope", ["read", "worker"])
def test_webhooks_need_the_scope_manage(api: APIClient, client_of: Any, scope: str) -> None:
    url = f"{WEBHOOKS}/{create_webhook(api)['id']}"
    client = client_of(scope)
    for response in (client.get(WEBHOOKS), client.get(url), client.post(f"{url}/ping")):
        assert_refused(response, 403, "insufficient_scope")


def test_audit_has_the_changes_without_secrets(api: APIClient) -> None:
    created = create_webhook(api, "https://hooks.slack.example/services/T0/secret-path")
    url = f"{WEBHOOKS}/{created['id']}"
    api.patch(url, {"enabled": False})
    api.patch(url, {"enabled": False})  # changes nothing
    api.post(f"{url}/rotate-secret")
    api.delete(url)
    entries = list(AuditEntry.objects.filter(kind="webhook").order_by("id"))
    assert [entry.action for entry in entries] == ["created", "changed", "changed", "deleted"]
    assert entries[1].details == {"enabled": False}
    assert entries[2].details == {"secret": "rotated"}
    assert entries[0].details["url"] == "https://hooks.slack.example"
    assert not any("secret-path" in str(entry.details) for entry in entries)
    assert str(entries[0]) == 'anybody: created webhook "alerts"'


PATTERNS = st.text("ab*", min_size=1, max_size=6)


@given(PATTERNS, PATTERNS, st.lists(st.text("ab", max_size=3), min_size=6, max_size=6))
def test_covering_pattern_matches_what_the_other_matches(
    pattern: str, other: str, texts: list[str]
) -> None:
    name = other
    for text in texts:
        name = name.replace("*", text, 1)
    assert matches(other, name)
    if covers(pattern, other):
        assert matches(pattern, name)
    else:  # a name with a character of its own shows it
        assert not matches(pattern, other.replace("*", "c"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [{"url": f"{URL}/new"}, {"enabled": False}, None])
def test_change_of_many_deliveries_is_not_cut_off(
    api: APIClient, change: dict[str, Any] | None
) -> None:
    """A request's statements have a time limit, which webhooks with a backlog would exceed."""
    url = f"{WEBHOOKS}/{create_webhook(api)['id']}"
    create_study(api)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.4); RETURN coalesce(NEW, OLD); END $$"
        )
        cursor.execute(
            "CREATE TRIGGER slow BEFORE UPDATE OR DELETE ON events_delivery "
            "FOR EACH ROW EXECUTE FUNCTION slow()"
        )
        cursor.execute("SET statement_timeout = '300ms'")
    try:
        response = api.delete(url) if change is None else api.patch(url, change)
        assert response.status_code in (200, 204), response.content
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
            cursor.execute("DROP TRIGGER slow ON events_delivery")
            cursor.execute("DROP FUNCTION slow")
