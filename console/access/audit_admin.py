"""The list of audit entries and the page of an entry.

No page counts or sorts all entries, because each finished trial adds one.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property

from access.models.audit_entry import Action, ActorKind, AuditEntry, SubjectKind
from console import display
from console.choice_filter import ChoiceFilter
from console.read_only_admin import ReadOnlyAdmin

MAX_LISTED = 10_000  # the newest entries that match
MAX_NUMBERS = 20  # numbers of trials in a row of the list
STUDY = "study"
MAX_ID = 2**63 - 1


def entries_url(study_id: int) -> str:
    """The URL of the list of entries about a study and its trials."""
    return f"{reverse('admin:access_auditentry_changelist')}?{urlencode({STUDY: study_id})}"


class NewestPaginator(Paginator):
    """Pages of the newest entries, of which at most `MAX_LISTED` are counted."""

    object_list: QuerySet[AuditEntry]

    @cached_property
    def count(self) -> int:
        return self.object_list.values("pk")[:MAX_LISTED].count()


class ActionFilter(ChoiceFilter):
    """A filter by the action."""

    title = parameter_name = "action"
    values = Action.values


class KindFilter(ChoiceFilter):
    """A filter by the kind of subject: study, trial or token."""

    title, parameter_name = "kind of subject", "kind"
    values = SubjectKind.values


class ActorFilter(ChoiceFilter):
    """A filter by the kind of actor: token, user, command and so on."""

    title, parameter_name = "kind of actor", "actor_kind"
    values = ActorKind.values


class StudyFilter(admin.SimpleListFilter):
    """A filter by the study id in the URL; it does not list others, as there can be thousands."""

    title, parameter_name = "study (by id)", STUDY

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        study_id = self.value()
        return [] if study_id is None else [(study_id, study_id)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        study_id = self.value()
        if study_id is None:
            return queryset
        is_number = study_id.isascii() and study_id.isdecimal() and len(study_id) < 20
        if not is_number or int(study_id) > MAX_ID:
            raise IncorrectLookupParameters(f"{STUDY} is not an id")
        kinds = [SubjectKind.STUDY, SubjectKind.TRIAL]
        return queryset.filter(subject_id=int(study_id), kind__in=kinds)


class AuditAdmin(ReadOnlyAdmin):
    """Audit entries, read-only."""

    list_display = ["time", "actor", "action", "kind", "subject", "trials", "change", "address"]
    list_display_links = ["time"]
    list_filter = [ActionFilter, KindFilter, ActorFilter, StudyFilter]
    lookups: Sequence[str] = ["action", "kind", "actor_kind", STUDY]
    search_fields = ["subject"]  # shows the search box; get_search_results() searches
    search_help_text = "The full name of a study, token, user or command."
    ordering = ["-id"]
    sortable_by = ()
    list_per_page = list_max_show_all = 100
    paginator = NewestPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(Q(subject=search_term) | Q(actor_name=search_term)), False

    @admin.display(description="time (UTC)")
    def time(self, entry: AuditEntry) -> str:
        return display.timestamp(entry.at)

    @admin.display
    def trials(self, entry: AuditEntry) -> str:
        first = ", ".join(map(str, entry.numbers[:MAX_NUMBERS]))
        more = len(entry.numbers) - MAX_NUMBERS
        return f"{first} and {more:,} more" if more > 0 else first or "-"

    @admin.display
    def change(self, entry: AuditEntry) -> str:
        return change_text(entry)


def change_text(entry: AuditEntry) -> str:
    """Return the details of an entry in one line."""
    return ", ".join(f"{key}={_text(value)}" for key, value in entry.details.items()) or "-"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
