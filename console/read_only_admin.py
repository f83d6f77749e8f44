"""The base class of read-only admin pages."""

from typing import Any

from django.http import HttpRequest

from console.known_lookups import KnownLookups


class ReadOnlyAdmin(KnownLookups):
    """Pages on which nothing can be added or changed, so that all `fieldsets` are read-only.

    Attributes:
        can_delete: Whether users with Django's permission may delete objects.
    """

    can_delete = False

    class Media:
        css = {"all": ["console/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and super().has_delete_permission(request, obj)
