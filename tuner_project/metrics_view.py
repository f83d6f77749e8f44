"""The view of `/metrics`."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tuner_project.rest.problems import problem_response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics to clients with METRICS_TOKEN; if it is unset, to all if the API is open.

    The API is open if AUTH_REQUIRED is false.
    """
    if (refused := _refusal(request)) is not None:
        response = problem_response(401, "not_authenticated", refused)
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    # Imported here because gunicorn's master, which imports the URLs, must not: see metrics.py.
    from tuner_project.observability.scrape import CONTENT_TYPE, scrape

    return HttpResponse(scrape(), content_type=CONTENT_TYPE)


def _refusal(request: HttpRequest) -> str | None:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return None
        return "send METRICS_TOKEN as Authorization: Bearer …"
    if settings.AUTH_REQUIRED:
        return "the metrics are closed: set METRICS_TOKEN, and send it as Authorization: Bearer …"
    return None
