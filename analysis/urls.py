from django.urls import path

from analysis.views import AnalysisViewSet
from tuner_project.rest import paths  # noqa: F401  (registers the converters)

_STUDY = "studies/<study_name:study_name>"

urlpatterns = [
    path(f"{_STUDY}/best", AnalysisViewSet.as_view({"get": "best"})),
    path(f"{_STUDY}/pareto", AnalysisViewSet.as_view({"get": "pareto"})),
    path(f"{_STUDY}/importance", AnalysisViewSet.as_view({"get": "importance"})),
]
