"""Numbers in responses: NaN and infinities become null."""

import math
from typing import Any

from rest_framework import serializers

NUMBER_OR_NULL = {"type": "number", "nullable": True}  # OpenAPI's


def finite(number: float | None) -> float | None:
    """Return the number, or None if it is not finite, because JSON has no literal for it."""
    return number if number is not None and math.isfinite(number) else None


class NumberField(serializers.FloatField):
    """A number, or null if it is not finite."""

    def to_representation(self, value: Any) -> Any:
        return finite(value)
