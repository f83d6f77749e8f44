"""The endpoint of the comparison of studies."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api.comparison_serializers import ComparisonSerializer
from analysis.api.query_serializers import ComparisonQuerySerializer
from analysis.comparison import compare
from studies.api.views import StudyViewSet
from studies.errors import StudyNotFound
from studies.models import Study


@extend_schema_view(
    partial_update=extend_schema(exclude=True),
    destroy=extend_schema(exclude=True),
)
class ComparisonViewSet(StudyViewSet):
    """Compare studies at `studies/compare`; other requests address the study of this name."""

    query_serializers: ClassVar[dict[str, Any]] = {"compare": ComparisonQuerySerializer}
    repeatable = frozenset({"names"})

    def is_heavy(self) -> bool:
        return self.action == "compare" and "names" in self.query

    @extend_schema(operation_id="compareStudies", tags=["analysis"], responses=ComparisonSerializer)
    def compare(self, request: Request, study_name: str) -> Response:
        """Compare 2 to 8 studies with the same directions.

        Without `names`, the response is the study whose name is `compare`. Studies are compared by
        the value of their objective, or by the hypervolume of several. Only feasible trials count;
        of a study with repeats, the completed groups. From many trials, the hypervolume is computed
        from those on the front and evenly spaced others. 409 `studies_not_comparable`: their
        directions differ.
        """
        names = self.query.pop("names", None)
        if names is None:
            return self.retrieve(request, study_name)
        only_differing = self.query.pop("rows") == "differing"
        studies = self._named(names)
        found = compare(studies=studies, only_differing=only_differing, **self.query)
        return self.answer(ComparisonSerializer, found)

    def _named(self, names: list[str]) -> list[Study]:
        """Return the studies of these names, in their order; raise `StudyNotFound` for others."""
        found = {study.name: study for study in self.studies().filter(name__in=names)}
        for name in names:
            if name not in found:
                raise StudyNotFound.named(name)
        return [found[name] for name in names]
