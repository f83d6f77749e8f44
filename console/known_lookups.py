"""The lookups that the query of an admin's list may contain."""

from collections.abc import Sequence

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.http import HttpRequest


class KnownLookups(admin.ModelAdmin):
    """An admin whose lists are filtered by known lookups only.

    Django itself allows each lookup of each field, of which many are slow or fail in the database.

    Attributes:
        lookups: The allowed lookups.
    """

    lookups: Sequence[str] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self.lookups


class KnownUserAdmin(KnownLookups, UserAdmin):
    """Django's users."""

    lookups = ("is_staff__exact", "is_superuser__exact", "is_active__exact", "groups__id__exact")


class KnownGroupAdmin(KnownLookups, GroupAdmin):
    """Django's groups."""
