"""The filter of the admin's lists by one value of a field."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class ChoiceFilter(admin.SimpleListFilter):
    """A filter by one of the values of a field; any other value matches nothing.

    Attributes:
        parameter_name: The lookup, which is also the key in the query of the URL.
        values: The values to choose from.
    """

    values: Iterable[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value.lower()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        value = self.value()
        if value is None:
            return queryset
        if value not in self.values:
            return queryset.none()
        return queryset.filter(**{str(self.parameter_name): value})
