"""The endpoints of trials."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from studies.api.views import StudyScope
from trials import domain
from trials.api.query_serializers import TrialQuerySerializer
from trials.api.request_serializers import (
    CompleteBatchSerializer,
    CompleteSerializer,
    FailSerializer,
    NewTrialSerializer,
    PruneSerializer,
    ReportSerializer,
    SuggestBatchSerializer,
    SuggestSerializer,
    ToldTrialSerializer,
    read_new_trials,
)
from trials.api.serializers import (
    OfferSerializer,
    OffersSerializer,
    ResultsSerializer,
    SignsSerializer,
    TrialSerializer,
    VerdictSerializer,
    one_or_many,
)
from trials.domain import TrialResult
from trials.models import Trial
from trials.queries.pages import list_trials
from tuner_project.rest.errors import validation_problem
from tuner_project.rest.problems import DomainError
from tuner_project.rest.serializers import EmptySerializer, StrictSerializer

BODIES: dict[str, type[StrictSerializer]] = {
    "suggest": SuggestSerializer,
    "suggest_batch": SuggestBatchSerializer,
    "report": ReportSerializer,
    "complete": CompleteSerializer,
    "complete_batch": CompleteBatchSerializer,
    "prune": PruneSerializer,
    "fail": FailSerializer,
    "create": NewTrialSerializer,
}

# What a worker does; the queue, and known results, are its owner's.
WORK = (
    "suggest",
    "suggest_batch",
    "report",
    "heartbeat",
    "complete",
    "complete_batch",
    "prune",
    "fail",
)

TOLD_TRIAL = ToldTrialSerializer()


@extend_schema(tags=["trials"])
class TrialViewSet(StudyScope):
    """Ask and tell."""

    staff_permission = "trials.view_trial"
    scopes: ClassVar[dict[str, str]] = dict.fromkeys(WORK, "worker")
    query_serializers: ClassVar[dict[str, Any]] = {"list": TrialQuerySerializer}

    def get_serializer_class(self) -> Any:
        return BODIES.get(self.action or "", EmptySerializer)

    # Ask -------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="suggestTrial", request=SuggestSerializer, responses=OfferSerializer
    )
    def suggest(self, request: Request, study_name: str) -> Response:
        """Ask for a trial: one from the queue, or with parameters that the sampler suggests.

        A `worker_id` gets the running trial back that it holds, so that a request that is not
        sure to have arrived can be sent again. 409 `study_paused`, `study_completed` (with the
        `reason`) or `study_cancelled`: there are no more; 429 `too_many_running` or
        `budget_in_flight`: ask again in a moment.
        """
        trial = domain.ask(actor=self.actor, named=self.named_study(study_name), **self.body())
        return self.answer(OfferSerializer, trial)

    @extend_schema(
        operation_id="suggestTrials", request=SuggestBatchSerializer, responses=OffersSerializer
    )
    def suggest_batch(self, request: Request, study_name: str) -> Response:
        """Ask for several trials at once; fewer where the budgets leave no more."""
        trials = domain.ask_many(
            actor=self.actor, named=self.named_study(study_name), **self.body()
        )
        return self.answer(OffersSerializer, {"trials": trials})

    # Signs of life ---------------------------------------------------------------------------

    @extend_schema(
        operation_id="reportTrial", request=ReportSerializer, responses=VerdictSerializer
    )
    def report(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Report intermediate values, renew the lease, and hear what the pruner says.

        The same values again are harmless; another value of a step is a 409 `step_conflict`.
        """
        named = self.named_study(study_name)
        verdict = domain.report(named=named, number=trial_id, **self.body())
        return self.answer(VerdictSerializer, verdict)

    @extend_schema(operation_id="renewLease", request=None, responses=SignsSerializer)
    def heartbeat(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Renew the lease of a running trial."""
        self.body()
        signs = domain.heartbeat(named=self.named_study(study_name), number=trial_id)
        return self.answer(SignsSerializer, signs)

    # Tell ------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="completeTrial", request=CompleteSerializer, responses=TrialSerializer
    )
    def complete(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Tell: the trial came to these values.

        The same outcome again is harmless; another one is a 409 `trial_finished`. After its lease
        has run out a trial may be told until it is ended for that; then it is a 409 `lease_lost`.
        """
        return self._tell(study_name, trial_id)

    @extend_schema(operation_id="pruneTrial", request=PruneSerializer, responses=TrialSerializer)
    def prune(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Tell: the trial was stopped early. Its value is its last intermediate value."""
        return self._tell(study_name, trial_id)

    @extend_schema(operation_id="failTrial", request=FailSerializer, responses=TrialSerializer)
    def fail(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Tell: the trial failed. With `retry` its parameters are queued again."""
        return self._tell(study_name, trial_id)

    def _tell(self, study_name: str, trial_id: int) -> Response:
        named = self.named_study(study_name)
        trial = domain.tell(actor=self.actor, named=named, number=trial_id, **self.body())
        return self.answer(TrialSerializer, trial)

    @extend_schema(
        operation_id="completeTrials", request=CompleteBatchSerializer, responses=ResultsSerializer
    )
    def complete_batch(self, request: Request, study_name: str) -> Response:
        """Tell how several trials ended, each decided on its own.

        An item is as the bodies of `complete`, `prune` and `fail`, with its `trial_id` and `state`.
        """
        read = [_read(item, f"/trials/{i}") for i, item in enumerate(self.body()["trials"])]
        outcomes = [each for each in read if isinstance(each, tuple)]
        told = domain.tell_many(
            actor=self.actor, named=self.named_study(study_name), outcomes=outcomes
        )
        results = iter(told)
        return Response(
            {
                "results": [
                    self._result(f"/trials/{i}", each[0], next(results))
                    if isinstance(each, tuple)
                    else each
                    for i, each in enumerate(read)
                ]
            }
        )

    def _result(self, at: str, number: int, result: Trial | DomainError) -> dict[str, Any]:
        if isinstance(result, DomainError):
            return {"trial_id": number, "status": result.status, "error": result.document(at)}
        trial = self.answer(TrialSerializer, result).data
        return {"trial_id": number, "status": 200, "trial": trial}

    # The queue, and known results ------------------------------------------------------------

    @extend_schema(
        operation_id="addTrials",
        request=one_or_many("NewTrials", NewTrialSerializer),
        responses={201: one_or_many("AddedTrials", TrialSerializer)},
    )
    def create(self, request: Request, study_name: str) -> Response:
        """Queue a trial, or record one that is finished already; a list of them, all or none.

        A queued trial is handed out before new ones are drawn; what its `params` leave out is then
        suggested. A finished one has a `state` of COMPLETE, PRUNED or FAIL and all parameters, and
        samplers learn from it. Every value is checked against the search space.
        """
        new = read_new_trials(self.request.data)
        trials = domain.add_trials(actor=self.actor, named=self.named_study(study_name), new=new)
        if isinstance(self.request.data, list):
            return self.answer_list(TrialSerializer, trials, status=201)
        return self.answer(TrialSerializer, trials[0], status=201)

    @extend_schema(operation_id="cancelTrial", responses={200: TrialSerializer})
    def destroy(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Cancel a WAITING trial: it ends as FAIL, and is answered."""
        self.body()
        trial = domain.cancel_trial(
            actor=self.actor, named=self.named_study(study_name), number=trial_id
        )
        return self.answer(TrialSerializer, trial)

    # Reading ---------------------------------------------------------------------------------

    @extend_schema(operation_id="listTrials", responses=TrialSerializer(many=True))
    def list(self, request: Request, study_name: str) -> Response:
        """The trials, by number or as `order_by` says.

        `Link` leads to the other pages, and `X-Total-Count` counts the trials on all of them.
        """
        page = list_trials(study=self.named_study(study_name).one(), **self.query)
        if page.is_plain:
            return self.answer_page(TrialSerializer, page.trials, page.total)
        return self.answer_cursor_page(TrialSerializer, page.trials, page.total, page.cursor)

    @extend_schema(operation_id="getTrial", responses=TrialSerializer)
    def retrieve(self, request: Request, study_name: str, trial_id: int) -> Response:
        """One trial."""
        study = self.named_study(study_name).one()
        trial = Trial.objects.get_by_number(study, trial_id)
        return self.answer(TrialSerializer, trial)


def _read(item: Any, at: str) -> tuple[int, TrialResult] | dict[str, Any]:
    """One of the outcomes told together, or its result where it is malformed."""
    try:
        return TOLD_TRIAL.run_validation(item)["told"]
    except ValidationError as error:
        number = item.get("trial_id") if isinstance(item, dict) else None
        is_number = isinstance(number, int) and not isinstance(number, bool)
        return {
            "trial_id": number if is_number else None,
            "status": error.status_code,
            "error": validation_problem(error, at),
        }
