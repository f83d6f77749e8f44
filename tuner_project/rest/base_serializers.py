"""The base classes of serializers: strict ones of requests, and those of answers.

DRF asks each field anew for each value what it is and where its value comes from. Here a serializer
asks its fields once, when it is first used, so it has to be kept, as `views.py` does. An answer of
23 fields then takes 18 µs instead of 37 µs, and a body of one key of several 6 µs instead of 40 µs.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.fields import SkipField, empty, get_error_detail

Field = serializers.Field[Any, Any, Any, Any]

# What DRF's own fields do with a value, without the call of a method.
_CONVERSIONS: dict[Callable[..., Any], Callable[[Any], Any]] = {
    serializers.CharField.to_representation: str,
    serializers.IntegerField.to_representation: int,
    serializers.FloatField.to_representation: float,
}


class _Input(NamedTuple):
    """How to validate one key of a body or query."""

    field: Field
    check: Callable[[Any], Any] | None  # the serializer's method `validate_…`
    may_be_absent: bool  # and then has no value
    takes_null: bool  # whether null is passed to the field; otherwise it counts as absent


class _Output(NamedTuple):
    """How to represent one key of an answer."""

    name: str
    value_of: Callable[[Any], Any]
    convert: Callable[[Any], Any]


class StrictSerializer(serializers.Serializer[Any]):
    """Reject unknown keys; treat null as absent for optional fields that do not allow null.

    The errors of its `ChoiceField`s name the words that are allowed.
    """

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField):
                words = ", ".join(map(str, field.choices))
                field.error_messages["invalid_choice"] = (
                    f'"{{input!s:.80}}" is not a valid choice; expected one of {words}'
                )
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        inputs = self._inputs
        if unknown := [key for key in data if key not in inputs]:
            text = f"unknown key; expected {', '.join(inputs) or 'no keys at all'}"
            raise serializers.ValidationError({key: [text] for key in unknown})
        valid: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, each in inputs.items():
            value = data.get(name, empty)
            if value is None and not each.takes_null:
                value = empty
            if value is empty and each.may_be_absent:
                continue
            try:
                found = each.field.run_validation(value)
                valid[name] = found if each.check is None else each.check(found)
            except serializers.ValidationError as error:
                errors[name] = error.detail
            except DjangoValidationError as error:
                errors[name] = get_error_detail(error)
        if errors:
            raise serializers.ValidationError(errors)
        return valid

    def run_validators(self, value: Any) -> None:
        if self.validators:
            super().run_validators(value)

    @cached_property
    def _inputs(self) -> dict[str, _Input]:
        return {
            name: _Input(
                field=field,
                check=getattr(self, f"validate_{name}", None),
                may_be_absent=not field.required and field.default is empty,
                takes_null=field.required or field.allow_null,
            )
            for name, field in self.fields.items()
            if not field.read_only
        }


class AnswerSerializer(serializers.Serializer[Any]):
    """Represent objects as DRF does; mappings it leaves to DRF."""

    def to_representation(self, instance: Any) -> Any:
        if isinstance(instance, dict):
            return super().to_representation(instance)
        shown = {}
        for name, value_of, convert in self._outputs:
            try:
                value = value_of(instance)
            except SkipField:
                continue
            shown[name] = None if value is None else convert(value)
        return shown

    @cached_property
    def _outputs(self) -> list[_Output]:
        return [
            _Output(name, _getter_of(field), _conversion_of(field))
            for name, field in self.fields.items()
            if not field.write_only
        ]


def _getter_of(field: Field) -> Callable[[Any], Any]:
    """Return a function that returns the field's value of an object."""
    if not field.required or field.default is not empty or not field.source_attrs:
        return field.get_attribute
    return attrgetter(".".join(field.source_attrs))


def _conversion_of(field: Field) -> Callable[[Any], Any]:
    """Return a function that converts a value for JSON."""
    method = type(field).to_representation
    return _CONVERSIONS.get(method, field.to_representation)
