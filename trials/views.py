"""The endpoints of trials."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from studies.views import StudyScope
from trials import domain
from trials.domain import Outcome
from trials.models import State, Trial
from trials.serializers import (
    CompleteSerializer,
    SuggestionSerializer,
    TrialQuerySerializer,
    TrialSerializer,
)
from tuner_project.rest.serializers import EmptySerializer
from tuner_project.rest.views import ApiViewSet


@extend_schema(tags=["trials"])
class TrialViewSet(StudyScope, ApiViewSet):
    """Ask and tell."""

    serializer_class = EmptySerializer
    query_serializers: ClassVar[dict[str, Any]] = {"list": TrialQuerySerializer}

    def get_serializer_class(self) -> Any:
        return CompleteSerializer if self.action == "complete" else EmptySerializer

    @extend_schema(operation_id="suggestTrial", request=None, responses=SuggestionSerializer)
    def suggest(self, request: Request, study_name: str) -> Response:
        """Ask: start a trial with parameters that the study's sampler suggests."""
        self.body()
        trial = domain.ask(named=self.named_study(study_name))
        return self.answer(SuggestionSerializer, trial)

    @extend_schema(
        operation_id="completeTrial", request=CompleteSerializer, responses=TrialSerializer
    )
    def complete(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Tell: the trial came to these values.

        The same outcome again is harmless; another one is a 409 `trial_finished`.
        """
        named = self.named_study(study_name)
        trial = domain.tell(named=named, number=trial_id, **self.body())
        return self.answer(TrialSerializer, trial)

    @extend_schema(operation_id="pruneTrial", request=None, responses=TrialSerializer)
    def prune(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Tell: the trial was stopped early. Its value is its last intermediate value."""
        self.body()
        outcome = Outcome(state=State.PRUNED)
        named = self.named_study(study_name)
        trial = domain.tell(named=named, number=trial_id, outcome=outcome)
        return self.answer(TrialSerializer, trial)

    @extend_schema(operation_id="listTrials", responses=TrialSerializer(many=True))
    def list(self, request: Request, study_name: str) -> Response:
        """The trials by number."""
        study = self.named_study(study_name).one()
        limit, offset, state = (self.query.get(key) for key in ("limit", "offset", "state"))
        trials = study.trials.page(limit=limit, offset=offset, state=state)
        total = study.trial_counts[state] if state else study.n_trials
        return self.answer_page(TrialSerializer, trials, total)

    @extend_schema(operation_id="getTrial", responses=TrialSerializer)
    def retrieve(self, request: Request, study_name: str, trial_id: int) -> Response:
        """One trial."""
        study = self.named_study(study_name).one()
        trial = Trial.objects.numbered(study, trial_id)
        return self.answer(TrialSerializer, trial)
