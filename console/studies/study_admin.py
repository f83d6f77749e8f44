"""The list of studies and the page of a study, and the deletion of studies."""

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.views.main import ChangeList
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from access.actors import Actor
from console.access.audit_admin import entries_url
from console.read_only_admin import ReadOnlyAdmin
from console.studies import columns
from console.studies.actions.export import export_studies
from console.studies.actions.state_actions import (
    cancel_studies,
    complete_studies,
    pause_studies,
    resume_studies,
    state_action_view,
)
from console.studies.actions.trial_actions import fail_silent_trials, retry_failed
from console.studies.compare import compare_studies, compare_view
from console.studies.filters import (
    ObjectivesFilter,
    PrunerFilter,
    SamplerFilter,
    StateFilter,
    StudyChangeList,
    TagFilter,
)
from console.studies.forms import description
from console.studies.forms.clone import clone_selected, clone_url, clone_view
from console.studies.forms.description import description_url, description_view
from console.studies.forms.search_space import search_space_url, search_space_view
from console.studies.forms.shares import shares_url, shares_view
from console.studies.page.definition_block import definition_block
from console.studies.page.live_part import state_buttons, study_context
from console.studies.page.state_line import state_line
from console.studies.page.trial_redirect import trial_view
from console.studies.permissions import (
    may_change_states,
    may_clone,
    may_share,
    may_view_audit,
    may_view_trials,
)
from studies import domain
from studies.models import Study

# The confirmation form sends one field per study, and Django accepts 1,000 fields.
MAX_DELETED_AT_ONCE = 500


class StudyAdmin(ReadOnlyAdmin):
    """Studies: shown, paused, resumed, completed, cancelled, exported, cloned and deleted.

    All counts come from the study's row, so that no page becomes slower with more trials. The
    page of a study fetches values that change while it runs from the API
    (`static/console/study.js`).
    """

    class Media:
        js = ["console/list.js"]

    list_display = [
        "name",
        description.tags,
        columns.state,
        columns.directions,
        "sampler",
        "pruner",
        columns.trial_count,
        columns.trial_counts,
        columns.best_value,
        columns.created,
    ]
    list_filter = [
        *(StateFilter, SamplerFilter, PrunerFilter, ObjectivesFilter, TagFilter),
        "created_at",
    ]
    lookups = [
        *("state", "sampler", "pruner", "objectives", "tag"),
        *("created_at__gte", "created_at__lt"),
    ]
    search_fields = ["name"]
    ordering = ["-id"]
    list_per_page = 100
    list_max_show_all = 100
    can_delete = True
    actions = [
        compare_studies,
        pause_studies,
        resume_studies,
        complete_studies,
        cancel_studies,
        fail_silent_trials,
        retry_failed,
        export_studies,
        clone_selected,
    ]
    # The page has no form: its template shows the definition as one block.
    fieldsets: ClassVar[Any] = [(None, {"fields": ["name"]})]

    # Names that Django derives from the `permissions` of actions.
    has_change_state_permission = staticmethod(may_change_states)
    has_clone_permission = staticmethod(may_clone)
    has_export_permission = staticmethod(may_view_trials)

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(partial(state_action_view, model_admin=self))
        clone = self.admin_site.admin_view(partial(clone_view, model_admin=self))
        space = self.admin_site.admin_view(partial(search_space_view, model_admin=self))
        compare = self.admin_site.admin_view(partial(compare_view, model_admin=self))
        describe = self.admin_site.admin_view(partial(description_view, model_admin=self))
        shares = self.admin_site.admin_view(partial(shares_view, model_admin=self))
        trial = self.admin_site.admin_view(trial_view)
        return [
            path("<path:object_id>/description/", describe, name="studies_study_description"),
            path("compare/", compare, name="studies_study_compare"),
            path("<int:study_id>/trials/<int:number>/", trial, name="studies_study_trial"),
            path("<path:object_id>/search-space/", space, name="studies_study_search_space"),
            path("<path:object_id>/act/<str:action>/", act, name="studies_study_act"),
            path("<path:object_id>/shares/", shares, name="studies_study_shares"),
            path("<path:object_id>/clone/", clone, name="studies_study_clone"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StudyChangeList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        study: Study = context["original"]
        context |= {
            "title": study.name,
            "subtitle": None,
            "object_links": _object_links(request, study),
            "tags": description.tags(study),
            "note": description.note(study),
            "buttons": state_buttons(study) if may_change_states(request) else [],
            **definition_block(study),
            **state_line(study, request),
            **study_context(study, has_links=may_view_trials(request)),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # Deletion ---------------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Iterable[Study], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """List the studies with the number of their trials.

        Django's own method would read and print every trial.
        """
        studies = list(objs)
        lines = [
            format_html(
                'Study <a href="{}">{}</a> with {} trials',
                reverse("admin:studies_study_change", args=[study.pk]),
                study.name,
                f"{study.n_trials:,}",
            )
            for study in studies
        ]
        counts = {"studies": len(studies), "trials": sum(study.n_trials for study in studies)}
        missing_permissions = set() if self.has_delete_permission(request) else {"study"}
        return lines, counts, missing_permissions, []

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        if request.POST.get("select_across") == "1" and queryset.count() > MAX_DELETED_AT_ONCE:
            text = f"Select at most {MAX_DELETED_AT_ONCE} studies at a time."
            self.message_user(request, text, messages.WARNING)
            return None
        if request.POST.get("action") != "delete_selected":
            return super().response_action(request, queryset, *args, **kwargs)
        with transaction.atomic():  # covers the deletion and the entries of Django's admin log
            return super().response_action(request, queryset, *args, **kwargs)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Redirect to the list, which Django does only for users who may change studies."""
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


def _object_links(request: HttpRequest, study: Study) -> list[tuple[str, str]]:
    """Return the links at the top of a study's page, as (text, URL)."""
    links = [("Trials", columns.trials_url(study))]
    if may_view_trials(request):
        links.append(("Optuna dashboard", reverse("dashboard-study", args=[study.pk])))
    if may_view_audit(request):
        links.append(("Audit", entries_url(study.pk)))
    if may_view_trials(request):
        links.append(("Export", f"{reverse('study', args=[study.name])}/export"))
    if may_change_states(request):
        links.append(("Change the search space", search_space_url(study)))
        links.append(("Tags and note", description_url(study)))
    if may_share(request):
        links.append(("Share", shares_url(study)))
    if may_clone(request):
        links.append(("Clone", clone_url(study)))
    return links
