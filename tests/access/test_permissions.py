"""Permissions: every URL of the project × every kind of caller.

A new URL fails `test_each_url_has_a_rule` until it is in one of the lists.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from access.domain.tokens import revoke_token
from access.models import Token
from events.models import Webhook
from studies.domain.shares import create_share
from studies.models import NamedStudy
from tests.support.api_client import authorized_client
from tests.support.study_builders import COMMAND

SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "y", "low": 0.0, "high": 1.0},
]
STUDY = "api/v1/studies/<study_name:study_name>"
WEBHOOK = "api/v1/webhooks/<webhook_id:webhook_id>"
TRIAL = f"{STUDY}/trials/<trial_number:trial_id>"
SHARE = f"{STUDY}/shares/<int:share_id>"
FILE = object()  # a body: an exported study


SHARE_ID = 2**40  # of the study "one"


@dataclass(frozen=True)
class Operation:
    """A request and the scope that it needs; `route` is the URL's pattern."""

    method: str
    route: str
    scope: str
    status: int = 200
    body: Any = None
    study: str = "one"
    trial: int = 0
    share: int = SHARE_ID
    # The answer to a token of other studies; lists are empty for it.
    other_token: int = 404
    other_code: str | None = "study_not_found"
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.route}{self.query}"

    @property
    def path(self) -> str:
        return "/" + (
            self.route.replace("<study_name:study_name>", self.study)
            .replace("<trial_number:trial_id>", str(self.trial))
            .replace("<plot_kind:kind>", "slice")
            .replace("<webhook_id:webhook_id>", str(webhook_id()))
            .replace("<int:share_id>", str(self.share))
        )

    def send(self, client: Any, file: str = "", headers: Mapping[str, str] | None = None) -> Any:
        if self.body is FILE:
            return client.generic(
                self.method, self.path + self.query, file, "application/x-ndjson", headers=headers
            )
        body = "" if self.body is None else self.body
        is_of_rest = isinstance(client, APIClient)
        how: Any = {"format": "json"} if is_of_rest else {"content_type": "application/json"}
        send = getattr(client, self.method.lower())
        return send(self.path + self.query, *([body] if body else []), headers=headers, **how)


def webhook_id() -> int:
    """The id of the webhook that `create_studies` creates; none has the id 1 but this."""
    return Webhook.objects.values_list("id", flat=True).first() or 1


_OF_WEBHOOK: dict[str, Any] = {"other_code": "webhook_not_found"}
_ANSWERS = ("best", "importance", "history", "progress", "advice", "export")
_NEW = {"search_space": SPACE, "sampler": "random"}
_TRIAL_RESULTS = {"trials": [{"trial_id": 0, "state": "COMPLETE", "values": 0.5}]}

