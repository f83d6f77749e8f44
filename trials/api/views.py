"""The endpoints of trials."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from trials import domain
from trials.api.management import MANAGEMENT_BODIES, TrialManagement
from trials.api.query_serializers import TrialQuerySerializer
from trials.api.request_serializers import (
    ChangeTrialSerializer,
    CompleteBatchSerializer,
    CompleteSerializer,
    FailSerializer,
    HeartbeatSerializer,
    PruneSerializer,
    ReportSerializer,
    SuggestBatchSerializer,
    SuggestSerializer,
    ToldTrialSerializer,
)
from trials.api.serializers import (
    AnnotatedTrialSerializer,
    OfferSerializer,
    OffersSerializer,
    ResultsSerializer,
    SignsSerializer,
    TrialSerializer,
    VerdictSerializer,
)
from trials.domain import TrialResult
from trials.models import Trial
from trials.queries.pages import list_trials
from tuner_project.errors import DomainError, FieldPath
from tuner_project.rest.errors import validation_problem
from tuner_project.rest.problems import domain_problem
from tuner_project.rest.serializers import EmptySerializer, StrictSerializer

BODIES: dict[str, type[StrictSerializer]] = {
    **MANAGEMENT_BODIES,
    "suggest": SuggestSerializer,
    "suggest_batch": SuggestBatchSerializer,
    "report": ReportSerializer,
    "heartbeat": HeartbeatSerializer,
    "complete": CompleteSerializer,
    "complete_batch": CompleteBatchSerializer,
    "prune": PruneSerializer,
    "fail": FailSerializer,
    "partial_update": ChangeTrialSerializer,
}

# The actions that the scope `worker` allows; the queue and known results need `manage`.
WORK = (
    "suggest",
    "suggest_batch",
    "report",
    "heartbeat",
    "partial_update",
    "complete",
    "complete_batch",
    "prune",
    "fail",
)

NOTHING_NOW = {
    "429": "any other code, no trial can be handed out now",
    "503": "`study_busy`, the study's sampler is busy with other asks",
}

LONG = 200  # a list of more trials is a heavy request

TOLD_TRIAL = ToldTrialSerializer()


@extend_schema(tags=["trials"])
class TrialViewSet(TrialManagement):
    """Ask for trials, report, tell results, and list trials."""

    staff_permission = "trials.view_trial"
    scopes: ClassVar[dict[str, str]] = dict.fromkeys(WORK, "worker")
    query_serializers: ClassVar[dict[str, Any]] = {"list": TrialQuerySerializer}
    problem_causes: ClassVar[dict[str, dict[str, str]]] = {
        "suggest": NOTHING_NOW,
        "suggest_batch": NOTHING_NOW,
    }

    def is_heavy(self) -> bool:
        return self.action == "list" and self.query["limit"] > LONG

    def get_serializer_class(self) -> Any:
        return BODIES.get(self.action or "", EmptySerializer)

    # Ask -------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="suggestTrial", request=SuggestSerializer, responses=OfferSerializer
    )
    def suggest(self, request: Request, study_name: str) -> Response:
        """Ask for a trial: from the queue, or with parameters that the sampler suggests.

        A worker with a `worker_id` that holds a running trial gets that trial again, so that the
        request can be retried. 409 `study_paused`, `study_completed` (with the `reason`) or
        `study_cancelled`: the study hands out no trials. 409 `fixed_values_exhausted`: it avoids
        duplicates, and has no other point with the values in `fixed`. 429 `too_many_running` or
        `budget_in_flight`: try again after `Retry-After` seconds.
        """
        trial = domain.ask(actor=self.actor, named=self.named_study(study_name), **self.body())
        return self.answer(OfferSerializer, trial)

    @extend_schema(
        operation_id="suggestTrials", request=SuggestBatchSerializer, responses=OffersSerializer
    )
    def suggest_batch(self, request: Request, study_name: str) -> Response:
        """Ask for several trials at once.

        Fewer are returned if the budgets leave no more, or if drawing them takes too long.
        """
        trials = domain.ask_many(
            actor=self.actor, named=self.named_study(study_name), **self.body()
        )
        return self.answer(OffersSerializer, {"trials": trials})

    @extend_schema(
        operation_id="reportTrial", request=ReportSerializer, responses=VerdictSerializer
    )
    def report(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Report intermediate values, renew the lease, and get the pruner's decision.

        Repeating an identical request is safe. Of a step that is reported again, the last value
        counts; `replaced` lists such steps.
        """
        named = self.named_study(study_name)
        verdict = domain.report(named=named, number=trial_id, **self.body())
        return self.answer(VerdictSerializer, verdict)

    @extend_schema(
        operation_id="renewLease", request=HeartbeatSerializer, responses=SignsSerializer
    )
    def heartbeat(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Renew the lease of a running trial."""
        named = self.named_study(study_name)
        signs = domain.heartbeat(named=named, number=trial_id, **self.body())
        return self.answer(SignsSerializer, signs)

    @extend_schema(
        operation_id="updateTrial",
        request=ChangeTrialSerializer,
        responses=AnnotatedTrialSerializer,
    )
    def partial_update(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Change a trial's note and links, or add user attributes while it runs.

        The note and links of any trial can be changed, also long after its end.
        """
        named = self.named_study(study_name)
        trial = domain.change_trial(actor=self.actor, named=named, number=trial_id, **self.body())
        return self.answer(AnnotatedTrialSerializer, trial)

    @extend_schema(
        operation_id="completeTrial", request=CompleteSerializer, responses=TrialSerializer
    )
    def complete(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Complete a trial with its values.

        Repeating an identical request is safe; another result is a 409 `trial_finished`. A trial
        whose lease has expired can still be completed until the service fails it, and after that
        while its next attempt waits in the queue, which is then cancelled (`cancelled_retry`).
        Later, the request is a 409 `lease_lost`.
        """
        return self._tell(study_name, trial_id)

    @extend_schema(operation_id="pruneTrial", request=PruneSerializer, responses=TrialSerializer)
    def prune(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Prune a trial: it was stopped early. Its value is its last intermediate value."""
        return self._tell(study_name, trial_id)

    @extend_schema(operation_id="failTrial", request=FailSerializer, responses=TrialSerializer)
    def fail(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Fail a trial. With `retry` its parameters are queued again, or see `retry_refused`."""
        return self._tell(study_name, trial_id)

    def _tell(self, study_name: str, trial_id: int) -> Response:
        named = self.named_study(study_name)
        trial = domain.tell(actor=self.actor, named=named, number=trial_id, **self.body())
        return self.answer(TrialSerializer, trial)

    @extend_schema(
        operation_id="completeTrials", request=CompleteBatchSerializer, responses=ResultsSerializer
    )
    def complete_batch(self, request: Request, study_name: str) -> Response:
        """Complete, prune or fail several trials; each item succeeds or fails on its own.

        An item has the keys of `complete`, `prune` or `fail`, and a `trial_id` and a `state`.
        """
        read = [_read(item, ("trials", i)) for i, item in enumerate(self.body()["trials"])]
        results = [each for each in read if isinstance(each, tuple)]
        named = self.named_study(study_name)
        told = iter(domain.tell_many(actor=self.actor, named=named, results=results))
        answers = [
            self._result(("trials", i), each[0], next(told)) if isinstance(each, tuple) else each
            for i, each in enumerate(read)
        ]
        return Response({"results": answers})

    def _result(self, at: FieldPath, number: int, result: Trial | DomainError) -> dict[str, Any]:
        if isinstance(result, DomainError):
            problem = domain_problem(result, at)
            return {"trial_id": number, "status": result.status, "error": problem}
        trial = self.answer(TrialSerializer, result).data
        return {"trial_id": number, "status": 200, "trial": trial}

    # Reading ---------------------------------------------------------------------------------

    @extend_schema(operation_id="listTrials", responses=TrialSerializer(many=True))
    def list(self, request: Request, study_name: str) -> Response:
        """List the trials, by number or in the order of `order_by`.

        `user_attr.KEY=TEXT` returns only trials with this user attribute; a number or a boolean is
        written as in JSON. `user_attr.KEY={"min": 0.9}` returns those in a range of numbers, both
        ends included. `constraint.NAME` takes a number or a range. An attribute that no trial has
        matches none; a constraint that the study does not have is a 400.

        `Link` has the other pages, and `X-Total-Count` the number of trials on all pages.
        """
        page = list_trials(study=self.named_study(study_name).one(), **self.query)
        if page.is_plain:
            return self.answer_page(TrialSerializer, page.trials, page.total)
        return self.answer_cursor_page(TrialSerializer, page.trials, page.total, page.cursor)

    @extend_schema(operation_id="getTrial", responses=AnnotatedTrialSerializer)
    def retrieve(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Get a trial, with its note and links."""
        trial = domain.read_annotated(named=self.named_study(study_name), number=trial_id)
        return self.answer(AnnotatedTrialSerializer, trial)


def _read(item: Any, at: FieldPath) -> tuple[int, TrialResult] | dict[str, Any]:
    """Validate one item of a batch; if it is malformed, return its entry in the response."""
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
