"""The parameters of a search space in JSON, and their validation."""

import math
import sys
from itertools import pairwise
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from optuna_bridge.space.search_space import MAX_STEPS
from studies.api.definition.value_fields import Choice, ChoiceField, StrictNumberField
from studies.api.definition.when_field import WhenField
from tuner_project.rest.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
)

MAX_CHOICES = 1000
MAX_NAME = 512  # characters of a parameter's name, as in Optuna's storage


class _ParameterSerializer(StrictSerializer):
    name = StrictCharField(max_length=MAX_NAME)
    when = WhenField()

    def refuse(self, attrs: dict[str, Any], key: str, text: str) -> None:
        raise serializers.ValidationError(
            {key: f'{attrs["type"]} parameter "{attrs["name"]}": {text}'}
        )


class _NumberSerializer(_ParameterSerializer):
    """The validation rules that float and int parameters share."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        low, high = attrs["low"], attrs["high"]
        if low > high:
            self.refuse(attrs, "low", f"low ({low}) is above high ({high})")
        if attrs.get("log") and low <= 0:
            self.refuse(attrs, "low", f"log needs a low above 0, not {low}")
        if low < high and self._is_too_narrow(attrs):
            self.refuse(attrs, "high", "the range from low to high is too narrow for a float")
        step = attrs.get("step")
        if step is not None:
            self._validate_step(attrs, low, high, step)
        return attrs

    def _is_too_narrow(self, attrs: dict[str, Any]) -> bool:
        """Return whether TPE's arithmetic would see an empty range, and so suggest NaN."""
        low, high = attrs["low"], attrs["high"]
        if not attrs.get("log"):
            return bool(high - low < sys.float_info.min)
        half = 0.5 if attrs["type"] == "int" else 0.0  # Optuna widens an int's range by this
        return math.log(low - half) >= math.log(high + half)

    def _validate_step(self, attrs: dict[str, Any], low: Any, high: Any, step: Any) -> None:
        if step <= 0:
            self.refuse(attrs, "step", f"step must be above 0, not {step}")
        if attrs.get("log") and not (attrs["type"] == "int" and step == 1):
            self.refuse(attrs, "step", "log and step cannot be combined")
        if low < high and step > high - low:
            self.refuse(attrs, "step", f"step ({step}) is larger than the range {low} to {high}")
        if (high - low) / step > MAX_STEPS:
            self.refuse(attrs, "step", f"step ({step}) divides the range into too many values")


class FloatParameterSerializer(_NumberSerializer):
    """A real number from low to high, both included."""

    type = serializers.ChoiceField(choices=["float"])
    low = StrictFloatField()
    high = StrictFloatField()
    step = StrictFloatField(
        required=False, help_text="The distance between neighbouring values, starting at `low`."
    )
    log = StrictBooleanField(required=False, help_text="Search on a logarithmic scale.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        step = attrs.get("step") or 0.0  # samplers widen the range by half a step at both ends
        if not math.isfinite(attrs["high"] + step / 2 - (attrs["low"] - step / 2)):
            self.refuse(attrs, "high", "the range from low to high is too large for a float")
        return super().validate(attrs)


class IntParameterSerializer(_NumberSerializer):
    """An integer from low to high, both included."""

    type = serializers.ChoiceField(choices=["int"])
    low = StrictIntegerField()
    high = StrictIntegerField()
    step = StrictIntegerField(
        required=False, help_text="The distance between neighbouring values, starting at `low`."
    )
    log = StrictBooleanField(required=False, help_text="Search on a logarithmic scale.")


class CategoricalParameterSerializer(_ParameterSerializer):
    """One of several values without an order."""

    type = serializers.ChoiceField(choices=["categorical"])
    choices = serializers.ListField(child=ChoiceField(), min_length=1, max_length=MAX_CHOICES)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        seen: set[Choice | None] = set()
        for choice in attrs["choices"]:
            if choice in seen:  # 1, 1.0 and true are equal in Python, and therefore in Optuna
                self.refuse(attrs, "choices", f"{choice!r} repeats a choice")
            seen.add(choice)
        return attrs


class OrdinalParameterSerializer(_ParameterSerializer):
    """One of several numbers, which samplers see as equally spaced steps of a scale."""

    type = serializers.ChoiceField(choices=["ordinal"])
    values = serializers.ListField(
        child=StrictNumberField(),
        min_length=1,
        max_length=MAX_CHOICES,
        help_text="The numbers, each above the one before.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for before, value in pairwise(attrs["values"]):
            if value <= before:
                self.refuse(
                    attrs, "values", f"the values must increase, and {value} comes after {before}"
                )
        return attrs


_KINDS: dict[str, type[_ParameterSerializer]] = {
    "float": FloatParameterSerializer,
    "int": IntParameterSerializer,
    "categorical": CategoricalParameterSerializer,
    "ordinal": OrdinalParameterSerializer,
}


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="Parameter", serializers={**_KINDS}, resource_type_field_name="type"
    )
)
class ParameterField(serializers.Field[Any, Any, Any, Any]):
    """A parameter of one of the four kinds, as given by its `type`."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        kind = data.get("type")
        serializer_class = _KINDS.get(kind) if isinstance(kind, str) else None
        if serializer_class is None:
            expected = "expected one of " + ", ".join(_KINDS)
            raise serializers.ValidationError({"type": f"{expected}, not {kind!r:.80}"})
        serializer = serializer_class(data=data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value
