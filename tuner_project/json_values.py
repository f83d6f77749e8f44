"""JSON documents as values."""

import math
from typing import Any


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON documents say the same: 1 and 1.0 do, 1 and true do not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def finite_or_text(value: float) -> float | str:
    """A float as JSON can write it: NaN and the infinities become texts, which PostgreSQL reads."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
