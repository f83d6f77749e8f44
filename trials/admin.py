"""Trials in the admin: to look at, study by study. They are deleted with their study only."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.paginator import Page, Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from studies import admin_display as display
from studies.models import Study
from trials.models import State, Trial

NEWEST = 10_000  # trials are listed where no study is chosen
MAX_STEPS = 1000
MAX_NUMBER = 2**31 - 1
STUDY, STATE, FRONT = "study__id__exact", "state__exact", "on_front"


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


class StateFilter(display.ChoiceFilter):
    title = "state"
    parameter_name = STATE
    values = State.values


class FrontFilter(admin.SimpleListFilter):
    title = "rank"
    parameter_name = FRONT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Best, or on the Pareto front")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        return queryset.filter(on_front=True) if self.value() == "1" else queryset


class TrialChangeList(ChangeList):
    """Trials of one study by number, or the newest of all, each with its study."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        study = listed_study(request)
        if study is not None:
            self.title = f"Trials of {study}"
        elif STUDY not in request.GET:
            self.title = f"The newest {NEWEST:,} trials; a study's page links to all of its own"

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        trials = super().get_queryset(request, *args, **kwargs).select_related(None)
        trials = trials.defer("user_attrs", "system_attrs", "study_attrs")
        if STUDY in request.GET:
            return trials
        oldest = Trial.objects.order_by("-id").values_list("id", flat=True)[NEWEST - 1 : NEWEST]
        return trials.filter(id__gte=next(iter(oldest), 0))

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Any]:
        # Exactly an index, without the tie-breaker that Django would add.
        return ["-number"] if STUDY in request.GET else ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        study = listed_study(request)
        trials = list(self.result_list[: self.list_per_page])
        studies = (
            {study.pk: study}
            if study
            else Study.objects.defer("distributions", "user_attrs").in_bulk(
                {trial.study_id for trial in trials}
            )
        )
        # A study can be deleted between the two queries.
        self.result_list = [trial for trial in trials if trial.study_id in studies]
        for trial in self.result_list:
            trial.study = studies[trial.study_id]


