"""What trials are sorted by beside their number. The indexes of the model are on the same terms."""

import math

from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, When
from django.db.models.expressions import Combinable


def value_key(objective: int = 0) -> Combinable:
    """A trial's value of an objective; null where it has none, or one that is not finite."""
    value = f"values__{objective}"
    finite = Q(**{f"{value}__gt": -math.inf, f"{value}__lt": math.inf})  # NaN is above both
    return Case(When(finite, then=F(value)))


def duration_key() -> Combinable:
    """How long a trial took; null where it did not start, or has not ended."""
    took = F("datetime_complete") - F("datetime_start")
    return ExpressionWrapper(took, output_field=DurationField())
