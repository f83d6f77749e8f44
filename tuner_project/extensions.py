"""Registries through which the apps extend the frame, which imports none of them.

Each app registers its parts in `AppConfig.ready()`. The comment above each registry names the
modules of the frame that read it, which they do only when a request, a command or the OpenAPI
document needs it. A module is registered by its dotted name, as for Django's `include`, and is not
imported before that.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from rest_framework.serializers import Field

# From (operation, response status) to the operations that the response links to, each with its
# parameters.
Links = Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]]
Policy = Mapping[str, list[str]]
OpenApiHook = Callable[..., dict[str, Any]]
ReadinessCheck = Callable[["psycopg.Cursor[Any]"], str | None]
CleanupJob = Callable[[], tuple[str, int]]

# URLs: urls.py.
API_URLS: list[str] = []
PAGE_URLS: list[str] = []
# Requests: rest/middleware.py, security/content_policy.py.
LARGE_BODIES: dict[str, str] = {}
CONTENT_POLICIES: list[tuple[str, Policy]] = []
# The OpenAPI document: rest/openapi.py, rest/openapi_links.py, rest/serializers.py, settings.py.
OPENAPI_LINKS: dict[tuple[str, str], dict[str, Mapping[str, str]]] = {}
OPENAPI_HOOKS: list[OpenApiHook] = []
OPENAPI_ENUMS: dict[str, Any] = {}
PROBLEM_MEMBERS: dict[str, "Field[Any, Any, Any, Any]"] = {}
# Operations: health.py, cleanup.py, observability/metrics.py.
READINESS_CHECKS: list[ReadinessCheck] = []
UNAVAILABLE: list[Callable[[], Mapping[str, str]]] = []
CLEANUP_JOBS: list[CleanupJob] = []
METRICS: list[str] = []
# serving/background.py.
BACKGROUND_COMMANDS: list[tuple[str, float]] = []


def register_api_urls(module: str, *, first: bool = False) -> None:
    """Add a module's URLs under /api/v1/.

    Args:
        module: The module's dotted name.
        first: Put them before those of the other apps, if a pattern there matches them, too.
    """
    API_URLS.insert(0 if first else len(API_URLS), module)


def register_optional_parts(unavailable: Callable[[], Mapping[str, str]]) -> None:
    """Add what /health answers of optional parts: a function from nothing to name and reason."""
    UNAVAILABLE.append(unavailable)


def register_page_urls(module: str) -> None:
    """Add a module's URLs outside the API, after the frame's own."""
    PAGE_URLS.append(module)


def register_large_body(request: str, setting: str) -> None:
    """Allow a request to have a body larger than MAX_BODY_BYTES.

    Args:
        request: Its method and path, as in `POST /api/v1/files`.
        setting: The name of the setting with its limit in bytes.
    """
    LARGE_BODIES[request] = setting


def register_content_policy(pattern: str, policy: Policy) -> None:
    """Set the content security policy of the paths that a regular expression matches (`match`)."""
    CONTENT_POLICIES.append((pattern, policy))


def register_openapi_links(links: Links) -> None:
    """Add links from an operation's response to other operations, also those of other apps."""
    for answer, leads_to in links.items():
        OPENAPI_LINKS.setdefault(answer, {}).update(leads_to)


def register_openapi_hook(hook: OpenApiHook) -> None:
    """Add a postprocessing hook of drf-spectacular, which changes the OpenAPI document."""
    OPENAPI_HOOKS.append(hook)


def register_openapi_enums(**choices: Any) -> None:
    """Name the OpenAPI components of enums (drf-spectacular's ENUM_NAME_OVERRIDES)."""
    OPENAPI_ENUMS.update(choices)


def register_problem_members(**fields: "Field[Any, Any, Any, Any]") -> None:
    """Add serializer fields for the members that an app's errors add to a problem document."""
    PROBLEM_MEMBERS.update(fields)


def register_readiness_check(check: ReadinessCheck) -> None:
    """Add a readiness check: a function of a cursor that returns why it failed, or None."""
    READINESS_CHECKS.append(check)


def register_cleanup_job(job: CleanupJob) -> None:
    """Add a job of `purge`: a function that deletes rows and returns their kind and number."""
    CLEANUP_JOBS.append(job)


def register_metrics(module: str) -> None:
    """Add a module that defines an app's metrics, which only serving processes import.

    It uses the registries in `observability/metrics.py`.
    """
    METRICS.append(module)


def register_background_command(name: str, *, every: float) -> None:
    """Add a management command that `serve` runs beside the web server.

    Args:
        name: The command, which has the options `--every` and `--parent` (`repetition.py`).
        every: The seconds between two runs.
    """
    BACKGROUND_COMMANDS.append((name, every))
