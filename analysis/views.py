"""The endpoints that answer about a study."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from analysis import domain
from analysis.serializers import (
    BestSerializer,
    ImportanceQuerySerializer,
    ImportanceSerializer,
    ParetoTrialSerializer,
)
from studies.views import StudyScope
from tuner_project.rest.serializers import EmptySerializer
from tuner_project.rest.views import ApiViewSet


@extend_schema(tags=["analysis"])
class AnalysisViewSet(StudyScope, ApiViewSet):
    """What came out."""

    serializer_class = EmptySerializer
    query_serializers: ClassVar[dict[str, Any]] = {"importance": ImportanceQuerySerializer}

    @extend_schema(operation_id="getBestTrial", responses=BestSerializer)
    def best(self, request: Request, study_name: str) -> Response:
        """The best trial; for several objectives the first of the Pareto front by number.

        Under constraints it is the best of the feasible ones; while there is none, a 404
        `no_feasible_trial` names the one that is `least_violating`.
        """
        study = self.named_study(study_name).one()
        return self.answer(BestSerializer, domain.best(study=study))

    @extend_schema(operation_id="listParetoFront", responses=ParetoTrialSerializer(many=True))
    def pareto(self, request: Request, study_name: str) -> Response:
        """The Pareto front by number."""
        study = self.named_study(study_name).one()
        front = domain.pareto_front(study=study)
        return self.answer_list(ParetoTrialSerializer, front)

    @extend_schema(operation_id="getImportance", responses=ImportanceSerializer)
    def importance(self, request: Request, study_name: str) -> Response:
        """How much each parameter matters for one objective."""
        study = self.named_study(study_name).one()
        found = domain.importance(study=study, **self.query)
        return self.answer(ImportanceSerializer, found)
