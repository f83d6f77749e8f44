"""What the apps add to the frame, which itself knows none of them.

Each app registers its part in `AppConfig.ready()`. The comment above each list says which module of
the frame reads it: later, when the first request, command or document needs it. A module is
registered by its name, as Django's `include` takes it, and imported no sooner than that.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from rest_framework.serializers import Field

# By the operation that answers and its status: the operations it leads to, with their parameters.
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
CLEANUP_JOBS: list[CleanupJob] = []
METRICS: list[str] = []


def register_api_urls(module: str, *, first: bool = False) -> None:
    """Add a module's URLs under /api/v1/.

    Args:
        module: Its name.
        first: Whether they go before those of the other apps, one of which matches them, too.
    """
    API_URLS.insert(0 if first else len(API_URLS), module)


def register_page_urls(module: str) -> None:
    """Add a module's URLs outside the API, after the frame's own."""
    PAGE_URLS.append(module)


def register_large_body(request: str, setting: str) -> None:
    """Let a request have a body of more than MAX_BODY_BYTES.

    Args:
        request: Its method and path, as in `POST /api/v1/files`.
        setting: The name of the setting that limits it, in bytes.
    """
    LARGE_BODIES[request] = setting


def register_content_policy(pattern: str, policy: Policy) -> None:
    """Set the content security policy of the paths whose beginning matches a regular expression."""
    CONTENT_POLICIES.append((pattern, policy))


def register_openapi_links(links: Links) -> None:
    """Add links from an operation's answer to further operations, which may be another app's."""
    for answer, leads_to in links.items():
        OPENAPI_LINKS.setdefault(answer, {}).update(leads_to)


def register_openapi_hook(hook: OpenApiHook) -> None:
    """Add a postprocessing hook of drf-spectacular, which changes the document."""
    OPENAPI_HOOKS.append(hook)


def register_openapi_enums(**choices: Any) -> None:
    """Name the components of choices: drf-spectacular's ENUM_NAME_OVERRIDES."""
    OPENAPI_ENUMS.update(choices)


def register_problem_members(**fields: "Field[Any, Any, Any, Any]") -> None:
    """Describe the further members that an app's errors give a problem document."""
    PROBLEM_MEMBERS.update(fields)


def register_readiness_check(check: ReadinessCheck) -> None:
    """Add a condition for being ready: a function of a cursor that returns why not, or None."""
    READINESS_CHECKS.append(check)


def register_cleanup_job(job: CleanupJob) -> None:
    """Add a job of `purge`: a function that deletes, and returns what it was and how many."""
    CLEANUP_JOBS.append(job)


def register_metrics(module: str) -> None:
    """Add the module of an app's metrics, which only serving processes import.

    See `observability/metrics.py` for what it may use.
    """
    METRICS.append(module)