OPERATIONS = [
    Operation("GET", "api/v1/studies", "read", other_token=200, other_code=None),
    Operation("POST", "api/v1/studies", "manage", 201, {"name": "new", **_NEW}),
    Operation("GET", STUDY, "read"),
    Operation("PATCH", STUDY, "manage", 200, {"max_trials": 100}),
    Operation("DELETE", STUDY, "manage", 204),
    Operation("GET", f"{STUDY}/search-space-versions", "read"),
    Operation("GET", f"{STUDY}/shares", "manage"),
    Operation("POST", f"{STUDY}/shares", "manage", 201, {"expires_in_days": 1}),
    Operation("DELETE", SHARE, "manage", 204),
    *(Operation("POST", f"{STUDY}/{act}", "manage") for act in ("pause", "complete", "cancel")),
    Operation("POST", f"{STUDY}/resume", "manage", study="paused"),
    *(Operation("GET", f"{STUDY}/{answer}", "read") for answer in _ANSWERS),
    Operation("GET", f"{STUDY}/pareto", "read", study="two"),
    Operation("GET", f"{STUDY}/hypervolume", "read", study="two"),
    Operation("GET", f"{STUDY}/plots/<plot_kind:kind>", "read"),
    Operation("GET", "api/v1/studies/compare", "read", query="?names=one,import"),
    Operation("GET", "api/v1/studies/compare", "read"),
    Operation("PATCH", "api/v1/studies/compare", "manage", 200, {"max_trials": 100}),
    Operation("DELETE", "api/v1/studies/compare", "manage", 204),
    Operation("POST", f"{STUDY}/clone", "manage", 201, {"name": "another"}),
    Operation("POST", "api/v1/studies/import", "manage", 201, FILE),
    Operation("GET", "api/v1/studies/import", "read"),
    Operation("PATCH", "api/v1/studies/import", "manage", 200, {"max_trials": 100}),
    Operation("DELETE", "api/v1/studies/import", "manage", 204),
    Operation("GET", f"{STUDY}/trials", "read"),
    Operation("POST", f"{STUDY}/trials", "manage", 201, {"params": {"x": 0.5}}),
    Operation("POST", f"{STUDY}/trials/suggest", "worker"),
    Operation("POST", f"{STUDY}/trials/suggest-batch", "worker", 200, {"count": 2}),
    Operation("POST", f"{STUDY}/trials/complete-batch", "worker", 200, _TRIAL_RESULTS),
    Operation("GET", TRIAL, "read"),
    Operation("DELETE", TRIAL, "manage", trial=4),
    Operation("POST", f"{STUDY}/retry-failed", "manage", 200, {}),
    Operation("POST", f"{TRIAL}/retry", "manage", trial=5),
    Operation("POST", f"{TRIAL}/invalidate", "manage", trial=1, body={"reason": "wrong data"}),
    Operation("POST", f"{STUDY}/trials/fail-running", "manage", 200, {"silent_for_seconds": 9}),
    Operation("PATCH", TRIAL, "worker", 200, {"user_attrs": {"a": 1}, "note": "n"}),
    Operation("GET", f"{TRIAL}/log", "read"),
    Operation("PUT", f"{TRIAL}/log", "worker"),
    Operation("POST", f"{TRIAL}/report", "worker", 200, {"step": 1, "value": 0.5}),
    Operation("POST", f"{TRIAL}/heartbeat", "worker"),
    Operation("POST", f"{TRIAL}/complete", "worker", 200, {"values": 0.5}),
    Operation("POST", f"{TRIAL}/prune", "worker"),
    Operation("POST", f"{TRIAL}/fail", "worker", 200, {"reason": "no"}),
    Operation("GET", f"{STUDY}/events", "read"),
    Operation("GET", "api/v1/webhooks", "manage", other_token=200, other_code=None),
    Operation(
        "POST", "api/v1/webhooks", "manage", 201, {"name": "a", "url": "https://example.org"},
        other_token=403, other_code="pattern_not_covered",
    ),
    Operation("GET", WEBHOOK, "manage", **_OF_WEBHOOK),
    Operation("PATCH", WEBHOOK, "manage", 200, {"format": "slack"}, **_OF_WEBHOOK),
    Operation("DELETE", WEBHOOK, "manage", 204, **_OF_WEBHOOK),
    Operation("POST", f"{WEBHOOK}/rotate-secret", "manage", **_OF_WEBHOOK),
    Operation("POST", f"{WEBHOOK}/ping", "manage", 202, **_OF_WEBHOOK),
]  # fmt: skip


def create_studies(client: APIClient) -> None:
    """Create the studies that the operations are about."""

    def post(path: str, body: Any = None) -> Any:
        response = client.post(f"/api/v1/studies{path}", body or {})
        assert response.status_code < 300, response.content
        return response.json()

    for name in ("one", "import", "compare", "paused"):
        post("", {"name": name, "direction": "minimize", **_NEW})
    post("", {"name": "two", "direction": ["minimize", "maximize"], **_NEW})
    post("/paused/pause")
    for name, values in (("one", [0.2, 0.7]), ("two", [[0.2, 0.3], [0.7, 0.9]])):
        post(f"/{name}/trials/suggest-batch", {"count": 4})
        for number in (1, 2):
            result = {"values": values[number - 1]}
            post(f"/{name}/trials/{number}/complete", result)
    post("/one/trials/0/report", {"step": 0, "value": 0.1})
    post("/one/trials", {"params": {"x": 0.1}})  # number 4, WAITING
    post("/one/trials", {"params": {"x": 0.1, "y": 0.1}, "state": "FAIL"})  # number 5
    response = client.post("/api/v1/webhooks", {"name": "w", "url": "https://example.org"})
    assert response.status_code == 201, response.content


