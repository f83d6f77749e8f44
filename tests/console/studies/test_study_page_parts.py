"""The parts of a study's page: budgets as bars, the states as a line, the order of the plots."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from analysis.reports import has_reports
from console.studies.page.budget_bars import Bar, budget_bars
from studies.models import Study
from tests.support.api_client import create_study, suggest, trial_action
from tests.support.study_builders import build_study

pytestmark = pytest.mark.django_db

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
PAGE = "/admin/studies/study/{}/change/"


def page_of(client: Client, study: Study) -> Any:
    response: Any = client.get(PAGE.format(study.pk))
    assert response.status_code == 200
    return response


# Budgets ---------------------------------------------------------------------------------


def test_budgets_are_bars_of_what_is_used(api: APIClient) -> None:
    create_study(
        api,
        direction="minimize",
        **{"max_trials": 10, "max_concurrent": 4, "max_failures": 3, "target_value": 0.5},
        **{"max_consecutive_failures": 2, "stop_after_no_improvement": {"trials": 5}},
    )
    for _ in range(4):
        suggest(api)
    trial_action(api, 0, "complete", values=2.0)
    trial_action(api, 1, "fail")
    assert budget_bars(Study.objects.get()) == [
        Bar("max_trials", "Trials done", "1 of 10", 1, 10),
        Bar("max_concurrent", "Running at a time", "2 of 4", 2, 4),
        Bar("max_failures", "Failures", "1 of 3", 1, 3),
        Bar("max_consecutive_failures", "Failures in a row", "1 of 2", 1, 2),
        Bar("stop_after_no_improvement", "Without improvement", "0 of 5 trials", 0, 5),
        Bar("target_value", "Target", "0.5 (minimize), best 2"),
    ]


@pytest.mark.parametrize(("hours", "text", "is_full"), [(3, "h left", False), (-3, "passed", True)])
def test_deadline_is_a_bar_of_time(hours: float, text: str, is_full: bool) -> None:
    study = build_study(deadline=timezone.now() + timedelta(hours=hours))
    study.created_at = timezone.now() - timedelta(hours=6)
    (bar,) = budget_bars(study)
    assert text in bar.text
    assert bar.limit is not None
    assert (bar.used == bar.limit) is is_full


def test_study_without_budgets_has_no_bars() -> None:
    assert budget_bars(build_study()) == []


def test_numbers_of_bars_are_written_for_machines(admin_client: Client) -> None:
    page = page_of(admin_client, build_study(max_trials=12_345)).content.decode()
    assert 'max="12345" value="0"' in page
    assert "0 of 12,345" in page


# States ----------------------------------------------------------------------------------


def test_states_are_a_line_with_who_changed_them(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    url = "/api/v1/studies/search"
    assert api.post(f"{url}/pause", {"reason": "<maintenance>"}).status_code == 200
    assert api.post(f"{url}/resume", {}).status_code == 200
    context = page_of(admin_client, Study.objects.get()).context_data
    assert [(each.state, each.reason) for each in context["state_changes"]] == [
        ("ACTIVE", "created"),
        ("PAUSED", "<maintenance>"),
        ("ACTIVE", ""),
    ]
    assert [bool(each.actor) for each in context["state_changes"]] == [False, True, True]
    assert context["state_line"].count("<rect ") == 3
    assert "&lt;maintenance&gt;" in page_of(admin_client, Study.objects.get()).content.decode()


def test_actors_are_shown_to_those_who_may_see_the_audit(
    staff_client: Callable[..., Client], api: APIClient
) -> None:
    create_study(api)
    assert api.post("/api/v1/studies/search/pause", {}).status_code == 200
    context = page_of(staff_client("view_study"), Study.objects.get()).context_data
    assert {each.actor for each in context["state_changes"]} == {""}


def test_actors_are_those_of_the_latest_entries(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    for action in ("pause", "resume", "pause"):
        assert api.post(f"/api/v1/studies/search/{action}", {}).status_code == 200
    with connection.cursor() as cursor:  # as `purge` deletes the oldest ones
        oldest = AuditEntry.objects.filter(action="paused").order_by("id").values("id")[:1]
        cursor.execute("DELETE FROM access_auditentry WHERE id = %s", [oldest[0]["id"]])
    changes = page_of(admin_client, Study.objects.get()).context_data["state_changes"]
    assert [bool(each.actor) for each in changes] == [False, False, True, True]


def test_many_changes_of_the_state_are_cut(admin_client: Client) -> None:
    study = build_study()
    change = {"state": "PAUSED", "reason": "x" * 1000, "datetime": timezone.now().isoformat()}
    study.state_history = [change] * 200
    study.save(update_fields=["state_history"])
    response = page_of(admin_client, study)
    assert response.context_data["n_earlier_changes"] == 150
    assert len(response.content) < 50_000


# Plots -----------------------------------------------------------------------------------


def test_study_with_reports_is_known(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    study = Study.objects.get()
    assert 'data-reports="no"' in page_of(admin_client, study).content.decode()
    suggest(api)
    trial_action(api, 0, "report", step=1, value=0.5)
    assert has_reports(study)
    assert 'data-reports="yes"' in page_of(admin_client, study).content.decode()
