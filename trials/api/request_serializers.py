"""Request bodies of the endpoints of trials."""

import math
from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import TrialState
from studies.api.serializers import LeaseSecondsField
from trials.domain import NewTrial, TrialResult
from trials.models.leases import Lease
from tuner_project.rest.numbers import NUMBER_OR_NULL
from tuner_project.rest.serializers import (
    ReasonField,
    StrictBooleanField,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
    UserAttributesField,
)

MAX_STEP = 2**31 - 1
MAX_BATCH = 1000
ENDED = [state.value for state in TrialState if state.is_finished]
ADDED = [TrialState.WAITING.value, *ENDED]


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
)
class ReportedValuesField(serializers.Field[Any, Any, Any, Any]):
    """A number, or a list of one for each objective."""

    def to_internal_value(self, data: Any) -> list[float]:
        if not isinstance(data, list):
            return [StrictFloatField().run_validation(data)]
        numbers = serializers.ListField(child=StrictFloatField(), min_length=1)
        return numbers.run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
class NumbersField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object from names to numbers."""

    def to_internal_value(self, data: Any) -> dict[Any, float]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        return {self._key(key): self._value(key, value) for key, value in data.items()}

    def _key(self, key: str) -> Any:
        return key

    def _value(self, key: str, value: Any) -> float:
        try:
            return StrictFloatField().run_validation(value)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({key: error.detail}) from None

    def to_representation(self, value: Any) -> Any:
        return value


class FiniteStepsField(NumbersField):
    """Intermediate values by step; the step is an integer from 0, as a JSON key."""

    def _key(self, key: str) -> int:
        # Only the canonical notation is accepted: "01" would be a second key for step 1.
        is_integer = key.isascii() and key.isdigit() and (key == "0" or key[0] != "0")
        if not is_integer or len(key) > 10 or int(key) > MAX_STEP:
            raise serializers.ValidationError(
                {key: f"a step is an integer from 0 to {MAX_STEP}, not {key!r:.80}"}
            )
        return int(key)


@extend_schema_field({"type": "object", "additionalProperties": NUMBER_OR_NULL})
class ReportedStepsField(FiniteStepsField):
    """Intermediate values by step; null where the run diverged."""

    def _value(self, key: str, value: Any) -> float:
        return math.nan if value is None else super()._value(key, value)


class WorkerField(StrictCharField):
    """The identity of a worker: 1 to 128 printable characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=128, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not name.isprintable() or not name.strip():
            raise serializers.ValidationError("expected printable characters, not only blanks")
        return name


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
        return {"outcome": TrialResult(state=TrialState.COMPLETE, **attrs)}


class PruneSerializer(StrictSerializer):
    """The reason for which a trial was pruned."""

    reason = ReasonField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": TrialResult(state=TrialState.PRUNED, **attrs)}


class FailSerializer(StrictSerializer):
    """The reason for which a trial failed."""

    reason = ReasonField()
    retry = StrictBooleanField(
        required=False,
        help_text="Queue its parameters again, if `max_retries` allows. Default: false.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": TrialResult(state=TrialState.FAIL, **attrs)}


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
        return {"new": NewTrial(**new, outcome=TrialResult(**ended))}


MANY_NEW_TRIALS = serializers.ListField(
    child=NewTrialSerializer(), min_length=1, max_length=MAX_BATCH
)


def read_new_trials(body: Any) -> list[NewTrial]:
    """Validate the trial to add, or each trial of a list."""
    if not isinstance(body, list):
        return [MANY_NEW_TRIALS.child.run_validation(body)["new"]]
    read = MANY_NEW_TRIALS.run_validation(body)
    return [replace(each["new"], at=(index,)) for index, each in enumerate(read)]
