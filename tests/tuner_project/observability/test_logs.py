"""The content of logs, and the secrets that must not be in them."""

import errno
import io
import json
import logging
from collections.abc import Callable, Iterator
from logging.config import dictConfig
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings

from access.domain.tokens import create_token
from access.scopes import Scope
from studies.api.views import StudyViewSet
from tests.support.study_builders import COMMAND
from tuner_project.observability.logs import LEVELS, logging_config

STUDIES = "/api/v1/studies"
PACKAGES = ["tuner_project", "access", "studies", "trials", "analysis", "gunicorn"]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during the test, once `use` has chosen how."""
    yield io.StringIO()
    dictConfig(django_settings.LOGGING)


def use(written: io.StringIO, form: str, level: str = "INFO", access_log: bool = True) -> None:
    config = logging_config(form, level, PACKAGES, access_log=access_log)
    config["handlers"]["console"]["stream"] = written
    dictConfig(config)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_json_line_has_its_fields(written: io.StringIO) -> None:
    use(written, "json")
    logging.getLogger("trials.x").info("hello %s\n%s", "you", "there", extra={"n": 3})
    (line,) = lines(written)
    assert line.keys() == {"time", "level", "logger", "message", "request_id", "pid", "n"}
    assert (line["level"], line["logger"], line["n"]) == ("INFO", "trials.x", 3)
    assert (line["message"], line["request_id"]) == ("hello you\nthere", "-")
    assert line["time"].endswith("+00:00")


def test_text_line_names_the_request(
    written: io.StringIO, client: Client, db: None, settings: Settings
) -> None:
    settings.ACCESS_LOG = True
    use(written, "line")
    client.get(STUDIES, headers={"X-Request-ID": "mine"})
    (line,) = written.getvalue().splitlines()
    assert " INFO tuner_project.observability.access_log [mine]: GET /api/v1/studies 200 " in line


@pytest.mark.parametrize("level", LEVELS)
def test_levels_differ_for_service_and_libraries(written: io.StringIO, level: str) -> None:
    use(written, "json", level)
    for name in ("studies.models", "gunicorn.error", "psycopg.pool", "other.library"):
        for each in LEVELS:
            logging.getLogger(name).log(getattr(logging, each), each)
    own = LEVELS[LEVELS.index(level) :]
    libraries = own if level == "DEBUG" else [each for each in own if each != "INFO"]
    said = [(line["logger"], line["message"]) for line in lines(written)]
    assert [each for logger, each in said if logger == "studies.models"] == own
    assert [each for logger, each in said if logger == "gunicorn.error"] == own
    assert [each for logger, each in said if logger == "psycopg.pool"] == libraries
    assert [each for logger, each in said if logger == "other.library"] == libraries


@pytest.mark.parametrize("form", ["line", "json"])
def test_logs_hold_no_secrets_or_queries(
    written: io.StringIO,
    db: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    settings.ACCESS_LOG = True
    use(written, form, "DEBUG", access_log=False)
    client = Client(raise_request_exception=False, headers={"Authorization": "Bearer hush"})
    client.get(f"{STUDIES}?token=hush")
    client.get(f"{STUDIES}/none?token=hush")
    client.get("/nothing?token=hush", headers={"Host": "evil.example.org"})
    client.post("/admin/login/?token=hush", {"username": "a", "password": "hush"})

    def fail(*args: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(StudyViewSet, "list", fail)
    Client(raise_request_exception=False).get(f"{STUDIES}?limit=000000000000100")
    text = written.getvalue()
    assert "RuntimeError: broken" in text
    assert "hush" not in text
    assert "000000000000100" not in text


def test_access_log_has_a_line_for_each_request(
    written: io.StringIO, db: None, settings: Settings
) -> None:
    settings.ACCESS_LOG = True
    use(written, "json")
    client = Client(headers={"X-Request-ID": "mine"})
    client.get(f"{STUDIES}?limit=1")
    client.get(f"{STUDIES}/a%0Ab%20ü")
    client.post(f"{STUDIES}/x/trials/suggest", {}, content_type="application/json")
    first, second, third = lines(written)
    assert first.pop("milliseconds") > 0
    assert (first["method"], first["path"], first["status"]) == ("GET", STUDIES, 200)
    assert (first["caller"], first["request_id"]) == (None, "mine")
    assert (second["path"], second["status"]) == (f"{STUDIES}/a%0Ab%20%C3%BC", 404)
    assert (third["method"], third["status"]) == ("POST", 404)


def test_failure_is_logged_with_its_reason_and_the_request(
    written: io.StringIO, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("broken")

    use(written, "json")
    monkeypatch.setattr(StudyViewSet, "list", fail)
    client = Client(raise_request_exception=False, headers={"X-Request-ID": "mine"})
    client.get(STUDIES)
    (line,) = [line for line in lines(written) if line["level"] == "ERROR"]
    assert (line["logger"], line["request_id"]) == ("django.request", "mine")
    assert line["exc_info"].endswith("RuntimeError: broken")


def failing(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        raise OSError(errno.ENOSPC, "full")

    return middleware


@pytest.mark.parametrize("access_log", [True, False])
def test_unavailable_database_is_logged_in_one_line(
    written: io.StringIO,
    db: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    access_log: bool,
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    settings.ACCESS_LOG = access_log
    use(written, "json", access_log=access_log)
    monkeypatch.setattr(StudyViewSet, "list", fail)
    assert Client(raise_request_exception=False).get(STUDIES).status_code == 503
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.failing"]
    assert Client(raise_request_exception=False).get(STUDIES).status_code == 503
    first, second = lines(written)
    for line in (first, second):
        assert line["level"] == ("INFO" if access_log else "WARNING")
        assert "exc_info" not in line


def test_refused_request_is_a_warning_without_an_access_log(
    written: io.StringIO, db: None, settings: Settings
) -> None:
    settings.ACCESS_LOG = False
    use(written, "json", access_log=False)
    Client(headers={"X-Request-ID": "mine"}).get(f"{STUDIES}/none")
    (line,) = lines(written)
    assert (line["level"], line["request_id"]) == ("WARNING", "mine")


def test_access_log_names_the_caller(
    written: io.StringIO, db: None, settings: Settings, staff_client: Callable[..., Client]
) -> None:
    settings.ACCESS_LOG = settings.AUTH_REQUIRED = True
    _, key = create_token(actor=COMMAND, name="gpu\nfarm", scope=Scope.READ)
    use(written, "json")
    Client(headers={"Authorization": f"Bearer {key}"}).get(STUDIES)
    Client(headers={"Authorization": "Bearer nonsense"}).get(STUDIES)
    staff = staff_client("view_study")
    staff.get(STUDIES)
    staff.get("/admin/")
    Client().get("/api/v1/health")
    callers = [line["caller"] for line in lines(written)]
    assert callers == ["token gpu farm", None, "user staff", "user staff", None]
    assert key not in written.getvalue()
