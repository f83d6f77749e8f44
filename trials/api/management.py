"""The endpoints for those who manage a study's trials: the queue, known results, retries."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from studies.api.views import StudyScope
from trials import domain
from trials.api.request_serializers import (
    FailRunningSerializer,
    InvalidateSerializer,
    NewTrialSerializer,
    RetryFailedSerializer,
    read_new_trials,
)
from trials.api.serializers import (
    FailedTrialsSerializer,
    RetriedTrialsSerializer,
    TrialSerializer,
    one_or_many,
)
from tuner_project.rest.serializers import StrictSerializer

MANAGEMENT_BODIES: dict[str, type[StrictSerializer]] = {
    "create": NewTrialSerializer,
    "fail_running": FailRunningSerializer,
    "invalidate": InvalidateSerializer,
    "retry_failed": RetryFailedSerializer,
}


class TrialManagement(StudyScope):
    """Add trials, cancel queued ones, and end or retry others; the scope is `manage`."""

    @extend_schema(
        operation_id="addTrials",
        request=one_or_many("NewTrials", NewTrialSerializer),
        responses={201: one_or_many("AddedTrials", TrialSerializer)},
    )
    def create(self, request: Request, study_name: str) -> Response:
        """Queue a trial, or record a finished one; a list of trials is added whole or not at all.

        A queued trial is handed out before new ones are drawn; parameters that its `params` leave
        out are suggested then. A finished trial has the `state` COMPLETE, PRUNED or FAIL and all
        parameters, and samplers learn from it. Values are checked against the search space.
        """
        new = read_new_trials(self.request.data)
        trials = domain.add_trials(actor=self.actor, named=self.named_study(study_name), new=new)
        if isinstance(self.request.data, list):
            return self.answer_list(TrialSerializer, trials, status=201)
        return self.answer(TrialSerializer, trials[0], status=201)

    @extend_schema(operation_id="cancelTrial", responses={200: TrialSerializer})
    def destroy(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Cancel a WAITING trial: it becomes FAIL."""
        self.body()
        trial = domain.cancel_trial(
            actor=self.actor, named=self.named_study(study_name), number=trial_id
        )
        return self.answer(TrialSerializer, trial)

    @extend_schema(
        operation_id="failRunningTrials",
        request=FailRunningSerializer,
        responses=FailedTrialsSerializer,
    )
    def fail_running(self, request: Request, study_name: str) -> Response:
        """Fail the running trials whose workers have been silent for long, as if they had failed.

        Trials with a lease end by themselves; this is for those without.
        """
        named = self.named_study(study_name)
        trials = domain.fail_running_trials(actor=self.actor, named=named, **self.body())
        return self.answer(FailedTrialsSerializer, {"trials": trials})

    @extend_schema(operation_id="retryTrial", request=None, responses=TrialSerializer)
    def retry(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Queue a failed trial again, whatever `max_retries` is; `retried_as` is the next attempt.

        A completed study becomes ACTIVE, or the answer is a 409 `study_completed` if a budget
        leaves no room. Repeating the request is safe.
        """
        self.body()
        trial = domain.retry_trial(
            actor=self.actor, named=self.named_study(study_name), number=trial_id
        )
        return self.answer(TrialSerializer, trial)

    @extend_schema(
        operation_id="invalidateTrial", request=InvalidateSerializer, responses=TrialSerializer
    )
    def invalidate(self, request: Request, study_name: str, trial_id: int) -> Response:
        """Invalidate the result of a COMPLETE or PRUNED trial, which turned out to be wrong.

        It becomes FAIL and loses its values: samplers forget it, and the best trial, the Pareto
        front and the counters do without it. The study's state stays as it is. The trial can be
        retried. Repeating the request is safe.
        """
        trial = domain.invalidate_trial(
            actor=self.actor, named=self.named_study(study_name), number=trial_id, **self.body()
        )
        return self.answer(TrialSerializer, trial)

    @extend_schema(
        operation_id="retryFailedTrials",
        request=RetryFailedSerializer,
        responses=RetriedTrialsSerializer,
    )
    def retry_failed(self, request: Request, study_name: str) -> Response:
        """Queue the failed trials that were not retried again, as `retry` does for one."""
        named = self.named_study(study_name)
        retried = domain.retry_failed_trials(actor=self.actor, named=named, **self.body())
        return self.answer(RetriedTrialsSerializer, retried)
