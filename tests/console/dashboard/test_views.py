"""Optuna's dashboard: its content, who may see it, and its limit on the size of a study."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from console.dashboard.application import ApplicationCache, applications
from console.dashboard.limits import MAX_NUMBERS, StudySize
from studies.models import Study
from tests.support.api_client import (
    STUDY_NAME,
    assert_reason_refused,
    post_trial,
    start_trial,
    trial_action,
)
from tests.support.sample_studies import admin_list_url

OWN_ORIGIN = {"Origin": "http://testserver"}

LOGIN = "/admin/login/?next="
PAGES = ["/dashboard", "/dashboard/", "/dashboard/studies/1", "/dashboard/studies/1/trials"]
DATA = [
    "/api/meta",
    "/api/studies",
    "/api/studies/1",
    "/api/studies/1/param_importances",
    "/api/studies/1/plot/contour",
    "/api/artifacts/1",
    "/csv/1",
    "/artifacts/1/2/3",
]


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_the_script_from_our_static_files(admin_client: Client, path: str) -> None:
    response = admin_client.get(path)
    assert response.status_code == 200
    scripts = re.findall(r'<script[^>]* src="([^"]*)"', response.content.decode())
    assert scripts == ["/static/optuna_dashboard/bundle.js"]
    assert finders.find("optuna_dashboard/bundle.js")
    assert "script-src 'self' 'unsafe-eval'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert "no-store" in response["Cache-Control"]


def test_page_ignores_conditional_headers(admin_client: Client) -> None:
    whole = admin_client.get("/dashboard").content
    conditions = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "Range": "bytes=0-9"}
    response = admin_client.get("/dashboard", headers=conditions)
    assert (response.status_code, response.content) == (200, whole)
    assert admin_client.head("/dashboard").status_code == 200


def test_studies_are_listed(admin_client: Client, study: Study) -> None:
    assert admin_client.get("/api/studies").json() == {
        "study_summaries": [
            {
                "study_id": study.id,
                "study_name": STUDY_NAME,
                "directions": ["minimize"],
                "user_attrs": [{"key": "team", "value": "vision"}],
                "is_preferential": False,
            }
        ]
    }


def test_study_is_shown_with_its_trials(admin_client: Client, study: Study) -> None:
    shown = admin_client.get(f"/api/studies/{study.id}").json()
    assert [trial["number"] for trial in shown["best_trials"]] == [1]
    assert [(trial["state"], trial.get("values")) for trial in shown["trials"]] == [
        ("Complete", [0.5]),
        ("Complete", [0.25]),
        ("Running", None),
    ]
    first = shown["trials"][0]
    assert first["intermediate_values"] == [{"step": 1, "value": 1.0}]
    assert first["user_attrs"] == [{"key": "gpu", "value": "a100"}]
    later = admin_client.get(f"/api/studies/{study.id}?after=2").json()
    assert [trial["number"] for trial in later["trials"]] == [2]


def test_importances_are_computed(admin_client: Client, study: Study) -> None:
    (found,) = admin_client.get(f"/api/studies/{study.id}/param_importances").json()[
        "param_importances"
    ]
    assert [(each["name"], each["distribution"]) for each in found] == [("x", "FloatDistribution")]


def test_exported_trials_follow_the_study(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    before = [("COMPLETE", "0.5"), ("COMPLETE", "0.25")]
    response = admin_client.get(f"/csv/{study.id}")
    assert response["Content-Disposition"] == f'attachment; filename="{STUDY_NAME}-trials.csv"'
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert exported(admin_client, study) == [*before, ("RUNNING", "")]
    trial_action(api, 2, "prune")
    post_trial(api, values=3.0, state="COMPLETE")
    assert exported(admin_client, study) == [*before, ("PRUNED", ""), ("COMPLETE", "3.0")]


def test_exported_trials_are_those_of_the_admin(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    """Formulas are escaped, which Optuna's own CSV does not do."""
    number = start_trial(api, worker_id="\uff1d1+1")
    trial_action(api, number, "fail", reason=" =cmd|' /C calc'!A0", user_attrs={"=1": "=1"})
    of_admin: Any = admin_client.get(admin_list_url(study, "export/"))
    of_dashboard: Any = admin_client.get(f"/csv/{study.id}")
    content = b"".join(of_dashboard.streaming_content)
    assert content == b"".join(of_admin.streaming_content)
    assert "'\uff1d1+1,' =cmd|' /C calc'!A0," in content.decode()
    assert admin_client.head(f"/csv/{study.id}").status_code == 200
    assert_reason_refused(admin_client.get("/csv/0"), 404, "study_not_found")


