"""Environment variables: an invalid value stops the start with a one-line error; CORS."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ import Env
from pytest_django import Settings
from rest_framework.test import APIClient

from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.domain.defaults import check_defaults
from tests.support import ROOT
from tuner_project.environment import Environment


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Environment]:
    """An environment whose variable V holds the text."""

    def environment(text: str) -> Environment:
        monkeypatch.setenv("V", text)
        return Environment(Env())

    return environment


Make = Callable[[str], Environment]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("1", True),
        ("YES", True),
        ("on", True),
        ("False", False),
        ("0", False),
        ("no", False),
        ("off", False),
        ("", True),
        ("  ", True),
    ],
)
def test_boolean_is_read(env: Make, text: str, value: bool) -> None:
    assert env(text).boolean("V", True) is value


@pytest.mark.parametrize(("text", "value"), [("1", 1), (" 5 ", 5), ("10", 10), ("", 7)])
def test_integer_is_read(env: Make, text: str, value: int) -> None:
    assert env(text).integer("V", 7, 1, 10) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.example,b.example", ["a.example", "b.example"]),
        (" a , b ,", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        (' ["a b"] ', ["a b"]),
        ("[]", []),
        ("", ["default"]),
    ],
)
def test_lists_are_read_with_commas_and_as_json(env: Make, text: str, value: list[str]) -> None:
    assert env(text).words("V", ["default"]) == value


def test_text_with_a_dollar_sign_is_kept(env: Make) -> None:
    assert env("$ecret").text("V", "") == "$ecret"


def test_postgresql_url_is_read(env: Make) -> None:
    url = "postgresql://u%40x:p%2Fw@db.example:5433/name?sslmode=require&connect_timeout=3"
    assert env(url).postgresql("V", default="") == {
        "ENGINE": "tuner_project.db.backend",
        "NAME": "name",
        "USER": "u@x",
        "PASSWORD": "p/w",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require", "connect_timeout": "3"},
    }


REFUSED: list[tuple[Callable[[Environment], Any], list[str]]] = [
    (lambda e: e.boolean("V", True), ["maybe", "2", "truee"]),
    (lambda e: e.integer("V", 7, 1, 10), ["0", "11", "1.5", "a", "1e3", "0x1"]),
    (lambda e: e.choice("V", "tpe", ["tpe", "gp"]), ["TPE", "asha", "tpe,gp"]),
    (lambda e: e.words("V", []), ["[1]", '["a"', '[""]', "[null]", '[["a"]]']),
    (
        lambda e: e.origins("V", []),
        [
            "localhost:3000",
            "*",
            "https://a.example/path",
            "ftp://a.example",
            "https://",
            "a,b",
            "http://[",
        ],
    ),
    (
        lambda e: e.postgresql("V", default=""),
        [
            "",
            "mysql://u@h/db",
            "postgresql://u@h",
            "h:5432/db",
            "postgresql://u@h/db?nonsense=1",
            "postgresql://u:%zz@h/db",
        ],
    ),
]


@pytest.mark.parametrize(
    ("read", "text"), [(read, text) for read, texts in REFUSED for text in texts]
)
def test_invalid_value_is_reported_in_one_line_by_variable(
    env: Make, read: Callable[[Environment], Any], text: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(env(text))
    assert str(refused.value).startswith("V")
    assert "\n" not in str(refused.value)


def test_refused_database_url_hides_its_password(env: Make) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        env("postgresql://user:hunter2@host/db?nonsense=1").postgresql("V", default="")
    assert "hunter2" not in str(refused.value)


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    away = {"DATABASE_URL": "postgresql://tuner@127.0.0.1:1/away", "AUTH_REQUIRED": ""}
    environment = os.environ | away | variables
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_service_starts_with_valid_settings() -> None:
    done = start(PORT="9000", CORS_ORIGINS='["https://a.example"]', DEFAULT_SAMPLER="qmc")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("DEFAULT_SAMPLER", "asha"),
        ("DEFAULT_PRUNER", "no/host or number"),
        ("CORS_ORIGINS", "app.example.org"),
        ("DATABASE_URL", "sqlite:///db"),
        ("SECRET_KEY", ""),
    ],
)
def test_service_does_not_start_with_invalid_settings(name: str, value: str) -> None:
    done = start(**{name: value})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {name}")
    assert done.stderr.count("\n") == 1


def test_each_variable_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        *("DEBUG", "PORT", "WEB_WORKERS", "WEB_THREADS"),
        *("WEB_WAITING", "WEB_WAITING_TIMEOUT", "WEB_GRACEFUL_TIMEOUT"),
        *("DB_POOLER", "DB_PREPARED_STATEMENTS", "DB_STATEMENT_TIMEOUT"),
        *("DB_POOL_MIN_SIZE", "DB_POOL_MAX_SIZE", "DB_POOL_TIMEOUT", "HISTORY_MAX_TRIALS"),
        *("CORS_ORIGINS", "CSRF_TRUSTED_ORIGINS"),
        *("DATABASE_URL", "HOST", "ALLOWED_HOSTS", "TRUSTED_PROXIES"),
        *("LOG_LEVEL", "LOG_FORMAT", "ACCESS_LOG", "SLOW_ASK_SECONDS"),
        *("HTTPS", "LOGIN_FAILURES_LIMIT", "LOGIN_COOLOFF_SECONDS"),
        *("MAX_BODY_BYTES", "MAX_IMPORT_BYTES", "CLIENT_TIMEOUT"),
    ]
    source = (ROOT / "tuner_project" / "settings.py").read_text()
    for name in names:
        monkeypatch.setenv(name, "no/host or number")
        with pytest.raises(ImproperlyConfigured, match=rf"^{name}\b"):
            exec(  # noqa: S102  (the settings, without a process for each)
                compile(source, "settings.py", "exec"),
                {"__file__": str(ROOT / "tuner_project" / "settings.py"), "__name__": "settings"},
            )
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("DEFAULT_SAMPLER", ", ".join(SAMPLERS)),
        ("DEFAULT_PRUNER", ", ".join(PRUNERS)),
    ],
)
def test_defaults_of_studies_are_checked_against_the_registries(
    settings: Settings, name: str, choices: str
) -> None:
    check_defaults()
    setattr(settings, name, "no/host or number")
    with pytest.raises(ImproperlyConfigured) as refused:
        check_defaults()
    assert str(refused.value) == f"{name} is 'no/host or number': expected one of {choices}"


def test_default_pruner_needs_no_options(settings: Settings) -> None:
    for name in ("successive_halving", "percentile", "wilcoxon", "patient", "none"):
        settings.DEFAULT_PRUNER = name
        check_defaults()
    settings.DEFAULT_PRUNER = "threshold"
    with pytest.raises(ImproperlyConfigured) as refused:
        check_defaults()
    assert str(refused.value) == (
        "DEFAULT_PRUNER is 'threshold', whose option lower has no default: expected a number for "
        "lower, for upper, or for both. Choose another one"
    )


# CORS ------------------------------------------------------------------------------------


def test_allowed_origin_may_read_answers_and_headers(api: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    response = api.get("/api/v1/studies", headers={"Origin": "https://app.example.org"})
    assert response["Access-Control-Allow-Origin"] == "https://app.example.org"
    exposed = response["Access-Control-Expose-Headers"]
    assert exposed.split(", ") == [
        "Date",
        "ETag",
        "Link",
        "Retry-After",
        "X-Request-ID",
        "X-Total-Count",
    ]


def test_allowed_origin_may_preflight(api: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    headers = {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "content-type, authorization",
    }
    response = api.options("/api/v1/studies/search", headers=headers)
    assert response.status_code == 200
    assert "DELETE" in response["Access-Control-Allow-Methods"]
    allowed = response["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "authorization"} <= set(allowed)
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize("origin", ["https://evil.example.org", "http://app.example.org", "null"])
def test_other_origins_get_no_cors_headers(api: APIClient, settings: Settings, origin: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    response = api.get("/api/v1/studies", headers={"Origin": origin})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response


def test_errors_carry_cors_headers_too(api: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    response = api.get("/api/v1/nothing", headers={"Origin": "https://app.example.org"})
    assert response["Access-Control-Allow-Origin"] == "https://app.example.org"


@pytest.mark.parametrize("path", ["/admin/login/", "/dashboard", "/api/studies", "/"])
def test_cors_is_limited_to_the_api(api: APIClient, settings: Settings, path: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    response = api.get(path, headers={"Origin": "https://app.example.org"})
    assert "Access-Control-Allow-Origin" not in response
