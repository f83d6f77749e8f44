"""Requests of the API pass by the middleware of pages, unless they have a session's cookie."""

from collections.abc import Callable

import pytest
from django.conf import settings as project
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from tests.support.api_client import assert_refused

STUDIES = "/api/v1/studies"


def test_request_of_the_api_has_neither_session_nor_messages(api: APIClient) -> None:
    request = api.get(STUDIES).wsgi_request
    assert not hasattr(request, "session")
    assert not hasattr(request, "_messages")


@pytest.mark.parametrize("path", ["/admin/login/", "/dashboard", "/api/meta", "/nothing"])
def test_page_has_a_session_and_messages(db: None, path: str) -> None:
    request = Client().get(path).wsgi_request
    assert request.session.session_key is None
    assert hasattr(request, "_messages")


def test_cookie_of_a_session_is_read_by_the_api(
    staff_client: Callable[..., Client], settings: Settings
) -> None:
    settings.AUTH_REQUIRED = True
    response = staff_client("view_study").get(STUDIES)
    assert response.status_code == 200
    assert response.wsgi_request.session.session_key
    assert not hasattr(response.wsgi_request, "_messages")


def test_session_is_read_only_for_a_cookie(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        api.get(f"{STUDIES}?unknown=1")
    api.cookies[project.SESSION_COOKIE_NAME] = "x" * 32
    with django_assert_num_queries(1):
        api.get(f"{STUDIES}?unknown=1")


def test_cookie_of_no_session_is_refused(api: APIClient, settings: Settings) -> None:
    settings.AUTH_REQUIRED = True
    api.cookies[project.SESSION_COOKIE_NAME] = "x" * 32
    assert_refused(api.get(STUDIES), 401, "not_authenticated")


def test_answer_varies_by_the_cookie_if_a_session_was_looked_for(
    api: APIClient, client_of: Callable[..., APIClient]
) -> None:
    assert api.get(STUDIES)["Vary"] == "Cookie, origin"
    assert api.get("/api/v1/health")["Vary"] == "origin"
    assert client_of("read").get(STUDIES)["Vary"] == "origin"
