"""The endpoints of the analyses."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.advice import advice
from analysis.api.query_serializers import (
    HistoryQuerySerializer,
    HypervolumeQuerySerializer,
    ImportanceQuerySerializer,
    PlotQuerySerializer,
)
from analysis.api.serializers import (
    AdviceSerializer,
    BestSerializer,
    HypervolumeSerializer,
    ImportanceSerializer,
    OptimizationHistorySerializer,
    ParetoTrialSerializer,
    ProgressSerializer,
)
from analysis.best import best, pareto_front
from analysis.hypervolume import hypervolume_of
from analysis.importance import importance_of
from analysis.optimization_history import optimization_history
from analysis.plots import catalogue
from analysis.plots.drawing import PlotRequest
from analysis.plots.rendering import FORMATS, accepted_format
from analysis.progress import progress
from studies.api.views import StudyScope
from tuner_project.rest.problems import PROBLEM_JSON
from tuner_project.rest.serializers import (
    EmptySerializer,
    LongPageQuerySerializer,
    ProblemSerializer,
)
from tuner_project.security.content_policy import policy_of_figure


@extend_schema(tags=["analysis"])
class AnalysisViewSet(StudyScope):
    """Analyses of a study's results."""

    serializer_class = EmptySerializer
    shared = frozenset({"progress", "best", "advice", "plot"})  # what the study's page shows
    heavy = frozenset({"pareto", "importance", "history", "hypervolume", "plot", "advice"})
    query_serializers: ClassVar[dict[str, Any]] = {
        "pareto": LongPageQuerySerializer,
        "importance": ImportanceQuerySerializer,
        "history": HistoryQuerySerializer,
        "hypervolume": HypervolumeQuerySerializer,
        "plot": PlotQuerySerializer,
    }

    @extend_schema(operation_id="getBestTrial", responses=BestSerializer)
    def best(self, request: Request, study_name: str) -> Response:
        """Get the best trial; for several objectives the first of the Pareto front by number.

        With constraints it is the best feasible trial; while there is none, a 404
        `no_feasible_trial` names the trial that is `least_violating`.
        """
        study = self.named_study(study_name).one()
        return self.answer(BestSerializer, best(study=study))

    @extend_schema(operation_id="listParetoFront", responses=ParetoTrialSerializer(many=True))
    def pareto(self, request: Request, study_name: str) -> Response:
        """List the trials on the Pareto front, by number."""
        study = self.named_study(study_name).one()
        front = pareto_front(study=study)
        limit, offset = self.query["limit"], self.query["offset"]
        page = front[offset : offset + limit]
        return self.answer_page(ParetoTrialSerializer, page, front.count())

    @extend_schema(operation_id="getImportance", responses=ImportanceSerializer)
    def importance(self, request: Request, study_name: str) -> Response:
        """Get the importance of each parameter for one objective, or for the Pareto front.

        The result is cached until the next trial is finished. To take only seconds, it is computed
        from evenly spaced trials: at most 300 by fanova, 4,000 by mean_decrease_impurity, 10,000
        by ped_anova, 2,000 for the front, and fewer if there are many parameters. fanova does not
        accept parameters with more than 6 choices.
        """
        study = self.named_study(study_name).one()
        return self.answer(ImportanceSerializer, importance_of(study=study, **self.query))

    @extend_schema(operation_id="getHistory", responses=OptimizationHistorySerializer)
    def history(self, request: Request, study_name: str) -> Response:
        """Get the completed trials by number, each with the best value so far.

        If there are more than `limit`, trials that were better than all before are preferred,
        and the others are evenly spaced.
        """
        study = self.named_study(study_name).one()
        found = optimization_history(study=study, **self.query)
        return self.answer(OptimizationHistorySerializer, found)

    @extend_schema(operation_id="getHypervolume", responses=HypervolumeSerializer)
    def hypervolume(self, request: Request, study_name: str) -> Response:
        """Get the hypervolume that the Pareto front dominates, over time.

        Its cost grows steeply with the number of objectives. From many trials, those on the front
        and evenly spaced others are used, which yields a lower bound: at most 2,000 for two
        objectives, 400 for three, 100 for four, 60 for five, 40 for six, 20 for more.
        """
        study = self.named_study(study_name).one()
        return self.answer(HypervolumeSerializer, hypervolume_of(study=study, **self.query))

    @extend_schema(operation_id="getProgress", responses=ProgressSerializer)
    def progress(self, request: Request, study_name: str) -> Response:
        """Get the study's progress: counts, rate, expected end, running trials and failures."""
        study = self.named_study(study_name).one()
        return self.answer(ProgressSerializer, progress(study=study))

    @extend_schema(operation_id="getAdvice", responses=AdviceSerializer(many=True))
    def advice(self, request: Request, study_name: str) -> Response:
        """Get advice on the study in words, the most urgent first; the list is often empty."""
        study = self.named_study(study_name).one()
        return self.answer_list(AdviceSerializer, advice(study=study))

    @extend_schema(
        operation_id="getPlot",
        parameters=[
            OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(catalogue.KINDS)),
        ],
        responses={
            (200, FORMATS["json"].media_type): OpenApiTypes.OBJECT,
            (200, FORMATS["html"].media_type): OpenApiTypes.STR,
            (200, FORMATS["png"].media_type): OpenApiTypes.BINARY,
            (200, FORMATS["svg"].media_type): OpenApiTypes.STR,
            (406, PROBLEM_JSON): OpenApiResponse(
                ProblemSerializer,
                "The service's machine has neither Chrome nor Chromium to draw an image.",
            ),
        },
    )
    def plot(self, request: Request, study_name: str, kind: str) -> HttpResponse:
        """Get one of Optuna's plots as a Plotly figure: JSON, a page, or an image.

        The subtitle states what a plot of a large study leaves out. PNG and SVG are drawn by Chrome
        or Chromium on the service's machine; without it the response is a 406.
        """
        study = self.named_study(study_name).one()
        named = self.query.pop("format", None)
        chosen = FORMATS[named or accepted_format(request._request)]
        figure = catalogue.draw(kind=kind, request=PlotRequest(study=study, **self.query))
        content = chosen.render(figure)
        answer = HttpResponse(content, content_type=chosen.media_type)
        if chosen.is_document:
            answer["Content-Security-Policy"] = policy_of_figure(content)
        return answer
