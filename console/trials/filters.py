"""The filters of the list of trials."""

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
GROUP = "repeat_group"
MAX_WORKERS = 50  # offered to choose from


def listed_study(request: HttpRequest) -> Study | None:
    """Return the study whose trials are listed, read once per request.

    Returns:
        The study, or None if the query has no study or one that does not exist.

    Raises:
        IncorrectLookupParameters: The value in the query is not an id.
    """
    cache = vars(request)
    if "listed_study" not in cache:
        try:
            studies = Study.objects.defer("distributions", "user_attrs", "note")
            cache["listed_study"] = studies.filter(pk__in=request.GET.getlist(STUDY)[-1:]).first()
        except ValueError as error:
            raise IncorrectLookupParameters from error
    return cache["listed_study"]


class StudyFilter(admin.SimpleListFilter):
    """A filter that offers only the selected study and all, as there can be thousands of others."""

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
    """A filter by the trial's state."""

    title = "state"
    parameter_name = STATE
    values = TrialState.values


class FrontFilter(admin.SimpleListFilter):
    """A filter for the best trial, or the Pareto front of a study with several objectives."""

    title = "result"
    parameter_name = FRONT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Best or on the Pareto front")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        return queryset.filter(on_front=True) if self.value() == "1" else queryset


class WorkerFilter(admin.SimpleListFilter):
    """A filter that offers the workers of running trials; the query may contain any other."""

    title = "worker"
    parameter_name = WORKER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        study, selected = listed_study(request), self.value()
        workers = [] if study is None else _workers_of_running_trials(study)
        if selected is not None and selected not in workers:
            workers = [selected, *workers]
        return [(worker, display.truncated(worker, 40)) for worker in workers]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        worker = self.value()
        if worker is None:
            return queryset
        return queryset.none() if "\0" in worker else queryset.filter(worker_id=worker)


def _workers_of_running_trials(study: Study) -> list[str]:
    """Return the first workers by name; the query reads only a partial index."""
    running = Trial.objects.filter(study_id=study.pk, state=TrialState.RUNNING)
    names = running.exclude(worker_id="").order_by("worker_id").values_list("worker_id", flat=True)
    return list(names.distinct()[:MAX_WORKERS])
