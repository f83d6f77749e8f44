"""A filter of the admin's lists."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class ChoiceFilter(admin.SimpleListFilter):
    """Narrows a list down to one of the values of a field, which `parameter_name` looks up."""

    values: Iterable[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value.lower()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        value = self.value()
        return queryset if value is None else queryset.filter(**{str(self.parameter_name): value})
