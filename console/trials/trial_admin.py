"""The list of trials and the page of a trial."""

from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse

from console.known_lookups import MAX_INTEGER
from console.read_only_admin import ReadOnlyAdmin
from console.studies.permissions import may_change_states
from console.trials import columns
from console.trials.actions import CorrectionForm, invalidate_results, retry_trials
from console.trials.changelist import SORTABLE, TrialChangeList, TrialPaginator
from console.trials.chosen_columns import PARAMETER, chosen_columns, displayed
from console.trials.csv_export import csv_response
from console.trials.filters import (
    FRONT,
    GROUP,
    STATE,
    STUDY,
    WORKER,
    FrontFilter,
    StateFilter,
    StudyFilter,
    WorkerFilter,
    listed_study,
)
from console.trials.page.context import page_context
from console.trials.page.views import page_urls
from console.trials.parameter_columns import ValuesColumn, parameter_columns


class TrialAdmin(ReadOnlyAdmin):
    """Trials: shown, corrected, and exported as CSV; they are deleted with their study only."""

    list_display = [
        "number",
        columns.study_link,
        columns.state,
        ValuesColumn(),
        columns.params_line,
        columns.worker,
        columns.reason_text,
        columns.duration,
        columns.started,
    ]
    list_filter = [StudyFilter, StateFilter, WorkerFilter, FrontFilter]
    lookups = [STUDY, STATE, WORKER, FRONT, GROUP]
    search_fields = ["number"]
    search_help_text = "The number of a trial."
    actions = [invalidate_results, retry_trials]
    action_form = CorrectionForm
    list_per_page = 100
    list_max_show_all = 100
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    # What is below the page's own sections (`page/`).
    fieldsets: ClassVar[Any] = [  # Django's type stubs do not allow functions here
        (
            "Details",
            {
                "fields": [
                    "number",
                    columns.study_link,
                    "id",
                    columns.sampled_by,
                    columns.started,
                    columns.completed,
                    columns.lease_expiry,
                    "reoffers",
                    "priority",
                    columns.repeat,
                    columns.group_result,
                ]
            },
        ),
        ("Intermediate values", {"fields": [columns.intermediate_values]}),
        ("Attributes", {"fields": [columns.user_attributes, columns.system_attributes]}),
    ]

    # A name that Django derives from the `permissions` of actions.
    has_change_trials_permission = staticmethod(may_change_states)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("study")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TrialChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns: one per parameter for one study, a combined one for all studies."""
        study = listed_study(request)
        if study is None:
            return self.list_display
        chosen, _ = chosen_columns(request, study)
        has_parameters = any(each.kind == PARAMETER for each in chosen)
        return [
            "number",
            columns.state,
            ValuesColumn.of(study),
            *(() if study.repeats is None else (columns.group_result, columns.repeat)),
            *([] if has_parameters else parameter_columns(study)),
            *displayed(study, chosen),
            columns.worker,
            columns.reason_text,
            columns.duration,
            columns.started,
        ]

    def get_sortable_by(self, request: HttpRequest) -> tuple[Any, ...]:
        return () if listed_study(request) is None else tuple(SORTABLE)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        is_number = term.isdecimal() and len(term) <= 10 and int(term) <= MAX_INTEGER
        return (queryset.filter(number=int(term)) if is_number else queryset.none()), False

    def get_paginator(
        self, request: HttpRequest, queryset: models.QuerySet[Any], per_page: int, *args: Any
    ) -> TrialPaginator:
        study, state = listed_study(request), request.GET.get(STATE)
        is_searched = bool(request.GET.get(SEARCH_VAR, "").strip())
        is_narrowed = WORKER in request.GET or GROUP in request.GET or request.GET.get(FRONT) == "1"
        is_counted = not (is_searched or is_narrowed)
        count = None
        if study is not None and is_counted:
            count = study.n_trials if state is None else study.trial_counts.get(state, 0)
        is_whole_study = count is not None and state is None
        return TrialPaginator(
            queryset, per_page, *args, known_count=count, is_whole_study=is_whole_study
        )

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [
            path("export/", export, name="trials_trial_export"),
            *page_urls(self),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        refused_form = context.get("note_form")
        context |= page_context(request, context["original"], refused_form=refused_form)
        return super().render_change_form(request, context, *args, **kwargs)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the trials of a study as CSV, with the filters of the list.

        Raises:
            PermissionDenied: The user may not view trials.
            Http404: The query has no study, or one that does not exist.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            trials = self.get_changelist_instance(request).queryset
            study = listed_study(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:trials_trial_changelist"))
        if study is None:
            raise Http404("only the trials of one study can be exported: select a study")
        return csv_response(study, trials, chosen_columns(request, study)[0])
