"""The sort keys of trials besides their number. The model's indexes use the same expressions."""

import math

from django.db.models import (
    Case,
    DurationField,
    ExpressionWrapper,
    F,
    JSONField,
    When,
)
from django.db.models.expressions import Combinable, RawSQL

# An array of a rank and a comparable value: numbers, then texts by their first 100 characters, so
# that cursors stay short, booleans, and lists and objects, which are all equal. jsonb compares
# arrays of one length item by item, and numbers exactly.
_ATTRIBUTE = """(
SELECT CASE json_typeof(attribute)
       WHEN 'number' THEN jsonb_build_array(0, (attribute #>> '{}')::numeric)
       WHEN 'string' THEN jsonb_build_array(1, left(attribute #>> '{}', 100))
       WHEN 'boolean' THEN jsonb_build_array(2, (attribute #>> '{}')::boolean)
       WHEN 'array' THEN jsonb_build_array(3, 0)
       WHEN 'object' THEN jsonb_build_array(3, 0)
       END
  FROM (SELECT user_attrs -> %s AS attribute) AS attributes
)"""


def value_key(objective: int = 0) -> Combinable:
    """Return a trial's value of an objective, which may be infinite; null if it has none."""
    return _number(f"values__{objective}")


def constraint_key(index: int) -> Combinable:
    """Return a trial's value of a constraint, which may be infinite; null if it has none."""
    return _number(f"constraints__{index}")


def duration_key() -> Combinable:
    """Return a trial's duration; null if it has not started or not ended."""
    took = F("datetime_complete") - F("datetime_start")
    return ExpressionWrapper(took, output_field=DurationField())


def attribute_key(name: str) -> Combinable:
    """Return a key of the user attribute of this name; null if it is missing or null."""
    return RawSQL(_ATTRIBUTE, (name,), output_field=JSONField())  # noqa: S611


def _number(column: str) -> Combinable:
    """Return a column, or null where it is NaN, which PostgreSQL regards as above infinity."""
    return Case(When(**{f"{column}__lte": math.inf}, then=F(column)))
