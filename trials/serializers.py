"""The wire's shapes of trials."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from trials.domain import Outcome
from trials.models import State
from tuner_project.rest.numbers import NumberField, finite
from tuner_project.rest.serializers import (
    AttributesField,
    PageQuerySerializer,
    StrictFloatField,
    StrictSerializer,
    UTCDateTimeField,
)

MAX_STEP = 2**31 - 1


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
)
class ToldValuesField(serializers.Field[Any, Any, Any, Any]):
    """A number, or a list of one for each objective."""

    def to_internal_value(self, data: Any) -> list[float]:
        if not isinstance(data, list):
            return [StrictFloatField().run_validation(data)]
        numbers = serializers.ListField(child=StrictFloatField(), min_length=1)
        return numbers.run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
class ToldStepsField(serializers.Field[Any, Any, Any, Any]):
    """Intermediate values by step, an integer from 0 on written as a text."""

    def to_internal_value(self, data: Any) -> dict[int, float]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        return {self._step(key): self._value(key, value) for key, value in data.items()}

    def _value(self, key: str, value: Any) -> float:
        try:
            return StrictFloatField().run_validation(value)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({key: error.detail}) from None

    def _step(self, key: str) -> int:
        # Exactly as Python or JavaScript write it: "01" would be a second name of 1.
        is_integer = key.isascii() and key.isdigit() and (key == "0" or key[0] != "0")
        if not is_integer or len(key) > 10 or int(key) > MAX_STEP:
            raise serializers.ValidationError(
                {key: f"a step is an integer from 0 to {MAX_STEP}, not {key!r:.80}"}
            )
        return int(key)

    def to_representation(self, value: Any) -> Any:
        return value


class CompleteSerializer(StrictSerializer):
    """What a trial came to."""

    values = ToldValuesField(help_text="One number for each objective.")
    intermediate_values = ToldStepsField(required=False)
    user_attrs = AttributesField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": Outcome(state=State.COMPLETE, **attrs)}


class TrialQuerySerializer(PageQuerySerializer):
    state = serializers.ChoiceField(
        choices=State.choices, required=False, help_text="Only trials in this state."
    )


class SuggestionSerializer(serializers.Serializer[Any]):
    """A new trial's parameters."""

    trial_id = serializers.IntegerField(source="number")
    params = serializers.DictField(help_text="By name, in the order of the search space.")
    study_name = serializers.CharField(source="study.name")


class TrialSerializer(SuggestionSerializer):
    """A trial."""

    state = serializers.ChoiceField(choices=State.choices)
    values = serializers.ListField(child=NumberField(), allow_null=True)
    datetime_start = UTCDateTimeField(allow_null=True)
    datetime_complete = UTCDateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    user_attrs = serializers.DictField()
    intermediate_values = serializers.SerializerMethodField()

    @extend_schema_field(
        {"type": "object", "additionalProperties": {"type": "number", "nullable": True}}
    )
    def get_intermediate_values(self, trial: Any) -> dict[str, float | None]:
        return {str(step): finite(value) for step, value in trial.intermediate_values.items()}
