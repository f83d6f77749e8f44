"""Request bodies of the endpoints of trials."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import TrialState
from studies.api.definition.fields import LeaseSecondsField
from trials.api.attachment_fields import LinksField, NoteField
from trials.api.fields import (
    MAX_STEP,
    NumbersField,
    ReportedStepsField,
    ReportedValuesField,
    WorkerField,
)
from trials.domain import FencingToken, NewTrial, TrialResult
from trials.models.leases import Lease
from tuner_project.rest.serializers import (
    ReasonField,
    StrictBooleanField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
    UserAttributesField,
)

MAX_BATCH = 1000
ENDED = [state.value for state in TrialState if state.is_finished]
ADDED = [TrialState.WAITING.value, *ENDED]
ADDED_ATTRS = "They are added to those that the trial has; one of the same name is replaced."
INFEASIBLE = (
    "Whether the parameters cannot be evaluated, so that the failure is an answer: samplers learn "
    "from it, it counts against `max_trials`, and it is not retried. Default: false."
)
RETRY = "Queue its parameters again, if `max_retries` allows. Default: false."


class SuggestSerializer(StrictSerializer):
    """A request for a trial."""

    worker_id = WorkerField(
        help_text="The worker that asks. If it holds a running trial, that trial is returned again."
    )
    new = StrictBooleanField(
        required=False, help_text="Return a new trial even if the worker holds one. Default: false."
    )
    lease_seconds = LeaseSecondsField(
        help_text="Seconds that the trial may go without a report or heartbeat; null: the lease "
        "never expires. Default: the study's lease_seconds."
    )
    fixed = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        help_text="Values that the trial must have, of some or all parameters, by name; the "
        "sampler draws the others. From the queue, only trials with these values are returned, or "
        "without a value yet. A trial that the worker already holds is returned as it is.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "lease_seconds" in attrs:
            attrs["lease"] = Lease(attrs.pop("lease_seconds"))
        return attrs


class SuggestBatchSerializer(SuggestSerializer):
    """A request for several trials."""

    count = StrictIntegerField(
        min_value=1,
        max_value=100,
        help_text="The number of trials; fewer are returned if the budgets leave no more, or if "
        "drawing them takes too long.",
    )


class FencedSerializer(StrictSerializer):
    """A request of a worker about the trial that it holds."""

    study_id = StrictIntegerField(
        required=False,
        min_value=0,
        max_value=MAX_STEP,
        help_text="The `study_id` of the suggestion: if the study was deleted and created again, "
        "the request is a 409 `study_replaced`.",
    )
    worker_id = WorkerField(
        help_text="The `worker_id` of the suggestion: if another worker holds the trial, the "
        "request is a 409 `not_holder`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fence = FencingToken(attrs.pop("study_id", None), attrs.pop("worker_id", None))
        return attrs | {"fence": fence}


class ResultFields(serializers.Serializer[Any]):
    """The optional keys of each result of a trial."""

    intermediate_values = ReportedStepsField(required=False)
    user_attrs = UserAttributesField(required=False)
    constraints = NumbersField(
        required=False,
        help_text="One number for each constraint of the study; a constraint is satisfied if its "
        "number is at most 0. A completed trial needs them all.",
    )
    reason = ReasonField(help_text="The reason why the trial ended so.")


class TellSerializer(FencedSerializer, ResultFields):
    """The result of a trial; subclasses say in which state it ends."""

    state: ClassVar[TrialState]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"result": TrialResult(state=self.state, **super().validate(attrs))}


class CompleteSerializer(TellSerializer):
    """The result of a completed trial."""

    state = TrialState.COMPLETE
    values = ReportedValuesField(help_text="One number for each objective.")


class PruneSerializer(TellSerializer):
    """The result of a trial that was stopped early."""

    state = TrialState.PRUNED


class FailSerializer(TellSerializer):
    """The result of a failed trial."""

    state = TrialState.FAIL
    retry = StrictBooleanField(required=False, help_text=RETRY)
    infeasible = StrictBooleanField(required=False, help_text=INFEASIBLE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_failure(attrs)
        return super().validate(attrs)


class HeartbeatSerializer(FencedSerializer):
    """A sign that a worker still evaluates its trial."""

    user_attrs = UserAttributesField(required=False, help_text=ADDED_ATTRS)


class ChangeTrialSerializer(FencedSerializer):
    """Changes of a trial: of its user attributes while it runs, of its note and links always."""

    user_attrs = UserAttributesField(required=False, help_text=ADDED_ATTRS)
    note = NoteField(allow_null=True, help_text="Replaces the trial's note; null removes it.")
    links = LinksField(
        help_text="URLs by name, http or https. They are added to those that the trial has; null "
        "removes one."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.keys().isdisjoint({"user_attrs", "note", "links"}):
            text = "expected user_attrs, note or links"
            raise serializers.ValidationError({"user_attrs": [text]})
        if "note" in attrs:
            attrs["note"] = attrs["note"] or ""
        return super().validate(attrs)


class ReportSerializer(FencedSerializer):
    """Intermediate values of a running trial, of one step or of several."""

    step = StrictIntegerField(required=False, min_value=0, max_value=MAX_STEP)
    value = StrictFloatField(required=False, allow_null=True, help_text="null: the run diverged.")
    values = ReportedStepsField(
        required=False, help_text="Values by step, instead of `step` and `value`."
    )
    user_attrs = UserAttributesField(required=False, help_text=ADDED_ATTRS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        given = {key: attrs.pop(key) for key in ("step", "value", "values") if key in attrs}
        if given.keys() == {"step", "value"}:
            value = given["value"]
            return attrs | {"steps": {given["step"]: math.nan if value is None else value}}
        if given.keys() == {"values"} and given["values"]:
            return attrs | {"steps": given["values"]}
        raise serializers.ValidationError(
            "expected step and value, or values with at least one step"
        )


class FailRunningSerializer(StrictSerializer):
    """Which running trials to fail."""

    silent_for_seconds = StrictFloatField(
        min_value=0,
        max_value=MAX_STEP,
        help_text="Only trials whose workers have not asked, reported or sent a heartbeat for so "
        "long.",
    )
    retry = StrictBooleanField(required=False, help_text=RETRY)
    reason = ReasonField()


class InvalidateSerializer(StrictSerializer):
    """Why a trial's result is invalid."""

    reason = ReasonField(
        required=True, allow_blank=False, help_text="What is wrong with the result."
    )


