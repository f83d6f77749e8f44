"""Routes of the analyses; they precede those of studies, which also match `compare`."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

import studies.api.path_converters  # noqa: F401  (registers study_name)
from analysis.api.comparison_views import ComparisonViewSet
from analysis.api.views import AnalysisViewSet
from analysis.plots.catalogue import KINDS


class PlotKindConverter(StringConverter):
    """A kind of plot."""

    regex = "|".join(KINDS)


register_converter(PlotKindConverter, "plot_kind")

_STUDY = "studies/<study_name:study_name>"
_ANSWERS = ("best", "pareto", "importance", "history", "hypervolume", "progress", "advice")

urlpatterns = [
    path(
        "studies/compare",
        ComparisonViewSet.as_view(
            {"get": "compare", "patch": "partial_update", "delete": "destroy"}
        ),
        {"study_name": "compare"},
        name="studies-compare",
    ),
    *(path(f"{_STUDY}/{each}", AnalysisViewSet.as_view({"get": each})) for each in _ANSWERS),
    path(f"{_STUDY}/plots/<plot_kind:kind>", AnalysisViewSet.as_view({"get": "plot"})),
]