def test_plots_are_drawn_by_the_browser(admin_client: Client, study: Study) -> None:
    assert admin_client.get("/api/meta").json() == {
        "artifact_is_available": False,
        "llm_is_available": False,
        "plotlypy_is_available": False,
        "allow_unsafe": False,
    }
    response = admin_client.get(f"/api/studies/{study.id}/plot/contour")
    assert_reason_refused(response, 404, "not_found")


def test_study_has_a_url(study: Study) -> None:
    assert reverse("dashboard-study", args=[study.id]) == f"/dashboard/studies/{study.id}"
    assert reverse("dashboard") == "/dashboard"


@pytest.mark.parametrize("path", ["", "/param_importances"])
def test_unknown_study_is_not_found(admin_client: Client, path: str) -> None:
    for unknown in ("0", "99999999999999999999"):
        response = admin_client.get(f"/api/studies/{unknown}{path}")
        assert "check_optuna --adopt" in assert_reason_refused(response, 404, "study_not_found")


# Who sees it -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_page_redirects_to_the_login(client: Client, django_user_model: Any, path: str) -> None:
    assert client.get(path)["Location"] == LOGIN + path
    client.force_login(django_user_model.objects.create_user("somebody"))
    assert client.get(path)["Location"] == LOGIN + path


@pytest.mark.parametrize("path", DATA)
def test_data_need_a_staff_session(client: Client, django_user_model: Any, path: str) -> None:
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    for method in methods:
        response = client.generic(method, path, "{}", "application/json", headers=OWN_ORIGIN)
        assert response.status_code == 403
    client.force_login(django_user_model.objects.create_user("somebody"))
    for method in methods:
        response = client.generic(method, path, "{}", "application/json", headers=OWN_ORIGIN)
        assert response.status_code == 403
    assert "login to the admin" in assert_reason_refused(client.get(path), 403, "staff_only")


def test_staff_needs_the_permission(staff_client: Callable[..., Client], study: Study) -> None:
    lacking = [
        staff_client(),
        staff_client("view_study", name="of studies"),
        staff_client("view_trial", "delete_study", name="of trials"),
    ]
    reader = staff_client("view_study", "view_trial", name="reader")
    pages = ["/dashboard", f"/dashboard/studies/{study.id}", "/api/meta", "/api/studies"]
    data = [f"/api/studies/{study.id}", f"/csv/{study.id}"]
    for path in [*pages, *data, f"/api/studies/{study.id}/param_importances"]:
        for client in lacking:
            assert client.get(path).status_code == 403
        assert reader.get(path).status_code == 200
    for client in lacking:
        response = client.delete(f"/api/studies/{study.id}", headers=OWN_ORIGIN)
        assert_reason_refused(response, 403, "staff_only")


# How much it shows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("MAX_TRIALS", 2, "has 3 trials, and the dashboard shows at most 2"),
        ("MAX_NUMBERS", 4, "more parameters and intermediate values than the 4"),
        ("MAX_ATTRIBUTES", 31, "32 characters of attributes, and the dashboard shows at most 31"),
    ],
)
def test_too_large_study_is_refused(
    admin_client: Client,
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    limit: str,
    value: int,
    said: str,
) -> None:
    for more, status in ((0, 403), (1, 200)):
        monkeypatch.setattr(f"console.dashboard.limits.{limit}", value + more)
        for path in ("/api/studies/{}", "/api/studies/{}/param_importances", "/csv/{}"):
            assert admin_client.get(path.format(study.id)).status_code == status
    monkeypatch.setattr(f"console.dashboard.limits.{limit}", value)
    with django_assert_max_num_queries(5):  # two of them for who asks
        response = admin_client.get(f"/api/studies/{study.id}")
    reason = assert_reason_refused(response, 403, "too_large")
    assert said in reason
    assert "admin has plots" in reason


def test_finished_trials_are_read_once(admin_client: Client, study: Study) -> None:
    def shown() -> list[Any]:
        trials = admin_client.get(f"/api/studies/{study.id}").json()["trials"]
        return [trial["params"] for trial in trials]

    first = shown()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM optuna.trial_params")
    assert shown() == first
    applications.clear()
    assert shown() != first


def test_application_is_rebuilt_when_it_caches_too_much() -> None:
    def of(study_id: int) -> StudySize:
        return StudySize(study_id, n_trials=1, n_numbers=MAX_NUMBERS, attributes=0)

    made = ApplicationCache()
    first = made.get()
    assert [made.get(of(1)), made.get(of(2)), made.get(of(1)), made.get()] == [first] * 4
    second = made.get(of(3))
    assert second is not first
    assert made.get(of(1)) is second


def exported(client: Client, study: Study) -> list[tuple[str, str]]:
    response: Any = client.get(f"/csv/{study.id}")
    content = b"".join(response.streaming_content)
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [(row["state"], row["value"]) for row in rows]
