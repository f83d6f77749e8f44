"""The request id, from the client's header to the problem document."""

import json
import re

import pytest
from django.test import Client
from psycopg import OperationalError
from pytest_django import Settings
from rest_framework.test import APIClient

from studies.api.views import StudyViewSet
from studies.models import Study
from tuner_project.observability.request_id import current_request_id

STUDIES = "/api/v1/studies"


@pytest.mark.parametrize("given", ["a", "0b1.c_D-e:f+g/h=", "x" * 128])
def test_request_id_of_the_client_is_answered(api: APIClient, given: str) -> None:
    assert api.get(STUDIES, headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "x" * 129, "a b", "a\tb", "a,b", "ü", "a\nb", '"', "<a>", "%"]
)
def test_malformed_request_id_is_replaced(api: APIClient, given: str) -> None:
    answered = api.get(STUDIES, headers={"X-Request-ID": given})["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_request_without_an_id_gets_a_new_one(api: APIClient) -> None:
    assert api.get(STUDIES)["X-Request-ID"] != api.get(STUDIES)["X-Request-ID"]
    assert current_request_id() is None


@pytest.mark.parametrize("url", ["/nothing", "/admin/", "/api/v1/nothing", "/static/nothing"])
def test_each_answer_has_a_request_id(db: None, url: str) -> None:
    assert Client().get(url, headers={"X-Request-ID": "mine"})["X-Request-ID"] == "mine"


def test_refusal_of_the_outer_middleware_has_a_request_id(
    api: APIClient, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["tuner.example.org"]
    response = api.get(STUDIES, headers={"Host": "evil.example.org", "X-Request-ID": "mine"})
    assert (response.status_code, response["X-Request-ID"]) == (400, "mine")


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("broken"), 500), (OperationalError("away"), 503)]
)
def test_failure_names_the_request(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(StudyViewSet, "list", fail)
    api.raise_request_exception = False
    response = api.get(STUDIES, headers={"X-Request-ID": "mine"})
    assert response.status_code == status
    assert json.loads(response.content)["request_id"] == "mine"


def test_client_error_names_no_request(api: APIClient) -> None:
    response = api.post(STUDIES, {})
    assert response.status_code == 400
    assert "request_id" not in response.json()
    assert not Study.objects.exists()
