"""The sort keys of trials besides their number. The model's indexes use the same expressions."""

import math

from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, When
from django.db.models.expressions import Combinable


def value_key(objective: int = 0) -> Combinable:
    """Return a trial's value of an objective; null if it has none, or it is not finite."""
    value = f"values__{objective}"
    finite = Q(**{f"{value}__gt": -math.inf, f"{value}__lt": math.inf})  # NaN is above both
    return Case(When(finite, then=F(value)))


def duration_key() -> Combinable:
    """Return a trial's duration; null if it has not started or not ended."""
    took = F("datetime_complete") - F("datetime_start")
    return ExpressionWrapper(took, output_field=DurationField())
