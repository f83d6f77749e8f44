"""The list of trials: its ordering and pagination."""

from typing import Any, Literal

from django.contrib import messages
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property

from console.trials.chosen_columns import (
    ATTRIBUTE,
    COLUMNS,
    CONSTRAINT,
    MAX_OFFERED,
    PARAMETER,
    ChosenColumn,
    attribute_names,
    chosen_columns,
    with_attributes,
)
from console.trials.filters import STUDY, listed_study
from console.trials.parameter_columns import ValuesColumn, columns_note
from studies.models import Study
from trials.models import Trial
from trials.queries.ordering import NUMBER, VALUE, TrialOrdering

NEWEST = 10_000  # trials that are listed if no study is selected
# The sortable columns of one study's trials, and their keys for `TrialOrdering`.
SORTABLE: dict[Any, str] = {"number": NUMBER, ValuesColumn(): VALUE}


class TrialPaginator(Paginator):
    """Pages of trials, whose total comes from the counters on the study's row if possible.

    Args:
        known_count: The number of trials; None if they have to be counted.
        is_whole_study: Whether they are all trials of one study.
    """

    object_list: models.QuerySet[Trial]

    def __init__(
        self, *args: Any, known_count: int | None, is_whole_study: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.known_count = known_count
        self.is_whole_study = is_whole_study

    @cached_property
    def count(self) -> int:
        return self.object_list.count() if self.known_count is None else self.known_count


class TrialChangeList(ChangeList):
    """The list of one study's trials by number or value, or of the newest trials of all studies."""

    paginator: TrialPaginator

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.study = listed_study(request)
        self.chosen: list[ChosenColumn] = []
        if self.study is not None:
            self.chosen, faults = chosen_columns(request, self.study)
            for fault in faults:
                messages.warning(request, f"{fault[0].upper()}{fault[1:]}.")
        super().__init__(request, *args, **kwargs)
        if self.study is not None:
            has_parameters = any(each.kind == PARAMETER for each in self.chosen)
            note = "" if has_parameters else columns_note(self.study)
            self.title = f"Trials of {self.study}{note}"
        elif STUDY not in request.GET:
            self.title = f"Newest {NEWEST:,} trials of all studies"

    @property
    def study_url(self) -> str:
        return reverse("admin:studies_study_change", args=[self.study.pk]) if self.study else ""

    @property
    def export_url(self) -> str:
        """The URL of the same trials as CSV."""
        query = self.get_query_string(remove=[PAGE_VAR, ALL_VAR, ORDER_VAR])
        return reverse("admin:trials_trial_export") + query

    @property
    def kept_query(self) -> list[tuple[str, str]]:
        """The query without the columns, for the form that chooses them."""
        return self._pairs(COLUMNS)

    @property
    def searched_query(self) -> list[tuple[str, str]]:
        """The query without the search, for the form that searches."""
        return self._pairs(SEARCH_VAR)

    def _pairs(self, without: str) -> list[tuple[str, str]]:
        query = self.filter_params.items()
        return [(key, value) for key, values in query if key != without for value in values]

    @cached_property
    def offered_columns(self) -> list[tuple[str, list[tuple[ChosenColumn, bool]]]]:
        """The columns to choose from, by kind, and whether each is chosen."""
        if self.study is None:
            return []
        names = {
            ATTRIBUTE: attribute_names(self.study),
            CONSTRAINT: self.study.constraints,
            PARAMETER: [each["name"] for each in self.study.search_space[:MAX_OFFERED]],
        }
        titles = {ATTRIBUTE: "User attributes", CONSTRAINT: "Constraints", PARAMETER: "Parameters"}
        offered = []
        for kind, title in titles.items():
            chosen = [each for each in self.chosen if each.kind == kind]
            others = [ChosenColumn(kind, name) for name in names[kind]]
            columns = [(each, True) for each in chosen]
            columns += [(each, False) for each in others if each not in chosen]
            if columns:
                offered.append((title, columns))
        return offered

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        found.pop(COLUMNS, None)
        return found

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        trials: Any = super().get_queryset(request, *args, **kwargs).select_related(None)
        trials = trials.defer("user_attrs", "system_attrs", "study_attrs")
        if STUDY in request.GET:
            return with_attributes(trials, self.chosen)
        oldest = Trial.objects.order_by("-id").values_list("id", flat=True)[NEWEST - 1 : NEWEST]
        return trials.filter(id__gte=next(iter(oldest), 0))

    # Order -----------------------------------------------------------------------------------

    @cached_property
    def trial_ordering(self) -> TrialOrdering:
        """The order of one study's trials: by the first sortable column in the query."""
        for text in self.params.get(ORDER_VAR, "").split("."):
            sign, index = ("-", text[1:]) if text.startswith("-") else ("", text)
            if index.isdecimal() and len(index) < 4 and int(index) < len(self.list_display):
                column = self.list_display[int(index)]
                if column in SORTABLE:
                    return TrialOrdering(sign + SORTABLE[column])
        return TrialOrdering("-" + NUMBER)

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Any]:
        # Matches an index exactly, without the tie-breaker that Django would add.
        return ["-number"] if STUDY in request.GET else ["-id"]

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        """Return the index and the direction of the column by which the list is sorted."""
        if self.study is None:
            return {}
        key = self.trial_ordering.order_by
        column = next(column for column, name in SORTABLE.items() if key.endswith(name))
        index = list(self.list_display).index(column)
        return {index: "desc" if self.trial_ordering.is_descending else "asc"}

    # Pages -----------------------------------------------------------------------------------

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.study is None:
            trials = list(self.result_list[: self.list_per_page])
            wanted = {trial.study_id for trial in trials}
            studies = Study.objects.defer("distributions", "user_attrs", "note").in_bulk(wanted)
        else:
            trials, studies = self._page(), {self.study.pk: self.study}
        # A study can be deleted between the two queries.
        self.result_list = [trial for trial in trials if trial.study_id in studies]
        for trial in self.result_list:
            trial.study = studies[trial.study_id]

    def _page(self) -> list[Trial]:
        """Return the current page of one study's trials.

        If the list has all its trials by number, the page is selected by number instead of OFFSET,
        so that a late page costs no more than the first.
        """
        n, order = self.list_per_page, self.trial_ordering
        start = n * (self.page_num - 1) if self.multi_page else 0
        if not self.paginator.is_whole_study or order.key is not None:
            return order.page_at(self.queryset, n, start)
        if order.is_descending:
            return order.page(self.queryset.filter(number__lt=self.paginator.count - start), n)
        return order.page(self.queryset.filter(number__gte=start), n)
