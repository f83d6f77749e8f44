"""The paths of the dashboard's script; the service's own are /api/v1/, /admin/ and /static/."""

from django.urls import path, re_path

from console.dashboard.views import (
    CSVView,
    DataView,
    MetaView,
    PageView,
    StudiesView,
    StudyView,
    TrialsView,
)

urlpatterns = [
    path("dashboard", PageView.as_view(), name="dashboard"),
    path("dashboard/studies/<int:study_id>", PageView.as_view(), name="dashboard-study"),
    re_path(r"^dashboard/.*$", PageView.as_view()),
    path("api/meta", MetaView.as_view()),
    path("api/studies", StudiesView.as_view()),
    path("api/studies/<int:study_id>", StudyView.as_view()),
    path("api/studies/<int:study_id>/param_importances", TrialsView.as_view()),
    path("csv/<int:study_id>", CSVView.as_view()),
    re_path(
        r"^(?:api/(?:meta|studies|trials|artifacts|llm)|csv|artifacts)(?:/.*)?$",
        DataView.as_view(),
    ),
]
