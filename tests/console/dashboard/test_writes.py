"""Optuna's dashboard is read-only, except that it deletes studies through Django."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import InternalError, connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from pytest_django import Settings
from rest_framework.test import APIClient

from console.dashboard.application import call_application
from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support.api_client import (
    STUDY_NAME,
    assert_reason_refused,
    assert_schemas_agree,
    create_study,
)

OWN_ORIGIN = {"Origin": "http://testserver"}


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("POST", "/api/studies", "/api/v1/studies"),
        ("POST", "/api/studies/{id}/rename", "clone it"),
        ("PUT", "/api/studies/{id}/note", "PATCH /api/v1/studies/{name}"),
        ("PUT", "/api/studies/{id}/1/note", "PATCH /api/v1/studies/{name}"),
        ("POST", "/api/studies/{id}/1/skip", "/api/v1"),
        ("POST", "/api/studies/{id}/preference", "/api/v1"),
        ("DELETE", "/api/studies/{id}/preference/1", "/api/v1"),
        ("PUT", "/api/studies/{id}/preference_feedback_component", "/api/v1"),
        ("POST", "/api/trials/1/tell", "/trials/{number}/complete"),
        ("POST", "/api/trials/1/user-attrs", "/trials/{number}/complete"),
        ("POST", "/api/artifacts/{id}", "attribute"),
        ("POST", "/api/artifacts/{id}/1", "attribute"),
        ("DELETE", "/api/artifacts/{id}/1/2", "attribute"),
        ("POST", "/api/llm/trial_filter_query", "in the admin"),
        ("POST", "/api/meta", "/api/v1"),
        ("DELETE", "/api/studies/{id}/param_importances", "/api/v1"),
        ("PATCH", "/api/studies/{id}", "/api/v1"),
        ("POST", "/csv/{id}", "/api/v1"),
    ],
)
def test_write_is_refused_with_an_alternative(
    admin_client: Client, study: Study, method: str, path: str, instead: str
) -> None:
    body = {"study_name": "new", "directions": ["minimize"], "body": "x", "version": 1}
    response = admin_client.generic(
        method,
        path.replace("{id}", str(study.id)),
        json.dumps(body | {"state": "Fail", "user_attrs": {"a": 1}}),
        "application/json",
        headers=OWN_ORIGIN,
    )
    reason = assert_reason_refused(response, 403, "read_only")
    assert reason.startswith("the dashboard cannot ")
    assert instead in reason
    assert_schemas_agree()
    assert [row.study_name for row in DjangoStorage().get_all_studies()] == [STUDY_NAME]


def insert(environ: Any, start_response: Any) -> Iterable[bytes]:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO optuna.studies (study_name) VALUES ('written')")
    return [b"written"]


def insert_late(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    yield from insert(environ, start_response)


def create_by_optuna(environ: Any, start_response: Any) -> Iterable[bytes]:
    DjangoStorage().create_new_study([StudyDirection.MINIMIZE], "written")
    return [b"written"]


@pytest.fixture
def a_get() -> HttpRequest:
    return RequestFactory().get("/api/studies")


@pytest.mark.django_db
@pytest.mark.parametrize("write", [insert, insert_late])
def test_writes_of_the_application_fail(a_get: HttpRequest, write: Any) -> None:
    with pytest.raises(InternalError, match="read-only transaction"):
        call_application(write, a_get)
    assert DjangoStorage().get_all_studies() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", [insert, create_by_optuna])
def test_writes_of_the_application_fail_outside_a_transaction(
    a_get: HttpRequest, write: Any
) -> None:
    with pytest.raises((InternalError, StorageInternalError)):
        call_application(write, a_get)
    assert DjangoStorage().get_all_studies() == []


# Deleting --------------------------------------------------------------------------------


def test_deletion_goes_through_django(
    staff_client: Callable[..., Client], api: APIClient, study: Study
) -> None:
    create_study(api, name="kept")
    client = staff_client("view_study", "view_trial", "delete_study")
    assert client.get(f"/api/studies/{study.id}").status_code == 200
    response = delete(client, study.id, **OWN_ORIGIN)
    assert (response.status_code, response.json()) == (200, {})
    assert [kept.name for kept in Study.objects.all()] == ["kept"]
    assert [kept.study_name for kept in DjangoStorage().get_all_studies()] == ["kept"]
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.object_id, entry.is_deletion()) == (
        STUDY_NAME,
        str(study.id),
        True,
    )
    for path in ("", "/param_importances"):
        response = client.get(f"/api/studies/{study.id}{path}")
        assert_reason_refused(response, 404, "study_not_found")


def test_deletion_of_an_unknown_study_is_not_found(admin_client: Client, study: Study) -> None:
    assert_reason_refused(delete(admin_client, study.id + 1, **OWN_ORIGIN), 404, "study_not_found")
    assert LogEntry.objects.count() == 0


def test_deletion_needs_the_permission(staff_client: Callable[..., Client], study: Study) -> None:
    client = staff_client("view_study", "view_trial", "delete_trial")
    assert_reason_refused(delete(client, study.id, **OWN_ORIGIN), 403, "permission_denied")
    assert_schemas_agree()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example.org"},
        {"Origin": "https://testserver"},
        {"Origin": "http://testserver:8000"},
        {"Origin": "http://testserver.example.org"},
        {"Referer": "http://testserver/dashboard"},
    ],
)
def test_deletion_needs_the_sites_origin(
    admin_client: Client, study: Study, headers: dict[str, str]
) -> None:
    assert_reason_refused(delete(admin_client, study.id, **headers), 403, "foreign_origin")
    assert_schemas_agree()
    assert LogEntry.objects.count() == 0


def test_deletion_is_accepted_from_a_trusted_origin(
    admin_client: Client, study: Study, settings: Settings
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://tuner.example.org"]
    response = delete(admin_client, study.id, Origin="https://tuner.example.org")
    assert response.status_code == 200
    assert Study.objects.count() == 0


def delete(client: Client, study_id: int, **headers: str) -> Any:
    return client.delete(f"/api/studies/{study_id}", b"{}", "application/json", headers=headers)
