"""The headers of the API's answers, which any of its layers may give."""

from typing import Any, NoReturn

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from studies.api.views import StudyViewSet

STUDIES = "/api/v1/studies"
ORIGIN = "http://localhost:3000"
EXPOSED = "Date, ETag, Link, Retry-After, X-Request-ID, X-Total-Count"
EVERYWHERE = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "Vary": "origin",
    "X-Content-Type-Options": "nosniff",
}
OF_VIEWS = EVERYWHERE | {"X-Frame-Options": "DENY"}
PROBLEM = {"Content-Type": "application/problem+json"}
OF_STUDIES = {"Allow": "GET, POST, HEAD, OPTIONS", "Vary": "Cookie, origin"}


def headers_of(response: Any) -> dict[str, str]:
    """All but those that differ from request to request."""
    assert response["X-Request-ID"]
    changing = ("X-Request-ID", "Content-Length", "Link")
    return {name: value for name, value in response.headers.items() if name not in changing}


def test_headers_of_an_ask(api: APIClient, study: dict[str, Any]) -> None:
    response = api.post(f"{STUDIES}/search/trials/suggest", {})
    assert headers_of(response) == OF_VIEWS | {
        "Allow": "POST, OPTIONS",
        "Content-Type": "application/json",
        "Vary": "Cookie, origin",
    }
    assert int(response["Content-Length"]) == len(response.content)


def test_headers_of_refusals_by_a_view(api: APIClient, settings: Settings) -> None:
    of_view = OF_VIEWS | PROBLEM | OF_STUDIES
    assert headers_of(api.post(STUDIES, {"unknown": 1})) == of_view  # 400
    assert headers_of(api.put(STUDIES, {})) == of_view  # 405
    assert headers_of(api.generic("POST", STUDIES, "x", "text/plain")) == of_view  # 415
    settings.AUTH_REQUIRED = True
    refused = {"WWW-Authenticate": 'Bearer realm="tuner"'}
    assert headers_of(api.get(STUDIES)) == of_view | refused  # 401
    response = api.get(STUDIES, headers={"Authorization": "Bearer x"})
    assert headers_of(response) == of_view | refused | {"Vary": "origin"}


def test_headers_of_refusals_before_a_view(api: APIClient, settings: Settings) -> None:
    settings.MAX_BODY_BYTES = 1024
    assert headers_of(api.get("/api/v1/nothing")) == OF_VIEWS | PROBLEM  # 404
    outside = {k: v for k, v in (OF_VIEWS | PROBLEM).items() if k != "Vary"}  # CORS is for v1
    assert headers_of(api.get("/api/nothing")) == outside
    large = api.generic("POST", STUDIES, "x" * 1025, "application/json")
    assert headers_of(large) == EVERYWHERE | PROBLEM  # 413
    chunked = api.post(STUDIES, {}, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert headers_of(chunked) == EVERYWHERE | PROBLEM  # 411
    foreign = api.get(STUDIES, headers={"Host": "evil.example"})
    assert (foreign.status_code, headers_of(foreign)) == (400, EVERYWHERE | PROBLEM)


def test_headers_of_a_failure(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> NoReturn:
        raise RuntimeError("broken")

    monkeypatch.setattr(StudyViewSet, "list", fail)
    api.raise_request_exception = False
    response = api.get(STUDIES)
    assert response.status_code == 500
    assert headers_of(response) == OF_VIEWS | PROBLEM | {"Vary": "Cookie, origin"}


def test_headers_of_a_preflight(api: APIClient) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    found = headers_of(api.options(STUDIES, headers=asked))
    assert found.pop("content-length") == "0"
    assert found.pop("access-control-allow-headers").startswith("accept, authorization")
    assert found == EVERYWHERE | {
        "Content-Type": "text/html; charset=utf-8",
        "access-control-allow-methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
        "access-control-allow-origin": ORIGIN,
        "access-control-expose-headers": EXPOSED,
        "access-control-max-age": "86400",
    }


@pytest.mark.parametrize("origin", [ORIGIN, "http://evil.example", "null", "://"])
def test_headers_for_another_origin(api: APIClient, origin: str) -> None:
    plain = headers_of(api.get(STUDIES))
    found = headers_of(api.get(STUDIES, headers={"Origin": origin}))
    added = {k: v for k, v in found.items() if plain.get(k) != v}

    allowed = {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": EXPOSED,
    }
    assert added == (allowed if origin == ORIGIN else {})


def test_options_without_origin_names_the_methods(api: APIClient) -> None:
    response = api.options(STUDIES)
    assert (response.status_code, response.content) == (204, b"")
    assert headers_of(response) == OF_VIEWS | OF_STUDIES
