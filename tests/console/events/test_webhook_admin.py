"""Webhooks in the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from events.models import Delivery, Webhook
from tests.support.api_client import create_study
from tests.support.database import recorded_statements
from tests.support.events import create_webhook

LIST = "/admin/events/webhook/"
FORM: dict[str, Any] = {
    "name": "alerts",
    "url": "https://hooks.example.org/secret-path",
    "studies": "search*",
    "events": ["study.completed", "trial.failed"],
    "format": "slack",
}


def page_of(webhook: Webhook) -> str:
    return f"{LIST}{webhook.pk}/change/"


def test_webhook_is_created_and_its_secret_shown_once(admin_client: Client) -> None:
    response = admin_client.post(f"{LIST}add/", FORM)
    webhook = Webhook.objects.get()
    assert webhook.secret in response.content.decode()
    assert (webhook.events, webhook.studies_regex) == (FORM["events"], "^search.*$")
    for url in (LIST, page_of(webhook)):
        page = admin_client.get(url)
        assert page.status_code == 200
        assert webhook.secret not in page.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.action, entry.kind) == ("user", "created", "webhook")
    # The list has the host alone, since chat services have their secret in the path.
    assert "secret-path" not in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "http://127.0.0.1/"}, "not public"),
        ({"url": "javascript:alert(1)"}, "expected a URL such as"),
        ({"events": []}, "required"),
        ({"studies": ""}, "required"),
        ({"studies": "a\x00b"}, "Null characters are not allowed"),
        ({"format": "teams"}, "valid choice"),
    ],
)
def test_wrong_form_says_what_is_wrong(
    admin_client: Client, wrong: dict[str, Any], message: str
) -> None:
    response = admin_client.post(f"{LIST}add/", FORM | wrong)
    assert response.status_code == 200
    assert message in response.content.decode()
    assert not Webhook.objects.exists()


def test_form_keeps_to_the_limit(admin_client: Client, settings: Any) -> None:
    settings.MAX_WEBHOOKS = 0
    response = admin_client.post(f"{LIST}add/", FORM)
    assert "as many as MAX_WEBHOOKS allows" in response.content.decode()


def test_url_is_shown_to_those_who_may_change_it(
    api: APIClient, client: Client, django_user_model: Any
) -> None:
    """Its path is the secret of chat services; who may only look sees the host."""
    create_webhook(api, FORM["url"])
    user = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_webhook"))
    client.force_login(user)
    page = client.get(page_of(Webhook.objects.get())).content.decode()
    assert "https://hooks.example.org" in page
    assert "secret-path" not in page
    user.user_permissions.add(Permission.objects.get(codename="change_webhook"))
    page = client.get(page_of(Webhook.objects.get())).content.decode()
    assert "secret-path" in page


def test_page_shows_how_deliveries_fare(api: APIClient, admin_client: Client) -> None:
    create_webhook(api)
    for number in range(30):
        create_study(api, name=f"search {number}")
    Delivery.objects.update(error="the answer was <500>", attempts=3)
    now = timezone.now()
    Webhook.objects.update(n_failures=3, last_failure_at=now, last_failure="the answer was <500>")
    webhook = Webhook.objects.get()
    page = admin_client.get(page_of(webhook)).content.decode()
    assert "failing: 3 attempts in a row" in page
    assert "the answer was &lt;500&gt;" in page
    assert "<500>" not in page
    assert page.count("study.created</td>") == 20
    with recorded_statements() as statements:
        admin_client.get(page_of(webhook))
    assert len(statements) <= 4
    assert "failing: 3" in admin_client.get(LIST).content.decode()


def test_disabled_webhook_is_shown_and_enabled_again(api: APIClient, admin_client: Client) -> None:
    create_webhook(api)
    Webhook.objects.update(enabled=False, disabled_reason="disabled, since all failed")
    webhook = Webhook.objects.get()
    for url in (LIST, page_of(webhook), f"{LIST}?enabled__exact=0"):
        assert "disabled, since all failed" in admin_client.get(url).content.decode()
    form = {**FORM, "url": webhook.url, "enabled": "on"}
    assert admin_client.post(page_of(webhook), form).status_code == 302
    assert Webhook.objects.get().enabled
    Webhook.objects.update(enabled=False)
    action = {"action": "enable", "_selected_action": [webhook.pk]}
    assert admin_client.post(LIST, action).status_code == 302
    assert Webhook.objects.get().enabled
    assert admin_client.post(LIST, {**action, "action": "disable"}).status_code == 302
    assert not Webhook.objects.get().enabled


def test_test_message_and_new_secret_are_actions(api: APIClient, admin_client: Client) -> None:
    create_webhook(api)
    webhook = Webhook.objects.get()
    action = {"action": "send_test_message", "_selected_action": [webhook.pk]}
    assert admin_client.post(LIST, action).status_code == 302
    assert Delivery.objects.get().type == "webhook.ping"
    assert "webhook.ping" in admin_client.get(page_of(webhook)).content.decode()
    response = admin_client.post(LIST, {**action, "action": "rotate"})
    rotated = Webhook.objects.get().secret
    assert rotated != webhook.secret
    assert rotated in response.content.decode()
    create_webhook(api)
    chosen = list(Webhook.objects.values_list("pk", flat=True))
    assert admin_client.post(
        LIST, {"action": "rotate", "_selected_action": chosen}
    ).status_code == 302  # fmt: skip
    assert Webhook.objects.get(pk=webhook.pk).secret == rotated


def test_webhook_is_deleted_with_its_deliveries(api: APIClient, admin_client: Client) -> None:
    create_webhook(api)
    create_study(api)
    webhook = Webhook.objects.get()
    assert admin_client.post(f"{LIST}{webhook.pk}/delete/", {"post": "yes"}).status_code == 302
    assert (Webhook.objects.count(), Delivery.objects.count()) == (0, 0)
    assert AuditEntry.objects.filter(kind="webhook", action="deleted").count() == 1
    create_webhook(api), create_webhook(api)
    chosen = list(Webhook.objects.values_list("pk", flat=True))
    action = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    assert admin_client.post(LIST, action).status_code == 302
    assert not Webhook.objects.exists()


def test_staff_may_do_what_their_permissions_say(
    api: APIClient, staff_client: Callable[..., Client]
) -> None:
    create_webhook(api)
    webhook = Webhook.objects.get()
    reader = staff_client("view_webhook")
    assert reader.get(page_of(webhook)).status_code == 200
    action = {"action": "rotate", "_selected_action": [webhook.pk]}
    reader.post(LIST, action)
    assert reader.post(page_of(webhook), FORM).status_code == 403
    assert Webhook.objects.get().secret == webhook.secret
    assert staff_client(name="none").get(LIST).status_code == 403
