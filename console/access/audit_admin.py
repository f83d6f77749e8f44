"""The audit in the admin: to look at.

A page never counts or sorts all entries: there is one for each trial that was ever told.
"""

import json
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
from console.choice_filter import ChoiceFilter

LISTED = 10_000  # of the newest entries that match
MAX_NUMBERS = 20  # that a list's line names
STUDY = "study"
MAX_ID = 2**63 - 1


def entries_url(study_id: int) -> str:
    """Where the entries of a study and its trials are listed."""
    return f"{reverse('admin:access_auditentry_changelist')}?{urlencode({STUDY: study_id})}"


class NewestPaginator(Paginator):
    """Pages of the newest entries, of which no more than LISTED are counted."""

    object_list: QuerySet[AuditEntry]

    @cached_property
    def count(self) -> int:
        return self.object_list.values("pk")[:LISTED].count()


class ActionFilter(ChoiceFilter):
    title = parameter_name = "action"
    values = Action.values


class KindFilter(ChoiceFilter):
    title, parameter_name = "what", "kind"
    values = SubjectKind.values


class ActorFilter(ChoiceFilter):
    title, parameter_name = "who", "actor_kind"
    values = ActorKind.values


class StudyFilter(admin.SimpleListFilter):
    """The study that its page links from; there can be thousands of others."""

    title, parameter_name = "study (by id)", STUDY

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        return [] if chosen is None else [(chosen, chosen)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return queryset
        if not (chosen.isascii() and chosen.isdecimal() and int(chosen) <= MAX_ID):
            raise IncorrectLookupParameters(f"{STUDY} is no id")
        return queryset.filter(subject_id=int(chosen), kind__in=["study", "trial"])


@admin.register(AuditEntry)
class AuditAdmin(admin.ModelAdmin):
    """Nothing can be added, changed or deleted."""

    list_display = ["moment", "who", "action", "kind", "subject", "trials", "change", "address"]
    list_display_links = ["moment"]
    list_filter = [ActionFilter, KindFilter, ActorFilter, StudyFilter]
    search_fields = ["subject"]  # shows the box; get_search_results() searches
    search_help_text = "The whole name of a study, a token, a user or a command."
    ordering = ["-id"]
    sortable_by = ()
    list_per_page = list_max_show_all = 100
    paginator = NewestPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"action", "kind", "actor_kind", STUDY}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(Q(subject=search_term) | Q(actor_name=search_term)), False

    @admin.display(description="at (UTC)")
    def moment(self, entry: AuditEntry) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display
    def who(self, entry: AuditEntry) -> str:
        return entry.actor

    @admin.display
    def trials(self, entry: AuditEntry) -> str:
        first = ", ".join(map(str, entry.numbers[:MAX_NUMBERS]))
        more = len(entry.numbers) - MAX_NUMBERS
        return f"{first} and {more:,} more" if more > 0 else first or "-"

    @admin.display
    def change(self, entry: AuditEntry) -> str:
        return ", ".join(f"{key}={_text(value)}" for key, value in entry.details.items()) or "-"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
