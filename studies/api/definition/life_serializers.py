"""Budgets, retries and leases in requests, and the budget that is an object in answers."""

from typing import Any

from rest_framework import serializers

from studies.api.definition.fields import MAX_OBJECTIVES, LeaseSecondsField
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import (
    StrictBooleanField,
    StrictDateTimeField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
)

MAX_COUNT = 2**31 - 1
_TRIALS = "The finished trials in a row without an improvement that complete the study."
_MIN_DELTA = "An improvement is larger than this. Default: 0."
_REFERENCE_POINT = (
    "Of several objectives, which need it: the worst values that matter, one for each objective, "
    "up to which the hypervolume is measured."
)


class NoImprovementSerializer(StrictSerializer):
    """The budget of trials without an improvement, in a request; it is replaced as a whole."""

    trials = StrictIntegerField(min_value=1, max_value=MAX_COUNT, help_text=_TRIALS)
    min_delta = StrictFloatField(required=False, min_value=0, help_text=_MIN_DELTA)
    reference_point = serializers.ListField(
        child=StrictFloatField(),
        required=False,
        allow_null=True,
        min_length=2,
        max_length=MAX_OBJECTIVES,
        help_text=_REFERENCE_POINT,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {
            "trials": attrs["trials"],
            "min_delta": attrs.get("min_delta", 0.0),
            "reference_point": attrs.get("reference_point"),
        }


class NoImprovementAnswerSerializer(AnswerSerializer):
    """The budget of trials without an improvement."""

    trials = serializers.IntegerField(help_text=_TRIALS)
    min_delta = serializers.FloatField(help_text=_MIN_DELTA)
    reference_point = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text=_REFERENCE_POINT
    )


def _positive_integer(what: str) -> StrictIntegerField:
    return StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_COUNT, help_text=what
    )


class LifeSerializer(StrictSerializer):
    """Budgets, retries and leases of a study."""

    max_trials = _positive_integer(
        "The maximum number of trials. WAITING, RUNNING, COMPLETE, PRUNED and infeasible trials "
        "count; other FAIL trials do not."
    )
    max_concurrent = _positive_integer("The maximum number of trials that are RUNNING at a time.")
    max_failures = _positive_integer(
        "The number of failed trials without a retry that completes the study."
    )
    target_value = StrictFloatField(
        required=False,
        allow_null=True,
        help_text="For one objective: a value as good as this completes the study.",
    )
    deadline = StrictDateTimeField(
        required=False,
        allow_null=True,
        help_text="The time at which the study is completed: no trial is handed out after it.",
    )
    stop_after_no_improvement = NoImprovementSerializer(
        required=False,
        allow_null=True,
        help_text="The study is completed when `trials` trials have finished since the best value, "
        "or the hypervolume of the front, last improved by more than `min_delta`. COMPLETE, PRUNED "
        "and infeasible trials count; other FAIL trials do not.",
    )
    max_consecutive_failures = _positive_integer(
        "The number of trials failing in a row that pauses the study, with the reason `failing`. "
        "Default: none."
    )
    max_trial_seconds = LeaseSecondsField(
        help_text="Seconds that a trial may run, however often it reports; then it ends like one "
        "whose lease has expired. null or left out: no limit."
    )
    stop_running = StrictBooleanField(
        required=False,
        help_text="Whether reports and heartbeats of running trials return `should_stop` once the "
        "study is completed. Default: false.",
    )
    lease_seconds = LeaseSecondsField(
        help_text="Seconds that a running trial may go without a report or heartbeat; null: the "
        "lease never expires. Default at creation: the service's setting DEFAULT_LEASE_SECONDS."
    )
    max_retries = StrictIntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        help_text="How often a trial that lost its lease, or failed with `retry`, is queued again. "
        "Default: 0.",
    )
    max_reoffers = StrictIntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        help_text="How often a trial is returned to the worker that holds it, without a report or "
        "heartbeat in between; then it fails, and is retried as `max_retries` allows. Default: 10.",
    )
