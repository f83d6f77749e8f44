"""How the list of studies is narrowed down, and what it reads."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest

from console.choice_filter import ChoiceFilter
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.enums import StudyState


class StateFilter(ChoiceFilter):
    title = parameter_name = "state"
    values = StudyState.values


class SamplerFilter(ChoiceFilter):
    title = parameter_name = "sampler"
    values = SAMPLERS


class PrunerFilter(ChoiceFilter):
    title = parameter_name = "pruner"
    values = PRUNERS


class ObjectivesFilter(admin.SimpleListFilter):
    title = "objectives"
    parameter_name = "objectives"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("one", "One"), ("several", "Several")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        match self.value():
            case "one":
                return queryset.filter(directions__len=1)
            case "several":
                return queryset.filter(directions__len__gt=1)
        return queryset


class StudyChangeList(ChangeList):
    """The list, without the columns that can be long and are not shown."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        studies = super().get_queryset(request, *args, **kwargs)
        return studies.defer(
            "search_space", "distributions", "user_attrs", "best_internal_params", "state_history"
        )
