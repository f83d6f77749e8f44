"""Every URL of the project × everybody who may call it.

A new URL fails `test_every_url_has_a_rule` until it is in one of the lists.
"""

import re
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.domain.tokens import revoke_token
from access.models import Token
from tests.actors import COMMAND

from .conftest import bearer
from .operations import OPERATIONS, Operation, play, urls

# Whoever calls is answered.
OPEN = {
    "",
    "favicon.ico",
    "api/v1/health",
    "api/v1/ready",
    "api/v1/schema",
    "api/v1/docs",
    "admin/login/",
    "admin/logout/",
    "^(?P<page>admin(?:/.*)?)(?<!/)$",  # adds the slash
}
# In the admin, for everybody of the staff.
ANY_STAFF = {
    "admin/",
    "admin/password_change/",
    "admin/password_change/done/",
    "admin/jsi18n/",
}
# For the staff, by a session: pages lead to the login, and what the dashboard asks for is refused.
STAFF_PAGES = {"dashboard", "dashboard/studies/<int:study_id>", "^dashboard/.*$"}
STAFF_DATA = {
    "api/meta",
    "api/studies",
    "api/studies/<int:study_id>",
    "api/studies/<int:study_id>/param_importances",
    "csv/<int:study_id>",
    "^(?:api/(?:meta|studies|trials|artifacts|llm)|csv|artifacts)(?:/.*)?$",
}
SCOPES = ["read", "worker", "manage"]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

MakeToken = Callable[..., tuple[Token, str]]


def test_every_url_has_a_rule() -> None:
    routes = {route for route, _ in urls() if not is_of_admin(route)}
    operations = {each.route for each in OPERATIONS}

    assert routes | {"admin/login/", "admin/logout/"} == (
        OPEN | STAFF_PAGES | STAFF_DATA | {"metrics"} | operations
    )


def test_every_action_has_a_rule() -> None:
    actions = {
        (method.upper(), route)
        for route, callback in urls()
        for method in getattr(callback, "actions", None) or {}
        if route not in OPEN and method != "head"  # which is as GET
    }
    assert actions == {(each.method, each.route) for each in OPERATIONS}


def is_of_admin(route: str) -> bool:
    return route.startswith("admin/")


# The API ---------------------------------------------------------------------------------


@pytest.fixture
def file(settings: Any, api: APIClient) -> str:
    """Plays the studies; an exported one, of another name."""
    settings.AUTH_REQUIRED = False
    play(api)
    exported: bytes = api.get("/api/v1/studies/one/export").getvalue()
    settings.AUTH_REQUIRED = True
    return exported.decode().replace('"one"', '"from a file"')


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_operation_answers_those_who_may(
    operation: Operation, file: str, token: MakeToken, staff_client: Callable[..., Client]
) -> None:
    def outcome(client: Any) -> tuple[int, str | None]:
        response = operation.send(client, file)
        if response.streaming:
            deque(response, maxlen=0)  # to the end, where its file is closed
        is_problem = response.headers.get("Content-Type") == "application/problem+json"
        return response.status_code, response.json()["code"] if is_problem else None

    def of(scope: str, **more: Any) -> APIClient:
        return bearer(token(scope, **more)[1])

    expired, expired_key = token()
    Token.objects.filter(pk=expired.pk).update(expiry_date=timezone.now() - timedelta(days=1))
    revoked, revoked_key = token()
    revoke_token(actor=COMMAND, token=revoked)
    suffices = SCOPES.index(operation.scope)

    assert outcome(APIClient()) == (401, "not_authenticated")
    assert outcome(bearer("no.such")) == (401, "invalid_token")
    assert outcome(bearer(expired_key)) == (401, "token_expired")
    assert outcome(bearer(revoked_key)) == (401, "token_revoked")
    assert outcome(staff_client()) == (403, "insufficient_scope")
    staff = staff_client("view_study", "view_trial", "delete_study", name="reader")
    reads = operation.scope == "read"
    assert outcome(staff) == ((200, None) if reads else (403, "insufficient_scope"))
    for scope in SCOPES[:suffices]:
        assert outcome(of(scope)) == (403, "insufficient_scope")
        assert outcome(of(scope, studies="theirs-*")) == (403, "insufficient_scope")
    for scope in SCOPES[suffices:]:
        not_there = (operation.foreign, "study_not_found" if operation.foreign == 404 else None)
        assert outcome(of(scope, studies="theirs-*")) == not_there
    for scope in SCOPES[suffices:]:
        assert outcome(of(scope)) == (operation.status, None)


