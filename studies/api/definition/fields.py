"""Serializer fields of studies: names, directions, leases, options, values."""

import unicodedata
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import Direction
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.definition.option_serializers import options_schema
from tuner_project.rest.numbers import finite
from tuner_project.rest.serializers import AttributesField, StrictCharField, StrictFloatField

MAX_NAME = 256
MAX_OBJECTIVES = 10

_DIRECTION = {"type": "string", "enum": Direction.values}
_NUMBER_OR_LIST = {
    "oneOf": [
        {"type": "number"},
        {"type": "array", "items": {"type": "number", "nullable": True}},
    ],
    "nullable": True,
}


_UNPRINTABLE = {"Cc", "Cn", "Cs", "Zl", "Zp"}  # controls, unassigned, line ends


def is_printable(character: str) -> bool:
    """Return whether a study's name may contain a character."""
    return unicodedata.category(character) not in _UNPRINTABLE


class NameField(StrictCharField):
    """A study's name: printable, and usable as a segment of a path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NAME, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if "/" in name or name in (".", ".."):
            raise serializers.ValidationError('a name has no "/", and is not "." or ".."')
        if not all(map(is_printable, name)):
            raise serializers.ValidationError("a name consists of printable characters")
        if not name.strip():
            raise serializers.ValidationError("a name does not consist of blanks only")
        return name


@extend_schema_field(
    {
        "oneOf": [
            _DIRECTION,
            {"type": "array", "items": _DIRECTION, "minItems": 1, "maxItems": MAX_OBJECTIVES},
        ]
    }
)
class DirectionField(serializers.Field[Any, Any, Any, Any]):
    """One direction, or a list of them for several objectives."""

    def to_internal_value(self, data: Any) -> str | list[str]:
        words = data if isinstance(data, list) else [data]
        if not 1 <= len(words) <= MAX_OBJECTIVES:
            raise serializers.ValidationError(f"expected 1 to {MAX_OBJECTIVES} directions")
        for word in words:
            if not isinstance(word, str) or word not in Direction.values:
                raise serializers.ValidationError(
                    f"expected minimize or maximize, not {word!r:.80}"
                )
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": settings.MAX_LEASE_SECONDS,
        "nullable": True,
    }
)
class LeaseSecondsField(StrictFloatField):
    """The length of a lease in seconds; null means that it never expires."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        seconds = super().to_internal_value(data)
        if not 0 < seconds <= settings.MAX_LEASE_SECONDS:
            raise serializers.ValidationError(
                f"expected seconds above 0, at most {settings.MAX_LEASE_SECONDS}, not {seconds:g}"
            )
        return seconds


@extend_schema_field(options_schema("sampler", SAMPLERS))
class SamplerOptionsField(AttributesField):
    """Options of the sampler; the domain checks them."""


@extend_schema_field(options_schema("pruner", PRUNERS))
class PrunerOptionsField(AttributesField):
    """Options of the pruner; the domain checks them."""


@extend_schema_field(_NUMBER_OR_LIST)
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A number for one objective, a list for several; never NaN or Infinity."""

    def to_representation(self, value: Any) -> Any:
        return [finite(each) for each in value] if isinstance(value, list) else finite(value)
