"""Numbers on the wire: NaN and Infinity are never written."""

import math
from typing import Any

from rest_framework import serializers

NUMBER_OR_NULL = {"type": "number", "nullable": True}  # OpenAPI's


def finite(number: float | None) -> float | None:
    """The number, or None for what JSON cannot say."""
    return number if number is not None and math.isfinite(number) else None


class NumberField(serializers.FloatField):
    """A number, null where it is not finite."""

    def to_representation(self, value: Any) -> Any:
        return finite(value)
