"""The use cases of webhooks: create, change, rotate the secret, test, delete."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from access.actors import Actor
from access.domain.audit import Change, record
from access.models.audit_entry import Action, SubjectKind
from access.scopes import EVERY_STUDY, covers
from events.destination import check_url
from events.enums import DeliveryState, WebhookFormat
from events.errors import (
    InvalidWebhook,
    PatternNotCovered,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookNotFound,
)
from events.models import Delivery, Webhook
from events.models.webhook import every_event
from tuner_project.db.database import lift_statement_timeout

SECRET_BYTES = 32
BEFORE_OTHERS = timedelta(days=1)  # at which a test message is due earlier than what waits
_LOCK = 0x6576656E74_01  # "event": while webhooks are counted
_FIELDS = ("name", "url", "studies", "events", "format")


@dataclass(frozen=True)
class NewWebhook:
    """The fields of a webhook that is to be created."""

    name: str
    url: str
    studies: str = EVERY_STUDY
    events: Sequence[str] | None = None
    format: str = WebhookFormat.STANDARD


def seen_webhooks(actor: Actor) -> list[Webhook]:
    """Return the webhooks that an actor may see: those whose studies it may all see."""
    every = Webhook.objects.order_by("id")
    return [each for each in every if covers(actor.studies, each.studies)]


def get_webhook(*, actor: Actor, webhook_id: int) -> Webhook:
    """Return a webhook that an actor may see; raises `WebhookNotFound`."""
    return _found(Webhook.objects.filter(pk=webhook_id).first(), actor, webhook_id)


@transaction.atomic
def create_webhook(*, actor: Actor, new: NewWebhook) -> Webhook:
    """Create a webhook; its `secret` is shown this once.

    Raises:
        InvalidWebhook: The URL cannot be used.
        PatternNotCovered: The actor may not see all studies that the pattern matches.
        TooManyWebhooks: MAX_WEBHOOKS is reached.
    """
    _check(actor, new.url, new.studies)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    if Webhook.objects.count() >= settings.MAX_WEBHOOKS:
        most = settings.MAX_WEBHOOKS
        raise TooManyWebhooks(f"there are {most} webhooks, as many as MAX_WEBHOOKS allows")
    events = every_event() if new.events is None else _in_order(new.events)
    webhook = Webhook(
        name=new.name, url=new.url, events=events, format=new.format, secret=_new_secret()
    )
    webhook.set_studies(new.studies)
    webhook.save(force_insert=True)
    _record(actor, Action.CREATED, webhook, **_terms(webhook))
    return webhook


@transaction.atomic
def change_webhook(*, actor: Actor, webhook_id: int, changes: Mapping[str, Any]) -> Webhook:
    """Change fields of a webhook. `enabled` disables it, or enables it again.

    With another URL, what waits is sent to it at once, and has a day of its own.
    A webhook that is disabled loses the deliveries that were still to be made.

    Raises:
        WebhookNotFound, InvalidWebhook, PatternNotCovered
    """
    webhook = _locked(actor, webhook_id)
    before = _terms(webhook)
    if changes.get("url", webhook.url) != webhook.url:
        _begin_anew(webhook)
    for field, value in changes.items():
        if field in _FIELDS:
            setattr(webhook, field, _in_order(value) if field == "events" else value)
    _check(actor, webhook.url, webhook.studies)
    webhook.set_studies(webhook.studies)
    enabled = changes.get("enabled", webhook.enabled)
    if enabled and not webhook.enabled:
        _enable(webhook)
    elif webhook.enabled and not enabled:
        disable(webhook, "disabled by hand")
    webhook.save()
    terms = _terms(webhook)
    changed = {field: value for field, value in terms.items() if before[field] != value}
    if changed:
        _record(actor, Action.CHANGED, webhook, **changed)
    return webhook


@transaction.atomic
def rotate_secret(*, actor: Actor, webhook_id: int) -> Webhook:
    """Give a webhook a new secret, which is shown this once.

    For a day, messages are signed with the secret before, too. Raises `WebhookNotFound`.
    """
    webhook = _locked(actor, webhook_id)
    webhook.previous_secret, webhook.secret = webhook.secret, _new_secret()
    webhook.rotated_at = Now()
    webhook.save(update_fields=["previous_secret", "secret", "rotated_at"])
    _record(actor, Action.CHANGED, webhook, secret="rotated")  # noqa: S106
    return webhook


@transaction.atomic
def ping_webhook(*, actor: Actor, webhook_id: int) -> Webhook:
    """Queue a test message to a webhook, unless one waits already, and let it be sent at once.

    It goes before what waits, also while the webhook fails: it may have been mended just now.

    Raises:
        WebhookNotFound
        WebhookDisabled: Nothing is sent to it.
    """
    webhook = _locked(actor, webhook_id)
    if not webhook.enabled:
        raise WebhookDisabled(f'webhook "{webhook.name}" is disabled: enable it first')
    pings = Delivery.objects.filter(webhook=webhook, event=None, state=DeliveryState.PENDING)
    if not pings.exists():
        Delivery.objects.create(webhook=webhook)
    pings.update(next_attempt_at=Now() - BEFORE_OTHERS)
    webhook.retry_at = None
    webhook.save(update_fields=["retry_at"])
    return webhook


@transaction.atomic
def delete_webhook(*, actor: Actor, webhook_id: int) -> None:
    """Delete a webhook with its deliveries; raises `WebhookNotFound`."""
    webhook = _locked(actor, webhook_id)
    _record(actor, Action.DELETED, webhook, url=origin_of(webhook.url))
    lift_statement_timeout()  # there may be very many deliveries
    webhook.delete()


def origin_of(url: str) -> str:
    """Return the origin of a URL: those of chat services have their secret in the path."""
    return "/".join(url.split("/", 3)[:3])


def disable(webhook: Webhook, reason: str) -> None:
    """Disable a locked webhook, and end the deliveries that were still to be made.

    The caller saves the webhook.
    """
    webhook.enabled, webhook.disabled_reason, webhook.retry_at = False, reason, None
    _end_pending(webhook, reason)


def record_disabled(actor: Actor, webhook: Webhook) -> None:
    """Record that a webhook was disabled since it failed."""
    _record(actor, Action.CHANGED, webhook, enabled=False, reason=webhook.disabled_reason)


def _begin_anew(webhook: Webhook) -> None:
    """Forget the failures at another URL, and let what waits be sent at once."""
    webhook.n_failures, webhook.failing_since, webhook.retry_at = 0, None, None
    _pending(webhook).update(next_attempt_at=Now(), first_attempt_at=None)


def _enable(webhook: Webhook) -> None:
    # Of changes that were being written when it was disabled.
    _end_pending(webhook, "disabled")
    webhook.enabled, webhook.disabled_reason = True, ""
    webhook.n_failures, webhook.failing_since, webhook.retry_at = 0, None, None


def _end_pending(webhook: Webhook, reason: str) -> None:
    error = f"not sent: the webhook was {reason}"
    _pending(webhook).update(state=DeliveryState.FAILED, ended_at=Now(), error=error)


def _pending(webhook: Webhook) -> QuerySet[Delivery]:
    """Return the deliveries that are still to be made, of which there may be very many."""
    lift_statement_timeout()
    return Delivery.objects.filter(webhook=webhook, state=DeliveryState.PENDING)


def _locked(actor: Actor, webhook_id: int) -> Webhook:
    locking = Webhook.objects.select_for_update(no_key=True)
    return _found(locking.filter(pk=webhook_id).first(), actor, webhook_id)


def _found(webhook: Webhook | None, actor: Actor, webhook_id: int) -> Webhook:
    if webhook is None or not covers(actor.studies, webhook.studies):
        raise WebhookNotFound.with_id(webhook_id)
    return webhook


def _check(actor: Actor, url: str, studies: str) -> None:
    if fault := check_url(url):
        raise InvalidWebhook(f"url: {fault}", [(("url",), fault)])
    if not covers(actor.studies, studies):
        raise PatternNotCovered(
            f'"{studies}" matches studies that "{actor.name}" may not see: '
            f'expected a pattern within "{actor.studies}"'
        )


def _in_order(events: Sequence[str]) -> list[str]:
    return [each for each in every_event() if each in events]


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _terms(webhook: Webhook) -> dict[str, Any]:
    """Return what the audit log keeps of a webhook."""
    return {
        "url": origin_of(webhook.url),
        **{field: getattr(webhook, field) for field in _FIELDS if field != "url"},
        "enabled": webhook.enabled,
    }


def _record(actor: Actor, action: Action, webhook: Webhook, **details: Any) -> None:
    record(actor, Change(action, SubjectKind.WEBHOOK, webhook.name, webhook.pk, details=details))