class TrialPaginator(Paginator):
    """Takes the count from the study's tallies, and finds a page of a whole study by number.

    `tally` is the count if it is known, and `whole` says that nothing but a study was chosen.
    """

    object_list: models.QuerySet[Trial]

    def __init__(self, *args: Any, tally: int | None, whole: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tally = tally
        self.whole = whole

    @cached_property
    def count(self) -> int:
        return self.object_list.count() if self.tally is None else self.tally

    def page(self, number: int | str) -> Page:
        if not self.whole:
            return super().page(number)
        number = self.validate_number(number)
        end = self.count - (number - 1) * self.per_page
        trials = self.object_list.filter(number__lt=end)[: self.per_page]
        return Page(trials, number, self)


@admin.register(Trial)
class TrialAdmin(display.InspectionAdmin):
    list_display = [
        "number",
        "study_link",
        "state_badge",
        "final_values",
        "params_read",
        "worker",
        "reason_read",
        "duration",
        "started",
    ]
    list_filter = [StudyFilter, StateFilter, FrontFilter]
    lookups = [STUDY, STATE, FRONT]
    search_fields = ["number"]
    search_help_text = "The number of a trial."
    sortable_by = ()  # by number alone, for which there is an index
    list_per_page = 100
    list_max_show_all = 100
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "number",
                    "study_link",
                    "id",
                    "state_badge",
                    "reason_read",
                    "final_values",
                    "constraints_table",
                ]
            },
        ),
        ("Worker", {"fields": ["worker", "lease", "attempts", "should_prune", "priority"]}),
        ("Time", {"fields": ["started", "completed", "duration"]}),
        ("Parameters", {"fields": ["params_table"]}),
        ("Intermediate values", {"fields": ["steps"]}),
        ("Attributes", {"fields": ["user_attributes", "system_attributes"]}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("study")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TrialChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        is_number = term.isdecimal() and len(term) <= 10 and int(term) <= MAX_NUMBER
        return (queryset.filter(number=int(term)) if is_number else queryset.none()), False

    def get_paginator(
        self, request: HttpRequest, queryset: models.QuerySet[Any], per_page: int, *args: Any
    ) -> TrialPaginator:
        study, state = listed_study(request), request.GET.get(STATE)
        narrowed = bool(request.GET.get(SEARCH_VAR, "").strip()) or request.GET.get(FRONT) == "1"
        tally = None
        if study is not None and not narrowed:
            tally = study.n_trials if state is None else study.trial_counts.get(state, 0)
        whole = tally is not None and state is None
        return TrialPaginator(queryset, per_page, *args, tally=tally, whole=whole)

    @admin.display(description="study")
    def study_link(self, trial: Trial) -> SafeString:
        url = reverse("admin:studies_study_change", args=[trial.study_id])
        return format_html('<a href="{}">{}</a>', url, display.shortened(trial.study.name, 60))

    @admin.display(description="state")
    def state_badge(self, trial: Trial) -> SafeString:
        return display.state_badge(trial.state)

    @admin.display(description="values")
    def final_values(self, trial: Trial) -> str:
        return display.numbers(trial.values)

    @admin.display(description="reason")
    def reason_read(self, trial: Trial) -> str:
        return display.shortened(trial.reason, 120) or display.EMPTY

    @admin.display(description="constraints")
    def constraints_table(self, trial: Trial) -> SafeString | str:
        return display.attributes(trial.constraints_by_name, ["Constraint", "Value"])

    @admin.display
    def worker(self, trial: Trial) -> str:
        return display.shortened(trial.worker_id, 40) or display.EMPTY

    @admin.display(description="lease runs out (UTC)")
    def lease(self, trial: Trial) -> SafeString | str:
        return display.moment(trial.lease_expires_at)

    @admin.display
    def attempts(self, trial: Trial) -> SafeString:
        """Which attempt it is, with links to the one before and the one after."""
        links = (
            (
                text,
                f"{reverse('admin:trials_trial_changelist')}?{STUDY}={trial.study_id}&q={number}",
            )
            for text, number in (
                (f"before: trial {trial.retry_of}", trial.retry_of),
                (f"next: trial {trial.retried_as}", trial.retried_as),
            )
            if number is not None
        )
        others = format_html_join("", '; <a href="{1}">{0}</a>', links)
        return format_html("{}{}", trial.attempt, others)

    @admin.display(description="params")
    def params_read(self, trial: Trial) -> SafeString:
        return display.compact(trial.params)

    @admin.display(description="params")
    def params_table(self, trial: Trial) -> SafeString | str:
        return display.attributes(trial.params, ["Parameter", "Value"])

    @admin.display
    def duration(self, trial: Trial) -> str:
        return display.duration(trial.duration_seconds)

    @admin.display(description="started (UTC)")
    def started(self, trial: Trial) -> SafeString | str:
        return display.moment(trial.datetime_start)

    @admin.display(description="completed (UTC)")
    def completed(self, trial: Trial) -> SafeString | str:
        return display.moment(trial.datetime_complete)

    @admin.display(description="by step")
    def steps(self, trial: Trial) -> SafeString | str:
        values = trial.intermediate_value_set.order_by("step").values_list("step", "value")
        rows = [(str(step), display.number(value)) for step, value in values[: MAX_STEPS + 1]]
        if not rows:
            return display.EMPTY
        note = f"The first {MAX_STEPS:,}; there are more." if len(rows) > MAX_STEPS else ""
        return display.table(["Step", "Value"], rows[:MAX_STEPS], note)

    @admin.display(description="user attributes")
    def user_attributes(self, trial: Trial) -> SafeString | str:
        return display.attributes(trial.user_attrs, ["Attribute", "Value"])

    @admin.display(description="system attributes")
    def system_attributes(self, trial: Trial) -> SafeString | str:
        return display.attributes(trial.system_attrs, ["Attribute", "Value"])
