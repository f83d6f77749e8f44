"""Size and statement counts of answers do not grow with a study: one of 50,000 trials is read."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.urls import URLPattern
from rest_framework.test import APIClient

from analysis.plots.catalogue import KINDS
from studies.models import Study
from tests.support.database import recorded_statements
from tests.support.events import build_many_events
from tests.support.study_builders import build_large_study
from tuner_project.urls import api as api_patterns

pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning",
    "ignore:PedAnova:UserWarning",
    "ignore:Target and region quantiles:UserWarning",
)

N, N_FEW = 50_000, 5_000
ANSWER, PAGE = 3_000_000, 300_000  # bytes at most

STUDY = "studies/<study_name:study_name>"
TRIALS = f"{STUDY}/trials"
TRIAL = f"{TRIALS}/<trial_number:trial_id>"
PLOT = f"{STUDY}/plots/<plot_kind:kind>"
STREAMED = {f"{STUDY}/export"}
ONE, TWO = "one", "two"  # studies by their objectives; of two, all trials are on the front

# What is asked of which study by each route, in how many statements at most. A new route of the
# API that answers a GET about a study belongs here.
GETS: dict[str, list[tuple[str, str, int]]] = {
    "studies": [(ONE, "", 2), (ONE, "?limit=1000", 2)],
    STUDY: [(ONE, "", 1), (TWO, "", 1)],
    TRIALS: [
        (ONE, "", 2),
        (TWO, "?limit=1000&offset=49000", 2),
        (ONE, "?limit=1000&state=COMPLETE&offset=30000", 2),
        *((ONE, f"?limit=1000&order_by={key}", 2) for key in ("-number", "value", "-duration")),
        (TWO, "?limit=1000&order_by=-value&target_idx=1", 2),
        (ONE, "?order_by=value&offset=25000", 3),
        (ONE, "?limit=1000&min_value=0.25&max_value=0.75", 3),
        (ONE, "?limit=1000&" + urlencode({"params": '{"c": "a", "n": {"min": 8}}'}), 3),
        (ONE, "?worker_id=worker%207", 3),
    ],
    TRIAL: [(ONE, "", 3)],
    f"{TRIAL}/log": [(ONE, "", 3), (ONE, "?format=text", 3)],
    f"{STUDY}/best": [(ONE, "", 1), (TWO, "", 1)],
    f"{STUDY}/pareto": [(TWO, "", 3), (TWO, "?limit=1000&offset=49000", 3)],
    f"{STUDY}/importance": [
        (ONE, "", 4),
        (ONE, "?method=mean_decrease_impurity", 3),
        (TWO, "?method=ped_anova&target_idx=1", 3),
        (TWO, "?method=ped_anova&target=front", 3),
    ],
    f"{STUDY}/history": [(ONE, "", 2), (TWO, "?limit=3000&target_idx=1", 2)],
    f"{STUDY}/hypervolume": [(TWO, "", 3)],
    f"{STUDY}/progress": [(ONE, "", 4), (TWO, "", 4)],
    f"{STUDY}/advice": [(ONE, "", 7), (TWO, "", 7)],
    f"{STUDY}/search-space-versions": [(ONE, "", 2)],
    f"{STUDY}/events": [(ONE, "", 2), (ONE, "?limit=1000", 2)],
    f"{STUDY}/shares": [(ONE, "", 3)],
    PLOT: [],  # PLOTS
}
PLOTS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(KINDS, (ONE, 4)),
    "importance": (ONE, 5),
    **dict.fromkeys(("pareto_front", "hypervolume"), (TWO, 3)),
}
CASES = [(route, *each) for route, asked in GETS.items() for each in asked]
PAGES = {
    "/admin/": 15,
    "/admin/studies/study/": 6,
    "/admin/studies/study/?tag=x": 6,
    "/admin/studies/study/compare/?ids={study},{other}": 3,
    "/admin/studies/study/{study}/change/": 4,
    "/admin/studies/study/{study}/delete/": 3,
    "/admin/studies/study/{study}/history/": 4,
    "/admin/studies/study/{study}/clone/": 3,
    "/admin/studies/study/{study}/description/": 3,
    "/admin/studies/study/{study}/shares/": 4,
    "/admin/trials/trial/": 6,
    "/admin/trials/trial/?study__id__exact={study}": 6,
    "/admin/trials/trial/?study__id__exact={study}&columns=attr:host": 6,
    "/admin/trials/trial/?study__id__exact={study}&o=-2": 7,
    "/admin/trials/trial/?study__id__exact={study}&columns=attr:host&o=2&p=500": 8,
    "/admin/trials/trial/?study__id__exact={study}&state__exact=FAIL": 7,
    "/admin/trials/trial/?study__id__exact={study}&worker_id=worker%207": 8,
    "/admin/trials/trial/{trial}/change/": 12,
    "/admin/trials/trial/{trial}/curves/": 7,
}


@pytest.fixture(scope="module")
def large(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Study]]:
    """Studies that the tests of this module read; each rolls back to them."""
    with django_db_blocker.unblock(), transaction.atomic():
        one = build_large_study(ONE, N, others=500)
        build_many_events(one, N)
        yield {
            ONE: one,
            TWO: build_large_study(TWO, N, objectives=2, front=N),
            f"few {ONE}": build_large_study(f"few {ONE}", N_FEW, others=500),
            f"few {TWO}": build_large_study(f"few {TWO}", N_FEW, objectives=2, front=N_FEW),
        }
        transaction.set_rollback(True)


def routes(patterns: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """The routes of the API that answer a GET about studies."""
    for each in patterns:
        route = f"{prefix}{each.pattern}"
        if not isinstance(each, URLPattern):
            yield from routes(each.url_patterns, route)
        elif "get" in getattr(each.callback, "actions", {}) and route.startswith("studies"):
            yield route


def size(api: APIClient, route: str, study: Study, query: str = "") -> int:
    """The length of an answer."""
    named = route.replace("<study_name:study_name>", study.name)
    response = api.get(f"/api/v1/{named.replace('<trial_number:trial_id>', '0')}{query}")
    assert response.status_code == 200, response.content
    return len(response.content)


def test_all_get_routes_are_measured() -> None:
    # The import of a study is not of a study; comparisons are measured below.
    others = {"studies/import", "studies/compare"}
    assert set(routes(api_patterns)) - others == GETS.keys() | STREAMED
    assert PLOTS.keys() == KINDS.keys()


@pytest.mark.parametrize(("route", "name", "query", "most"), CASES)
def test_answers_are_bounded_at_many_trials(
    api: APIClient, large: dict[str, Study], route: str, name: str, query: str, most: int
) -> None:
    with recorded_statements() as statements:
        n_bytes = size(api, route, large[name], query)
    assert len(statements) <= most
    assert n_bytes <= ANSWER


def test_comparison_is_bounded_at_many_trials(api: APIClient, large: dict[str, Study]) -> None:
    for one in (ONE, TWO):
        names = [one, f"few {one}"]
        with recorded_statements() as statements:
            response = api.get("/api/v1/studies/compare", {"names": names, "rows": "all"})
        assert response.status_code == 200, response.content
        assert len(statements) == 4
        assert len(response.content) <= PAGE


@pytest.mark.accept  # that each is small is shown above
@pytest.mark.parametrize("kind", KINDS)
def test_plots_are_bounded_at_many_trials(
    api: APIClient, large: dict[str, Study], kind: str
) -> None:
    name, most = PLOTS[kind]
    route = PLOT.replace("<plot_kind:kind>", kind)
    query = "?method=ped_anova" if kind == "importance" else ""
    with recorded_statements() as statements:
        n_bytes = size(api, route, large[name], query)
    assert len(statements) <= most
    assert n_bytes <= min(ANSWER, 1.5 * size(api, route, large[f"few {name}"], query))


@pytest.mark.parametrize(("page", "most"), PAGES.items())
def test_pages_are_bounded_at_many_trials(
    admin_client: Client, large: dict[str, Study], page: str, most: int
) -> None:
    study = large[ONE]
    ContentType.objects.get_for_model(Study)  # once a process, whichever test comes first
    for number in (0, study.next_number - 1):
        trial = study.trials.get(number=number).pk
        with recorded_statements() as statements:
            response = admin_client.get(
                page.format(study=study.pk, other=large[TWO].pk, trial=trial)
            )
        assert response.status_code == 200
        assert len(statements) <= most
        assert len(response.content) <= PAGE


def test_deletion_page_is_bounded_at_many_trials(
    admin_client: Client, large: dict[str, Study]
) -> None:
    chosen = [study.pk for study in large.values()]
    with recorded_statements() as statements:
        response = admin_client.post(
            "/admin/studies/study/",
            {"action": "delete_selected", "_selected_action": chosen},
        )
    assert response.status_code == 200
    assert "Are you sure" in response.content.decode()
    assert len(statements) <= 8
    assert len(response.content) <= PAGE
