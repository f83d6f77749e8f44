"""Webhooks in the admin: how their deliveries fare, and what can be done about it."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.actors import Actor
from console import display
from console.known_lookups import KnownLookups
from events.destination import check_url
from events.domain.webhooks import (
    NewWebhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    origin_of,
    ping_webhook,
    rotate_secret,
)
from events.enums import EventType
from events.models import Delivery, Webhook
from events.models.webhook import every_event

MAX_DELIVERIES = 20  # that the page of a webhook shows
FIELDS = ("name", "url", "studies", "events", "format")
STATUS = ("status", "succeeded", "failed", "next_attempt", "deliveries")


class WebhookForm(forms.ModelForm):
    """The fields of a webhook that users set."""

    events = forms.MultipleChoiceField(
        choices=EventType.choices, widget=forms.CheckboxSelectMultiple, initial=every_event
    )

    class Meta:
        model = Webhook
        fields = (*FIELDS, "enabled")
        widgets: ClassVar[dict[str, Any]] = {"url": forms.URLInput(attrs={"class": "vTextField"})}
        help_texts: ClassVar[dict[str, str]] = {
            "name": "The name of its receiver; the audit log shows it.",
            "url": "Private addresses are refused, unless WEBHOOK_ALLOWED_HOSTS names the host.",
            "studies": "The studies whose events are sent: a pattern of names, such as search-*.",
            "enabled": "Once all attempts of a day have failed, this is switched off.",
        }

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if fault := check_url(url):
            raise forms.ValidationError(fault)
        return url

    def clean(self) -> None:
        super().clean()
        if self.instance.pk is None and Webhook.objects.count() >= settings.MAX_WEBHOOKS:
            most = settings.MAX_WEBHOOKS
            raise forms.ValidationError(
                f"There are {most} webhooks, as many as MAX_WEBHOOKS allows."
            )


class WebhookAdmin(KnownLookups):
    """Webhooks, whose secret is shown only on the page that confirms their creation."""

    form = WebhookForm
    list_display = ("name", "receiver", "studies", "events_sent", "status", "succeeded", "failed")
    list_filter = ("enabled",)
    lookups = ("enabled__exact",)
    search_fields = ("name",)
    actions = ("enable", "disable", "send_test_message", "rotate")
    ordering = ("name", "id")

    class Media:
        css = {"all": ["console/admin.css"]}

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> Any:
        if obj is None:
            return FIELDS
        fields = (*FIELDS, "enabled", *STATUS)
        if self.has_change_permission(request, obj):
            return fields
        # Chat services have their secret in the URL's path.
        return tuple("receiver" if field == "url" else field for field in fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> Any:
        return () if obj is None else ("receiver", *STATUS)

    # Columns and fields -----------------------------------------------------------------------

    @admin.display
    def receiver(self, webhook: Webhook) -> str:
        return display.truncated(origin_of(webhook.url), 80)

    @admin.display(description="events")
    def events_sent(self, webhook: Webhook) -> str:
        return "all" if len(webhook.events) == len(EventType) else ", ".join(webhook.events)

    @admin.display
    def status(self, webhook: Webhook) -> SafeString | str:
        if not webhook.enabled:
            return display.state_badge("fail", display.truncated(webhook.disabled_reason, 300))
        if webhook.n_failures:
            return display.state_badge("paused", f"failing: {webhook.n_failures} attempts in a row")
        return display.state_badge("active", "enabled")

    @admin.display(description="last success (UTC)")
    def succeeded(self, webhook: Webhook) -> str:
        return display.timestamp(webhook.last_success_at)

    @admin.display(description="last failure (UTC)")
    def failed(self, webhook: Webhook) -> str:
        if webhook.last_failure_at is None:
            return display.EMPTY
        at = f"{webhook.last_failure_at:%Y-%m-%d %H:%M:%S}"
        return f"{at}: {display.truncated(webhook.last_failure, 300)}"

    @admin.display(description="next attempt (UTC)")
    def next_attempt(self, webhook: Webhook) -> str:
        return display.timestamp(webhook.retry_at)

    @admin.display(description="latest messages")
    def deliveries(self, webhook: Webhook) -> SafeString | str:
        latest = Delivery.objects.with_names().filter(webhook=webhook)
        rows = [
            (
                display.timestamp(each.created_at),
                each.type,
                "" if each.event is None else display.truncated(each.event.study.name, 80),
                each.state.lower(),
                each.attempts,
                display.truncated(each.error, 300),
            )
            for each in latest.order_by("-id")[:MAX_DELIVERIES]
        ]
        heads = ["Time (UTC)", "Event", "Study", "State", "Attempts", "Error"]
        if not rows:
            return "No messages yet."
        return format_html('<div class="tuner-deliveries">{}</div>', display.table(heads, rows))

    # Writes -----------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        actor, given = Actor.of_session(request), form.cleaned_data
        if change:
            changes = {field: given[field] for field in form.changed_data}
            change_webhook(actor=actor, webhook_id=obj.pk, changes=changes)
        else:
            new = NewWebhook(**{field: given[field] for field in FIELDS})
            created = create_webhook(actor=actor, new=new)
            obj.pk, obj.secret = created.pk, created.secret

    def response_add(
        self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._secret_page(request, obj)

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        delete_webhook(actor=Actor.of_session(request), webhook_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        for webhook in queryset:
            self.delete_model(request, webhook)

    @admin.action(description="Enable selected webhooks", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable selected webhooks", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Send a test message to selected webhooks", permissions=["change"])
    def send_test_message(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        enabled = list(queryset.filter(enabled=True))
        for webhook in enabled:
            ping_webhook(actor=Actor.of_session(request), webhook_id=webhook.pk)
        text = f"Queued test messages: {len(enabled)}. The page of a webhook shows the outcome."
        self.message_user(request, text, messages.SUCCESS)

    @admin.action(description="Give the selected webhook a new secret", permissions=["change"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> HttpResponse | None:
        selected = list(queryset[:2])
        if len(selected) != 1:
            self.message_user(request, "Select one webhook: its secret is shown.", messages.WARNING)
            return None
        rotated = rotate_secret(actor=Actor.of_session(request), webhook_id=selected[0].pk)
        return self._secret_page(request, rotated, is_new=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Webhook], *, enabled: bool) -> None:
        chosen = list(queryset.exclude(enabled=enabled))
        for webhook in chosen:
            changes = {"enabled": enabled}
            change_webhook(actor=Actor.of_session(request), webhook_id=webhook.pk, changes=changes)
        verb = "Enabled" if enabled else "Disabled"
        self.message_user(request, f"{verb} webhooks: {len(chosen)}.", messages.SUCCESS)

    def _secret_page(
        self, request: HttpRequest, webhook: Webhook, *, is_new: bool = True
    ) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        context |= {"webhook": webhook, "is_new": is_new}
        return TemplateResponse(request, "admin/events/webhook/secret.html", context)
