"""A trial's page, and what its list consists of."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console import display
from console.trials.changelist import SORTABLE, TrialChangeList, TrialPaginator
from console.trials.columns import parameter_columns
from console.trials.csv_export import csv_response
from console.trials.filters import (
    FRONT,
    STATE,
    STUDY,
    WORKER,
    FrontFilter,
    StateFilter,
    StudyFilter,
    WorkerFilter,
    listed_study,
)
from trials.models import Trial

MAX_STEPS = 1000
MAX_NUMBER = 2**31 - 1


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
    list_filter = [StudyFilter, StateFilter, WorkerFilter, FrontFilter]
    lookups = [STUDY, STATE, WORKER, FRONT]
    search_fields = ["number"]
    search_help_text = "The number of a trial."
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

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        study = listed_study(request)
        if study is None:
            return self.list_display
        first, rest = ["number", "state_badge", "final_values"], self.list_display[5:]
        return [*first, *parameter_columns(study), *rest]

    def get_sortable_by(self, request: HttpRequest) -> tuple[Any, ...]:
        return () if listed_study(request) is None else tuple(SORTABLE)

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
        searched = request.GET.get(SEARCH_VAR, "").strip()
        narrowed = searched or WORKER in request.GET or request.GET.get(FRONT) == "1"
        tally = None
        if study is not None and not narrowed:
            tally = study.n_trials if state is None else study.trial_counts.get(state, 0)
        whole = tally is not None and state is None
        return TrialPaginator(queryset, per_page, *args, tally=tally, whole=whole)

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export/", export, name="trials_trial_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The trials of a study under the filters of its list, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            trials = self.get_changelist_instance(request).queryset
            study = listed_study(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:trials_trial_changelist"))
        if study is None:
            raise Http404("a study's trials are exported: choose one")
        return csv_response(study, trials)

    @admin.display(description="study")
    def study_link(self, trial: Trial) -> SafeString:
        url = reverse("admin:studies_study_change", args=[trial.study_id])
        return format_html('<a href="{}">{}</a>', url, display.shortened(trial.study.name, 60))

    @admin.display(description="state")
    def state_badge(self, trial: Trial) -> SafeString:
        return display.state_badge(trial.state)

    @admin.display(description="values", ordering="values")
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
