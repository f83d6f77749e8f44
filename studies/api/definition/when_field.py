"""The conditions of a parameter in JSON, and their validation."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.space.search_space import Parameter, SearchSpace
from optuna_bridge.space.when_faults import when_faults
from studies.api.definition.value_fields import ChoiceField, StrictNumberField

MAX_CONDITIONS = 20  # of a parameter
MAX_VALUES = 1000  # of a condition, as many as a parameter has choices

_VALUES = serializers.ListField(child=ChoiceField(), min_length=1, max_length=MAX_VALUES)
_NUMBER = StrictNumberField()
_EXPECTED = 'expected a list of values, or an object with "min" or "max"'


@extend_schema_field(
    {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_CONDITIONS,
        "additionalProperties": {
            "oneOf": [
                {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_VALUES,
                    "items": {
                        "oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
                        "nullable": True,
                    },
                },
                {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
                    "additionalProperties": False,
                },
            ]
        },
    }
)
class WhenField(serializers.Field[Any, Any, Any, Any]):
    """The values of other parameters with which trials have this one: all must have them."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            help_text="By the names of other parameters, the values with which a trial has this "
            "one: a list, or the lowest and the highest one. All conditions must hold.",
        )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(
                f"expected an object by the names of other parameters, not {data!r:.80}"
            )
        if not data:
            raise serializers.ValidationError("it is empty: leave it out, or give a condition")
        if len(data) > MAX_CONDITIONS:
            text = f"expected at most {MAX_CONDITIONS} conditions, not {len(data)}"
            raise serializers.ValidationError(text)
        return {parent: self._condition(parent, wanted) for parent, wanted in data.items()}

    def _condition(self, parent: str, wanted: Any) -> Any:
        try:
            if isinstance(wanted, list):
                return _VALUES.run_validation(wanted)
            return _range(wanted)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({parent: error.detail}) from None

    def to_representation(self, value: Any) -> Any:
        return value


def _range(wanted: Any) -> dict[str, Any]:
    if not isinstance(wanted, dict):
        raise serializers.ValidationError(f"{_EXPECTED}, not {wanted!r:.80}")
    unknown = [key for key in wanted if key not in ("min", "max")]
    if unknown or not wanted:
        what = f"the key {unknown[0]!r:.80}" if unknown else "an empty object"
        raise serializers.ValidationError(f"{_EXPECTED}, not {what}")
    found = {}
    for key, value in wanted.items():
        try:
            found[key] = _NUMBER.run_validation(value)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({key: error.detail}) from None
    return found


def check_conditions(parameters: Sequence[Parameter]) -> None:
    """Check the conditions of a space's parameters, whose names are unique.

    Raises:
        ValidationError: One has an unknown name, can never hold, or they are a circle.
    """
    errors: dict[Any, Any] = {}
    for fault in when_faults(SearchSpace(parameters)):
        parameter = parameters[fault.at]
        what = f'{parameter["type"]} parameter "{parameter["name"]:.80}"'
        at = errors.setdefault(fault.at, {})
        *path, last = ("when", *fault.path)
        for key in path:
            at = at.setdefault(key, {})
        at[last] = [f"{what}: {fault.text}"]
    if errors:
        raise serializers.ValidationError(errors)
