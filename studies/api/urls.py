"""Routes of studies."""

from django.urls import path

import studies.api.path_converters  # noqa: F401  (registers study_name)
from studies.api.sharing.share_views import ShareViewSet
from studies.api.views import StudyViewSet
from studies.domain.lifecycle import ACTIONS

urlpatterns = [
    path("studies", StudyViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "studies/<study_name:study_name>",
        StudyViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="study",
    ),
    path(
        "studies/<study_name:study_name>/search-space-versions",
        StudyViewSet.as_view({"get": "search_space_versions"}),
    ),
    path(
        "studies/<study_name:study_name>/shares",
        ShareViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path(
        "studies/<study_name:study_name>/shares/<int:share_id>",
        ShareViewSet.as_view({"delete": "destroy"}),
    ),
    *(
        path(f"studies/<study_name:study_name>/{action}", StudyViewSet.as_view({"post": action}))
        for action in ACTIONS.values()
    ),
]
