"""Tokens in the admin: created, shown once, changed and revoked."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from access.actors import Actor
from access.domain.tokens import change_token, delete_tokens, revoke_token, store_token
from access.models import Token
from access.scopes import Scope
from console.choice_filter import ChoiceFilter
from console.known_lookups import KnownLookups

# The fields that the service sets.
READ_ONLY_FIELDS = ("prefix", "created", "last_used_at", "revoked")
# What a share is for was decided when the study was shared.
SHARE_FIELDS = ("name", "scope", "shared_study", "expiry_date")


class TokenForm(forms.ModelForm):
    """The fields of a token that users set."""

    class Meta:
        model = Token
        fields = ("name", "scope", "studies", "expiry_date")
        help_texts: ClassVar[dict[str, str]] = {
            "name": "The name of the client that uses it; the audit log shows it.",
            "studies": "The studies that it may access: a pattern of names, such as search-*.",
            "expiry_date": "Empty: it never expires.",
            "last_used_at": "Recorded at most once a minute.",
            "revoked": "A revoked token is rejected. This cannot be undone.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "expiry_date" in self.fields:  # Django labels neither of its two inputs
            inputs = self.fields["expiry_date"].widget.widgets
            for part, each in zip(("date", "time"), inputs, strict=True):
                each.attrs["aria-label"] = f"Expires, {part}"

    def clean_expiry_date(self) -> Any:
        expiry_date = self.cleaned_data["expiry_date"]
        if "expiry_date" in self.changed_data and expiry_date and expiry_date <= timezone.now():
            raise forms.ValidationError(
                "This time is in the past: enter a later one, or leave it empty."
            )
        return expiry_date


class ScopeFilter(ChoiceFilter):
    """A filter by the scope."""

    title, parameter_name = "scope", "scope__exact"
    values = Scope.values


class ShareFilter(admin.SimpleListFilter):
    """Tokens that are links to a study, or all others."""

    title, parameter_name = "kind", "is_share"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "links to a study"), ("0", "other tokens")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> QuerySet[Token]:
        value = self.value()
        if value is None:
            return queryset
        if value not in ("0", "1"):
            return queryset.none()
        return queryset.filter(study_id__isnull=value == "0")


class TokenAdmin(KnownLookups):
    """Tokens, whose key is shown only on the page that confirms their creation."""

    form = TokenForm
    list_display = (
        "name",
        "prefix",
        "scope",
        "visible_studies",
        "created",
        "expiry_date",
        "last_used_at",
        "usable",
    )
    list_filter = (ScopeFilter, ShareFilter, "revoked")
    lookups = ("scope__exact", "is_share", "revoked__exact")
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    @admin.display(boolean=True)
    def usable(self, token: Token) -> bool:
        return token.is_usable

    @admin.display(description="studies", ordering="studies")
    def visible_studies(self, token: Token) -> str:
        """The pattern of the studies; of a share, that it is a link to one."""
        return "one, by a link" if token.is_share else token.studies

    @admin.display(description="study")
    def shared_study(self, token: Token) -> str:
        """The study that a share is for, as a link."""
        url = reverse("admin:studies_study_change", args=[token.study_id])
        return format_html('<a href="{}">{}</a>', url, token.name)

    def get_fields(self, request: HttpRequest, obj: Token | None = None) -> Any:
        if obj is not None and obj.is_share:
            return (*SHARE_FIELDS, *READ_ONLY_FIELDS)
        return (*TokenForm.Meta.fields, *(() if obj is None else READ_ONLY_FIELDS))

    def get_readonly_fields(self, request: HttpRequest, obj: Token | None = None) -> Any:
        if obj is None:
            return ()
        if obj.is_share:
            return (*SHARE_FIELDS, *READ_ONLY_FIELDS)
        return (*READ_ONLY_FIELDS, *TokenForm.Meta.fields) if obj.revoked else READ_ONLY_FIELDS

    @admin.action(description="Revoke selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        tokens = list(queryset.filter(revoked=False))
        for token in tokens:
            revoke_token(actor=Actor.of_session(request), token=token)
            self.log_change(request, token, "revoked")
        self.message_user(request, f"Revoked tokens: {len(tokens)}.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        actor = Actor.of_session(request)
        if change:  # keep what another request has changed meanwhile, such as a revocation
            change_token(actor=actor, token=obj, fields=form.changed_data)
        else:
            obj.key = store_token(actor=actor, token=obj)

    def delete_model(self, request: HttpRequest, obj: Token) -> None:
        delete_tokens(actor=Actor.of_session(request), tokens=[obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        delete_tokens(actor=Actor.of_session(request), tokens=queryset)

    def response_add(
        self, request: HttpRequest, obj: Token, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "token": obj}
        return TemplateResponse(request, "admin/access/token/created.html", context)
