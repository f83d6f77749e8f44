"""The values of parameters in JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tuner_project.rest.serializers import StrictFloatField, StrictIntegerField

Choice = str | bool | int | float


@extend_schema_field(
    {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}], "nullable": True}
)
class ChoiceField(serializers.Field[Any, Any, Any, Any]):
    """A text, a number, a bool, or null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> Choice:
        if not isinstance(data, Choice):
            expected = "expected a text, number, bool or null"
            raise serializers.ValidationError(f"{expected}, not {data!r:.80}")
        if isinstance(data, int):
            StrictIntegerField().run_validators(data)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "number"})
class StrictNumberField(serializers.Field[Any, Any, Any, Any]):
    """A finite number, which stays an integer or a float as it was given."""

    def to_internal_value(self, data: Any) -> int | float:
        is_int = isinstance(data, int) and not isinstance(data, bool)
        field = StrictIntegerField() if is_int else StrictFloatField()
        number: int | float = field.run_validation(data)
        return number

    def to_representation(self, value: Any) -> Any:
        return value
