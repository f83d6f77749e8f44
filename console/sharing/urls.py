"""The paths of shared studies."""

from django.urls import path

from console.sharing.views import SharedStudyViewSet, share

urlpatterns = [
    path("share", share, name="share"),
    path("share/study", SharedStudyViewSet.as_view({"get": "page"}), name="shared-study"),
]
