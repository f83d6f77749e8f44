"""Request bodies of the endpoints of trials."""

import math
from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import TrialState
from studies.api.fields import LeaseSecondsField
from trials.api.fields import (
    MAX_STEP,
    FiniteStepsField,
    NumbersField,
    ReportedStepsField,
    ReportedValuesField,
    WorkerField,
)
from trials.domain import NewTrial, TrialResult
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

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "lease_seconds" in attrs:
            attrs["lease"] = Lease(attrs.pop("lease_seconds"))
        return attrs


class SuggestBatchSerializer(SuggestSerializer):
    """A request for several trials."""

    count = StrictIntegerField(
        min_value=1,
        max_value=100,
        help_text="The number of trials; fewer are returned if the budgets leave no more.",
    )


class CompleteSerializer(StrictSerializer):
    """The result of a completed trial."""

    values = ReportedValuesField(help_text="One number for each objective.")
    intermediate_values = FiniteStepsField(required=False)
    user_attrs = UserAttributesField(required=False)
    constraints = NumbersField(
        required=False,
        help_text="One number for each constraint of the study; a constraint is satisfied if its "
        "number is at most 0.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"result": TrialResult(state=TrialState.COMPLETE, **attrs)}


class PruneSerializer(StrictSerializer):
    """The reason for which a trial was pruned."""

    reason = ReasonField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"result": TrialResult(state=TrialState.PRUNED, **attrs)}


class FailSerializer(StrictSerializer):
    """The reason for which a trial failed."""

    reason = ReasonField()
    retry = StrictBooleanField(
        required=False,
        help_text="Queue its parameters again, if `max_retries` allows. Default: false.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"result": TrialResult(state=TrialState.FAIL, **attrs)}


class ReportSerializer(StrictSerializer):
    """Intermediate values of a running trial, of one step or of several."""

    step = StrictIntegerField(required=False, min_value=0, max_value=MAX_STEP)
    value = StrictFloatField(required=False, allow_null=True, help_text="null: the run diverged.")
    values = ReportedStepsField(
        required=False, help_text="Values by step, instead of `step` and `value`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.keys() == {"step", "value"}:
            value = attrs["value"]
            return {"steps": {attrs["step"]: math.nan if value is None else value}}
        if attrs.keys() == {"values"} and attrs["values"]:
            return {"steps": attrs["values"]}
        raise serializers.ValidationError(
            "expected step and value, or values with at least one step"
        )


class EndedTrialSerializer(StrictSerializer):
    """The end of a trial; `values` are for COMPLETE, `reason` is for the other states."""

    state = serializers.ChoiceField(choices=ENDED)
    values = ReportedValuesField(required=False)
    intermediate_values = FiniteStepsField(required=False)
    user_attrs = UserAttributesField(required=False)
    constraints = NumbersField(
        required=False,
        help_text="One number for each constraint of the study; a constraint is satisfied if its "
        "number is at most 0.",
    )
    reason = ReasonField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["state"] == TrialState.COMPLETE and "values" not in attrs:
            raise serializers.ValidationError({"values": ["a COMPLETE trial has values"]})
        if attrs["state"] != TrialState.COMPLETE and "values" in attrs:
            text = "only a COMPLETE trial has values; a PRUNED one has its last intermediate value"
            raise serializers.ValidationError({"values": [text]})
        return attrs


class ToldTrialSerializer(EndedTrialSerializer):
    """The end of one of several trials."""

    trial_id = StrictIntegerField(min_value=0, max_value=MAX_STEP)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        state = TrialState(attrs.pop("state"))
        return {"told": (attrs.pop("trial_id"), TrialResult(state=state, **attrs))}


@extend_schema_field(ToldTrialSerializer(many=True))
class TrialResultsField(serializers.ListField):
    """A list whose items are validated one by one later."""

    child = serializers.JSONField(allow_null=True)


class CompleteBatchSerializer(StrictSerializer):
    """The ends of several trials; each item succeeds or fails on its own."""

    trials = TrialResultsField(min_length=1, max_length=MAX_BATCH)


class NewTrialSerializer(EndedTrialSerializer):
    """A trial to add: queued with some or all parameters, or finished with all parameters."""

    params = serializers.DictField(child=serializers.JSONField())
    state = serializers.ChoiceField(choices=ADDED, required=False, help_text="Default: WAITING.")
    priority = StrictIntegerField(
        required=False,
        min_value=-(2**31),
        max_value=MAX_STEP,
        help_text="Order in the queue: higher priorities first, equal ones by number. Default: 0.",
    )
    intermediate_values = ReportedStepsField(required=False)

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
        ended = super().validate(attrs) | {"state": TrialState(state)}
        return {"new": NewTrial(**new, result=TrialResult(**ended))}


MANY_NEW_TRIALS = serializers.ListField(
    child=NewTrialSerializer(), min_length=1, max_length=MAX_BATCH
)


def read_new_trials(body: Any) -> list[NewTrial]:
    """Validate the trial to add, or each trial of a list."""
    if not isinstance(body, list):
        return [MANY_NEW_TRIALS.child.run_validation(body)["new"]]
    read = MANY_NEW_TRIALS.run_validation(body)
    return [replace(each["new"], at=(index,)) for index, each in enumerate(read)]
