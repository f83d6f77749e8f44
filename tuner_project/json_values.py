"""Comparison and conversion of JSON values."""

import math
import sys
from typing import Any

JSON_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"  # a number as JSON writes it


def same_json(one: Any, other: Any) -> bool:
    """Return whether two JSON documents are equal: 1 equals 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def finite_or_text(value: float) -> float | str:
    """Return a float for JSON: NaN and infinities become strings that PostgreSQL can cast."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def finite_or_largest(value: Any) -> Any:
    """Return an infinity as the largest float of its sign, which is ordered like it; JSON has none.

    Any other value is returned as it is.
    """
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(sys.float_info.max, value)
    return value
