"""The frame's URLs, and those that the apps register. Errors under /api/ are problem documents."""

from typing import Any

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from tuner_project import extensions
from tuner_project.health import HealthViewSet
from tuner_project.metrics_view import metrics
from tuner_project.rest.schema_view import SchemaView

api: list[Any] = [
    *(path("", include(module)) for module in extensions.API_URLS),
    path("health", HealthViewSet.as_view({"get": "health"})),
    path("ready", HealthViewSet.as_view({"get": "ready"})),
    path("schema", SchemaView.as_view(), name="schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(url_name="schema", throttle_classes=()),
        name="docs",
    ),
]
urlpatterns = [
    path("api/v1/", include(api)),  # first, since most requests are for it
    path("", RedirectView.as_view(pattern_name="docs")),
    path("favicon.ico", RedirectView.as_view(url=static("tuner_project/icon.svg"))),
    # The admin's URLs end in a slash, and APPEND_SLASH would apply to all URLs.
    re_path(
        r"^(?P<page>admin(?:/.*)?)(?<!/)$",
        RedirectView.as_view(
            url="/%(page)s/", query_string=True, http_method_names=["get", "head"]
        ),
    ),
    path("admin/", admin.site.urls),
    path("metrics", metrics),
    *(path("", include(module)) for module in extensions.PAGE_URLS),
]

handler400 = "tuner_project.rest.errors.bad_request"
handler403 = "tuner_project.rest.errors.permission_denied"
handler404 = "tuner_project.rest.errors.page_not_found"
handler500 = "tuner_project.rest.errors.server_error"
