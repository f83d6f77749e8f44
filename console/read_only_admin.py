"""The base class of read-only admin pages."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Pages on which nothing can be added or changed, so that all `fieldsets` are read-only.

    Attributes:
        can_delete: Whether users with Django's permission may delete objects.
        lookups: The lookups allowed in the query of a list, in full or up to the first "__". Others
            are refused, because they are slow or fail in the database. None: Django's own check.
    """

    can_delete = False
    lookups: Sequence[str] | None = None

    class Media:
        css = {"all": ["console/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and super().has_delete_permission(request, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        if self.lookups is None:
            return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
        return lookup in self.lookups or lookup.split("__")[0] in self.lookups
