"""Serializer fields of trials: values, intermediate values by step, workers."""

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tuner_project.rest.numbers import NUMBER_OR_NULL
from tuner_project.rest.serializers import StrictCharField, StrictFloatField

MAX_STEP = 2**31 - 1

_NUMBER = StrictFloatField()
_NUMBERS = serializers.ListField(child=StrictFloatField(), min_length=1)


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
)
class ReportedValuesField(serializers.Field[Any, Any, Any, Any]):
    """A number, or a list of one for each objective."""

    def to_internal_value(self, data: Any) -> list[float]:
        if not isinstance(data, list):
            return [_NUMBER.run_validation(data)]
        return _NUMBERS.run_validation(data)

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
            return _NUMBER.run_validation(value)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({key: error.detail}) from None

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": NUMBER_OR_NULL})
class ReportedStepsField(NumbersField):
    """Intermediate values by step, an integer from 0 as a JSON key; null where the run diverged."""

    def _key(self, key: str) -> int:
        # Only the canonical notation is accepted: "01" would be a second key for step 1.
        is_integer = key.isascii() and key.isdigit() and (key == "0" or key[0] != "0")
        if not is_integer or len(key) > 10 or int(key) > MAX_STEP:
            raise serializers.ValidationError(
                {key: f"a step is an integer from 0 to {MAX_STEP}, not {key!r:.80}"}
            )
        return int(key)

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