class RetryFailedSerializer(StrictSerializer):
    """How many failed trials to queue again."""

    limit = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_BATCH,
        help_text=f"The first of them, by number. Default: {MAX_BATCH}.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"limit": MAX_BATCH} | attrs


class ToldTrialSerializer(FencedSerializer, ResultFields):
    """The result of one of several trials; `state` may be left out where there are `values`."""

    trial_id = StrictIntegerField(min_value=0, max_value=MAX_STEP)
    state = serializers.ChoiceField(
        choices=ENDED, required=False, help_text="Default where there are values: COMPLETE."
    )
    values = ReportedValuesField(required=False)
    retry = StrictBooleanField(required=False, help_text=f"For FAIL only. {RETRY}")
    infeasible = StrictBooleanField(required=False, help_text=f"For FAIL only. {INFEASIBLE}")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "values" in attrs:
            attrs.setdefault("state", TrialState.COMPLETE.value)
        if "state" not in attrs:
            text = "expected COMPLETE, PRUNED or FAIL; it may be left out where there are values"
            raise serializers.ValidationError({"state": [text]})
        check_values(attrs)
        misplaced = attrs.keys() & {"retry", "infeasible"}
        if misplaced and attrs["state"] != TrialState.FAIL:
            raise serializers.ValidationError({key: ["for FAIL only"] for key in misplaced})
        check_failure(attrs)
        state = TrialState(attrs.pop("state"))
        return {"told": (attrs.pop("trial_id"), TrialResult(state=state, **attrs))}


def check_failure(attrs: Mapping[str, Any]) -> None:
    """Check that a retry is not requested for an infeasible trial."""
    if attrs.get("infeasible") and attrs.get("retry"):
        text = "an infeasible trial is not retried: its parameters would fail again"
        raise serializers.ValidationError({"retry": [text]})


def check_values(attrs: Mapping[str, Any]) -> None:
    """Check that a finished trial has values if, and only if, it is COMPLETE."""
    if attrs["state"] == TrialState.COMPLETE and "values" not in attrs:
        raise serializers.ValidationError({"values": ["a COMPLETE trial has values"]})
    if attrs["state"] != TrialState.COMPLETE and "values" in attrs:
        text = "only a COMPLETE trial has values; a PRUNED one has its last intermediate value"
        raise serializers.ValidationError({"values": [text]})


@extend_schema_field(ToldTrialSerializer(many=True))
class TrialResultsField(serializers.ListField):
    """A list whose items are validated one by one later."""

    child = serializers.JSONField(allow_null=True)


class CompleteBatchSerializer(StrictSerializer):
    """The ends of several trials; each item succeeds or fails on its own."""

    trials = TrialResultsField(min_length=1, max_length=MAX_BATCH)


class NewTrialSerializer(StrictSerializer, ResultFields):
    """A trial to add: queued with some or all parameters, or finished with all parameters."""

    params = serializers.DictField(child=serializers.JSONField(allow_null=True))
    state = serializers.ChoiceField(choices=ADDED, required=False, help_text="Default: WAITING.")
    values = ReportedValuesField(required=False)
    priority = StrictIntegerField(
        required=False,
        min_value=-(2**31),
        max_value=MAX_STEP,
        help_text="Order in the queue: higher priorities first, equal ones by number. Default: 0.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        params, user_attrs = attrs.pop("params"), attrs.pop("user_attrs", {})
        state = attrs.get("state", TrialState.WAITING.value)
        allowed = (
            {"state", "priority"} if state == TrialState.WAITING else attrs.keys() - {"priority"}
        )
        if misplaced := sorted(attrs.keys() - allowed):
            text = f"a {state} trial has none"
            raise serializers.ValidationError({key: [text] for key in misplaced})
        new = {"params": params, "user_attrs": user_attrs}
        if state == TrialState.WAITING:
            return {"new": NewTrial(**new, priority=attrs.get("priority", 0))}
        check_values(attrs)
        return {"new": NewTrial(**new, result=TrialResult(**attrs | {"state": TrialState(state)}))}


MANY_NEW_TRIALS = serializers.ListField(
    child=NewTrialSerializer(), min_length=1, max_length=MAX_BATCH
)


def read_new_trials(body: Any) -> list[NewTrial]:
    """Validate the trial to add, or each trial of a list."""
    if not isinstance(body, list):
        return [MANY_NEW_TRIALS.child.run_validation(body)["new"]]
    read = MANY_NEW_TRIALS.run_validation(body)
    return [replace(each["new"], at=(index,)) for index, each in enumerate(read)]
