"""Studies in the admin: to look at, to pause and resume, and to delete."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.actors import Actor
from console import display
from console.access.audit_admin import entries_url
from console.studies.filters import (
    ObjectivesFilter,
    PrunerFilter,
    SamplerFilter,
    StateFilter,
    StudyChangeList,
)
from console.studies.lifecycle import FINAL, LifecycleAdmin
from studies import domain
from studies.domain.lifecycle import allowed_actions
from studies.models import Study

# The confirmation's form sends one field a study, and Django accepts 1,000 fields.
MAX_DELETED_AT_ONCE = 500
MAX_STATES = 100  # of the changes of state that are shown


class StudyAdmin(LifecycleAdmin):
    """All counts are the tallies on the study's row, so no page depends on its trials' number.

    What else a study's page shows, it asks the API for once it is there (`study.js`). Registered
    by `console.studies.clone`, which adds what needs trials.
    """

    list_display = [
        "name",
        "state_read",
        "directions_read",
        "sampler",
        "pruner",
        "number_of_trials",
        "states",
        "best_value",
        "created",
    ]
    list_filter = [StateFilter, SamplerFilter, PrunerFilter, ObjectivesFilter, "created_at"]
    lookups = ["state", "sampler", "pruner", "objectives", "created_at"]
    search_fields = ["name"]
    ordering = ["-id"]
    list_per_page = 100
    list_max_show_all = 100
    fieldsets = [
        (None, {"fields": ["name", "id", "directions_read", "created"]}),
        ("Budgets", {"fields": ["budgets", "trials_left", "retries_and_leases"]}),
        ("Changes of state", {"fields": ["history_of_states"]}),
        ("Search space", {"fields": ["parameters", "constraints_read", "duplicates"]}),
        (
            "Algorithms",
            {"fields": ["sampler", "options_of_sampler", "pruner", "options_of_pruner"]},
        ),
        ("Attributes", {"fields": ["user_attributes"]}),
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StudyChangeList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        study: Study = context["original"]
        shown = ("number_of_trials", "states", "best_value", "best_parameters")
        context |= {
            "title": study.name,
            "subtitle": None,
            "api_url": reverse("study", args=[study.name]),
            "tools": self.tools(request, study),
            "actions": allowed_actions(study) if self.has_operate_permission(request) else [],
            "confirmed": FINAL,
            "panel": {"state": self.state_read(study)}
            | {name: getattr(self, name)(study) for name in shown},
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def tools(self, request: HttpRequest, study: Study) -> list[tuple[str, str]]:
        """The links at the top of a study's page."""
        links = [
            ("Trials", _trials_url(study)),
            ("Optuna dashboard", reverse("dashboard-study", args=[study.pk])),
        ]
        user: Any = request.user
        if user.has_perm("access.view_auditentry"):
            links.append(("Audit", entries_url(study.pk)))
        return links

    @admin.display(description="state", ordering="state")
    def state_read(self, study: Study) -> SafeString:
        badge = display.state_badge(study.state)
        return format_html("{} {}", badge, display.shortened(study.state_reason, 60))

    @admin.display
    def budgets(self, study: Study) -> SafeString | str:
        given = {name: getattr(study, name) for name in Study.BUDGETS}
        rows = [(name, value) for name, value in given.items() if value is not None]
        return display.table(["Budget", "Limit"], rows) if rows else display.EMPTY

    @admin.display(description="trials to hand out")
    def trials_left(self, study: Study) -> str:
        if study.max_trials is None:
            return "unlimited"
        return f"{max(0, study.max_trials - study.n_counted):,} of {study.max_trials:,}"

    @admin.display(description="retries and leases")
    def retries_and_leases(self, study: Study) -> str:
        lease = "never runs out"
        if study.lease_seconds is not None:
            lease = f"runs out after {display.duration(study.lease_seconds)} without a sign of life"
        return f"{study.max_retries} retries; a lease {lease}"

    @admin.display(description="oldest first")
    def history_of_states(self, study: Study) -> SafeString | str:
        rows = [
            (
                display.state_badge(each["state"]),
                each["reason"] or "",
                each["datetime"][:19].replace("T", " "),
            )
            for each in study.state_history[-MAX_STATES:]
        ]
        return display.table(["State", "Reason", "UTC"], rows) if rows else display.EMPTY

    @admin.display(description="constraints")
    def constraints_read(self, study: Study) -> str:
        return display.shortened(", ".join(study.constraints)) or display.EMPTY

    @admin.display(description="directions", ordering="directions")
    def directions_read(self, study: Study) -> str:
        return ", ".join(study.directions)

    @admin.display(description="created (UTC)", ordering="created_at")
    def created(self, study: Study) -> SafeString | str:
        return display.moment(study.created_at)

    @admin.display(description="trials", ordering="next_number")
    def number_of_trials(self, study: Study) -> SafeString:
        return format_html('<a href="{}">{}</a>', _trials_url(study), f"{study.n_trials:,}")

    @admin.display(description="by state")
    def states(self, study: Study) -> SafeString | str:
        badges = (
            (display.state_badge(state, f"{count:,} {state.lower()}", _trials_url(study, state)),)
            for state, count in study.trial_counts.items()
            if count
        )
        return format_html_join(" ", "{}", badges) or display.EMPTY

    @admin.display(description="best value", ordering="best_values")
    def best_value(self, study: Study) -> SafeString | str:
        if study.best_values is None:
            return display.EMPTY
        text = "{} (first of the front)" if study.is_multi_objective else "{}"
        return format_html(
            '<a href="{}" title="{}">{}</a>',
            _trials_url(study, on_front="1"),
            f"trial {study.best_number}",
            text.format(display.numbers(study.best_values)),
        )

    @admin.display(description="best parameters")
    def best_parameters(self, study: Study) -> SafeString | str:
        return display.attributes(study.best_params, ["Parameter", "Value"])

    @admin.display(description="parameters")
    def parameters(self, study: Study) -> SafeString:
        return display.parameters_table(study.search_space)

    @admin.display(description="sampler options")
    def options_of_sampler(self, study: Study) -> SafeString | str:
        return display.attributes(study.sampler_options, ["Option", "Value"])

    @admin.display(description="pruner options")
    def options_of_pruner(self, study: Study) -> SafeString | str:
        return display.attributes(study.pruner_options, ["Option", "Value"])

    @admin.display(description="user attributes")
    def user_attributes(self, study: Study) -> SafeString | str:
        return display.attributes(study.user_attrs, ["Attribute", "Value"])

    def get_deleted_objects(
        self, objs: Iterable[Study], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """The studies and how many trials each has; Django's own would read and print them."""
        studies = list(objs)
        described = [
            format_html('Study <a href="{}">{}</a> with {} trials', *_described(study))
            for study in studies
        ]
        counts = {"studies": len(studies), "trials": sum(study.n_trials for study in studies)}
        lacking = set() if self.has_delete_permission(request) else {"study"}
        return described, counts, lacking, []

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        if request.POST.get("select_across") == "1" and queryset.count() > MAX_DELETED_AT_ONCE:
            text = f"Choose at most {MAX_DELETED_AT_ONCE} studies at a time."
            self.message_user(request, text, messages.WARNING)
            return None
        if request.POST.get("action") != "delete_selected":
            return super().response_action(request, queryset, *args, **kwargs)
        with transaction.atomic():  # the log's entries and the deletion together
            return super().response_action(request, queryset, *args, **kwargs)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Back to the list, where Django goes only for who may change studies."""
        response = super().response_delete(request, obj_display, obj_id)
        if isinstance(response, HttpResponseRedirect) and self.has_view_permission(request):
            return HttpResponseRedirect(reverse("admin:studies_study_changelist"))
        return response

    def delete_model(self, request: HttpRequest, obj: Study) -> None:
        self._delete(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        self._delete(request, queryset)

    def _delete(self, request: HttpRequest, studies: Iterable[Study]) -> None:
        ids = [study.pk for study in studies]
        chosen = Study.objects.filter(pk__in=ids)
        domain.delete_studies(actor=Actor.of_session(request), studies=chosen)


def _trials_url(study: Study, state: str | None = None, **filters: str) -> str:
    query = {"study__id__exact": str(study.pk), **filters}
    if state is not None:
        query["state__exact"] = state
    return f"{reverse('admin:trials_trial_changelist')}?{urlencode(query)}"


def _described(study: Study) -> tuple[str, str, str]:
    url = reverse("admin:studies_study_change", args=[study.pk])
    return url, study.name, f"{study.n_trials:,}"
