"""What the requests of an admin's list may contain: known lookups, and possible values."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.core.exceptions import ValidationError
from django.db import DataError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

MAX_INTEGER = 2**31 - 1  # of ids and of numbers of trials in the database


class KnownLookups(admin.ModelAdmin):
    """An admin whose lists are filtered by known lookups only.

    Django itself allows each lookup of each field, of which many are slow or fail in the database.

    Attributes:
        lookups: The allowed lookups.
    """

    lookups: Sequence[str] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self.lookups

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; a value that the database cannot represent is handled as Django does."""
        try:
            return super().changelist_view(request, extra_context)
        except DataError:
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Run the chosen action, unless a selected row cannot exist."""
        try:
            for selected in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.get_prep_value(self.opts.pk.to_python(selected))
        except (ValidationError, ValueError, OverflowError):
            text = "A selected row does not exist: reload the list."
            self.message_user(request, text, messages.WARNING)
            return None
        return super().response_action(request, queryset, *args, **kwargs)


class KnownUserAdmin(KnownLookups, UserAdmin):
    """Django's users."""

    lookups = ("is_staff__exact", "is_superuser__exact", "is_active__exact", "groups__id__exact")


class KnownGroupAdmin(KnownLookups, GroupAdmin):
    """Django's groups."""
