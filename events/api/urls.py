"""Routes of events and webhooks."""

from django.urls import path

import events.api.path_converters  # noqa: F401  (registers webhook_id)
import studies.api.path_converters  # noqa: F401  (registers study_name)
from events.api.views import EventViewSet, WebhookViewSet

_WEBHOOK = "webhooks/<webhook_id:webhook_id>"

urlpatterns = [
    path("studies/<study_name:study_name>/events", EventViewSet.as_view({"get": "list"})),
    path("webhooks", WebhookViewSet.as_view({"get": "list", "post": "create"})),
    path(
        _WEBHOOK,
        WebhookViewSet.as_view(
            {
                "get": "retrieve",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path(f"{_WEBHOOK}/rotate-secret", WebhookViewSet.as_view({"post": "rotate"})),
    path(f"{_WEBHOOK}/ping", WebhookViewSet.as_view({"post": "ping"})),
]
