"""What a list of trials is narrowed by."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest

from console import display
from console.choice_filter import ChoiceFilter
from optuna_bridge.enums import TrialState
from studies.models import Study
from trials.models import Trial

STUDY, STATE, FRONT, WORKER = "study__id__exact", "state__exact", "on_front", "worker_id"
MAX_WORKERS = 50  # that are offered


def listed_study(request: HttpRequest) -> Study | None:
    """The study whose trials are listed, read once a request."""
    cache = vars(request)
    if "listed_study" not in cache:
        try:
            studies = Study.objects.defer("distributions", "user_attrs")
            cache["listed_study"] = studies.filter(pk__in=request.GET.getlist(STUDY)[-1:]).first()
        except ValueError as error:
            raise IncorrectLookupParameters from error
    return cache["listed_study"]


class StudyFilter(admin.SimpleListFilter):
    """Offers the chosen study and all; there can be thousands of others."""

    title = "study"
    parameter_name = STUDY

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        study = listed_study(request)
        if self.value() is None:
            return []
        return [(str(self.value()), study.name if study else "deleted")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        study = listed_study(request)
        return queryset.none() if study is None else queryset.filter(study=study)


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = STATE
    values = TrialState.values

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        known = self.value() is None or self.value() in self.values
        return super().queryset(request, queryset) if known else queryset.none()


class FrontFilter(admin.SimpleListFilter):
    title = "rank"
    parameter_name = FRONT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Best, or on the Pareto front")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        return queryset.filter(on_front=True) if self.value() == "1" else queryset


class WorkerFilter(admin.SimpleListFilter):
    """Offers the workers that hold the study's running trials; any may be asked for."""

    title = "worker"
    parameter_name = WORKER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        study, chosen = listed_study(request), self.value()
        workers = [] if study is None else _running_workers(study)
        if chosen is not None and chosen not in workers:
            workers = [chosen, *workers]
        return [(worker, display.shortened(worker, 40)) for worker in workers]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        worker = self.value()
        if worker is None:
            return queryset
        return queryset.none() if "\0" in worker else queryset.filter(worker_id=worker)


def _running_workers(study: Study) -> list[str]:
    """The first workers that hold running trials, by name; from the index of those alone."""
    held = Trial.objects.filter(study_id=study.pk, state=TrialState.RUNNING).exclude(worker_id="")
    names = held.order_by("worker_id").values_list("worker_id", flat=True)
    return list(names.distinct()[:MAX_WORKERS])