def url_patterns() -> Iterator[tuple[str, Any]]:
    """The pattern of every URL of the project, and its view."""

    def walk(resolver: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        for each in resolver.url_patterns:
            route = before + str(each.pattern)
            if hasattr(each, "url_patterns"):
                yield from walk(each, route)
            else:
                yield route, each.callback

    return walk(get_resolver())


# Answered to all callers.
OPEN = {
    "",
    "favicon.ico",
    "api/v1/health",
    "api/v1/ready",
    "api/v1/schema",
    "api/v1/docs",
    "share",
    "admin/login/",
    "admin/logout/",
    "^(?P<page>admin(?:/.*)?)(?<!/)$",  # adds the slash
}
# For the key of a link to a study, which the page at /share sends.
OF_SHARES = {"share/study"}
# What such a key reads of its study: what its page shows.
SHARED = {
    f"{STUDY}/{answer}"
    for answer in ("best", "progress", "advice", "events", "plots/<plot_kind:kind>")
}
# In the admin, for all members of the staff.
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


def test_each_url_has_a_rule() -> None:
    routes = {route for route, _ in url_patterns() if not is_of_admin(route)}
    operations = {each.route for each in OPERATIONS}

    assert routes | {"admin/login/", "admin/logout/"} == (
        OPEN | STAFF_PAGES | STAFF_DATA | OF_SHARES | {"metrics"} | operations
    )


def test_each_action_has_a_rule() -> None:
    actions = {
        (method.upper(), route)
        for route, callback in url_patterns()
        for method in getattr(callback, "actions", None) or {}
        if route not in OPEN | OF_SHARES and method != "head"  # which is as GET
    }
    assert actions == {(each.method, each.route) for each in OPERATIONS}


def is_of_admin(route: str) -> bool:
    return route.startswith("admin/")


# The API ---------------------------------------------------------------------------------


@pytest.fixture
def file(settings: Any, api: APIClient) -> str:
    """Create the studies, and export one of them under another name."""
    settings.AUTH_REQUIRED = False
    create_studies(api)
    share, _ = create_share(actor=COMMAND, named=NamedStudy("one"))
    Token.objects.filter(pk=share.pk).update(id=SHARE_ID)
    exported: bytes = api.get("/api/v1/studies/one/export").getvalue()
    settings.AUTH_REQUIRED = True
    return exported.decode().replace('"one"', '"from a file"')


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_operation_is_answered_by_scope(
    operation: Operation, file: str, token: MakeToken, staff_client: Callable[..., Client]
) -> None:
    def outcome(client: Any) -> tuple[int, str | None]:
        response = operation.send(client, file)
        if response.streaming:
            deque(response, maxlen=0)  # to the end, where its file is closed
        is_problem = response.headers.get("Content-Type") == "application/problem+json"
        return response.status_code, response.json()["code"] if is_problem else None

    def of(scope: str, **more: Any) -> APIClient:
        return authorized_client(token(scope, **more)[1])

    expired, expired_key = token()
    Token.objects.filter(pk=expired.pk).update(expiry_date=timezone.now() - timedelta(days=1))
    revoked, revoked_key = token()
    revoke_token(actor=COMMAND, token=revoked)
    suffices = SCOPES.index(operation.scope)

    assert outcome(APIClient()) == (401, "not_authenticated")
    assert outcome(authorized_client("no.such")) == (401, "invalid_token")
    assert outcome(authorized_client(expired_key)) == (401, "token_expired")
    assert outcome(authorized_client(revoked_key)) == (401, "token_revoked")
    assert outcome(staff_client()) == (403, "insufficient_scope")
    staff = staff_client("view_study", "view_trial", "delete_study", name="reader")
    reads = operation.scope == "read"
    assert outcome(staff) == ((200, None) if reads else (403, "insufficient_scope"))
    for scope in SCOPES[:suffices]:
        assert outcome(of(scope)) == (403, "insufficient_scope")
        assert outcome(of(scope, studies="theirs-*")) == (403, "insufficient_scope")
    for scope in SCOPES[suffices:]:
        refused = operation.other_token, operation.other_code
        assert outcome(of(scope, studies="theirs-*")) == refused
    for scope in SCOPES[suffices:]:
        assert outcome(of(scope)) == (operation.status, None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_share_reads_what_the_page_of_its_study_shows(operation: Operation, file: str) -> None:
    def outcome(name: str) -> tuple[int, str | None]:
        _, key = create_share(actor=COMMAND, named=NamedStudy(name))
        response = operation.send(authorized_client(key), file)
        is_problem = response.headers["Content-Type"] == "application/problem+json"
        return response.status_code, response.json()["code"] if is_problem else None

    is_shared = operation.method == "GET" and operation.route in SHARED
    assert outcome("one") == ((200, None) if is_shared else (403, "insufficient_scope"))
    assert outcome("paused") == (
        (404, "study_not_found") if is_shared else (403, "insufficient_scope")
    )


def test_share_sends_no_other_methods_to_its_page(file: str) -> None:
    _, key = create_share(actor=COMMAND, named=NamedStudy("one"))
    client = authorized_client(key)
    assert client.get("/share/study").status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.generic(method, "/share/study").status_code == 405
    for route in sorted(STAFF_PAGES | STAFF_DATA | {"metrics"}):
        assert client.get(f"/{filled(route)}").status_code in (302, 401, 403), route
    for route, _ in url_patterns():
        if is_of_admin(route) and route not in OPEN:
            assert client.get(f"/{filled(route)}").status_code in (301, 302), route


def test_worker_loads_an_existing_study_and_creates_none(file: str, token: MakeToken) -> None:
    worker = authorized_client(token("worker")[1])
    response = worker.post("/api/v1/studies", {"name": "one", **_NEW})
    assert (response.status_code, response.json()["study_name"]) == (200, "one")
    other = {"name": "one", **_NEW, "direction": "minimize", "sampler": "qmc"}
    assert worker.post("/api/v1/studies", other).json()["code"] == "study_conflict"
    response = worker.post("/api/v1/studies", {"name": "missing", **_NEW})
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
    assert '"manage"' in response.json()["detail"]
    reader = authorized_client(token("read")[1])
    response = reader.post("/api/v1/studies", {"name": "one", **_NEW})
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
    foreign = authorized_client(token("worker", studies="theirs-*")[1])
    response = foreign.post("/api/v1/studies", {"name": "one", **_NEW})
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


def test_other_methods_are_not_allowed(file: str, token: MakeToken) -> None:
    manager = authorized_client(token()[1])
    used = {(each.path, each.method) for each in OPERATIONS}
    for path in {path for path, _ in used}:
        for method in {"PUT", "TRACE", "BREW"} - {method for each, method in used if each == path}:
            assert APIClient().generic(method, path).status_code == 401
            assert manager.generic(method, path).status_code == 405


def test_options_answers_the_allowed_methods(file: str, token: MakeToken) -> None:
    reader = authorized_client(token("read")[1])
    for route, path in {(each.route, each.path) for each in OPERATIONS}:
        assert APIClient().options(path).status_code == 401
        response = reader.options(path)
        assert (response.status_code, response.content) == (204, b"")
        methods = {each.method for each in OPERATIONS if each.route == route}
        methods |= {"HEAD"} if "GET" in methods else set()
        assert set(response["Allow"].split(", ")) == methods | {"OPTIONS"}


def test_head_needs_the_scope_of_get(file: str, token: MakeToken) -> None:
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.route.endswith("/export"):
            continue  # of the export, the test's client leaves the file open
        assert APIClient().head(operation.path).status_code == 401
        other = authorized_client(token(operation.scope, studies="theirs-*")[1])
        assert other.head(operation.path).status_code == operation.other_token
        allowed = authorized_client(token(operation.scope)[1])
        assert allowed.head(operation.path).status_code == operation.status


# What is open, and what is the staff's -----------------------------------------------------


@pytest.mark.parametrize("route", sorted(OPEN - {"admin/logout/"}))
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer no.such"}])
def test_open_url_needs_no_token(db: None, route: str, header: dict[str, str]) -> None:
    path = "/admin" if route.startswith("^") else f"/{route}"
    assert Client().get(path, headers=header).status_code in (200, 301, 302)


@pytest.mark.parametrize("route", sorted(STAFF_PAGES | STAFF_DATA))
def test_dashboard_needs_a_staff_session(
    route: str, token: MakeToken, staff_client: Callable[..., Client]
) -> None:
    status = 302 if route in STAFF_PAGES else 403
    _, key = token()
    for client in (Client(), Client(headers={"Authorization": f"Bearer {key}"})):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            expected = (status,) if method == "GET" else (status, 405)
            assert client.generic(method, f"/{filled(route)}").status_code in expected
    assert staff_client().get(f"/{filled(route)}").status_code == 403


def test_metrics_need_their_token(settings: Any, token: MakeToken) -> None:
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


def test_admin_needs_a_staff_session(token: MakeToken, staff_client: Callable[..., Client]) -> None:
    _, key = token()
    strangers = [Client(), Client(headers={"Authorization": f"Bearer {key}"})]
    staff = staff_client()
    routes = [route for route, _ in url_patterns() if is_of_admin(route)]
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