def test_other_methods_are_not_answered(file: str, token: MakeToken) -> None:
    manager = bearer(token()[1])
    for path in {each.path for each in OPERATIONS}:
        for method in ("PUT", "TRACE", "OPTIONS", "BREW"):
            assert APIClient().generic(method, path).status_code == 401
            assert manager.generic(method, path).status_code == 405


def test_head_needs_what_get_needs(file: str, token: MakeToken) -> None:
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.route.endswith("/export"):
            continue  # of the export, the test's client leaves the file open
        assert APIClient().head(operation.path).status_code == 401
        foreign = bearer(token("read", studies="theirs-*")[1])
        assert foreign.head(operation.path).status_code == operation.foreign
        assert bearer(token("read")[1]).head(operation.path).status_code == operation.status


# What is open, and what is the staff's -----------------------------------------------------


@pytest.mark.parametrize("route", sorted(OPEN - {"admin/logout/"}))
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer no.such"}])
def test_open_url_answers_everybody(db: None, route: str, header: dict[str, str]) -> None:
    path = "/admin" if route.startswith("^") else f"/{route}"
    assert Client().get(path, headers=header).status_code in (200, 301, 302)


@pytest.mark.parametrize("route", sorted(STAFF_PAGES | STAFF_DATA))
def test_dashboard_is_the_staffs(
    route: str, token: MakeToken, staff_client: Callable[..., Client]
) -> None:
    status = 302 if route in STAFF_PAGES else 403
    _, key = token()
    for client in (Client(), Client(headers={"Authorization": f"Bearer {key}"})):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            expected = (status,) if method == "GET" else (status, 405)
            assert client.generic(method, f"/{filled(route)}").status_code in expected
    assert staff_client().get(f"/{filled(route)}").status_code == 403


def test_metrics_are_for_who_has_their_token(settings: Any, token: MakeToken) -> None:
    def status(key: str | None) -> int:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return int(Client().get("/metrics", headers=headers).status_code)

    _, key = token("manage")
    assert [status(None), status(key)] == [401, 401]
    settings.METRICS_TOKEN = "of Prometheus"
    assert [status(None), status(key), status("of Prometheus")] == [401, 401, 200]


def filled(route: str) -> str:
    """A path that the pattern matches."""
    made_up = {"^dashboard/.*$": "dashboard/x", "^(?:api": "api/trials/1"}
    for start, path in made_up.items():
        if route.startswith(start):
            return path
    return re.sub(r"\^?\(\?P<[^>]*>[^)]*\)\$?/?\$?|<[^>]*>", "1", route)


def test_admin_is_the_staffs(token: MakeToken, staff_client: Callable[..., Client]) -> None:
    _, key = token()
    strangers = [Client(), Client(headers={"Authorization": f"Bearer {key}"})]
    staff = staff_client()
    routes = [route for route, _ in urls() if is_of_admin(route)]
    assert len(routes) > 30
    for route in routes:
        if route in OPEN:
            continue
        path = f"/{filled(route)}"
        for client in strangers:
            for method in ("GET", "POST"):
                response = client.generic(method, path)
                if response.status_code == 405:
                    continue
                assert response.status_code in (301, 302), path
                assert response["Location"].startswith(("/admin/login/", "/admin/")), path
        if route not in ANY_STAFF:
            assert staff.get(path).status_code in (302, 403, 404, 405), path
