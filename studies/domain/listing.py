"""Filters and orders of the list of studies."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, OrderBy, TextField
from django.db.models.expressions import RawSQL

from access.scopes import regex_of
from studies.models import StudyQuerySet

# From the name of an order to the column or expression; equal ones are ordered by id.
_KEYS: Mapping[str, Any] = {
    "name": F("name"),
    "created": F("id"),
    "trials": F("next_number"),
    "best": RawSQL("best_values[1]", ()),
}
ORDERS = [sign + name for name in _KEYS for sign in ("", "-")]


def filter_studies(
    studies: StudyQuerySet,
    *,
    name: str | None = None,
    state: str | None = None,
    sampler: str | None = None,
    user_attrs: Mapping[str, str] | None = None,
    order_by: str = "-created",
) -> StudyQuerySet:
    """Return the studies that fit, in an order.

    Args:
        studies: The studies to choose from.
        name: A pattern of their names, in which `*` matches any text.
        state: Their state.
        sampler: The name of their sampler.
        user_attrs: User attributes by name, as text: a number or a boolean as JSON writes it.
        order_by: One of `ORDERS`; a leading - means descending. Studies without a best value come
            last in both directions.
    """
    regex = None if name is None else regex_of(name)
    given = {"name__regex": regex, "state": state, "sampler": sampler}
    chosen = studies.filter(**{key: value for key, value in given.items() if value is not None})
    for index, (key, text) in enumerate((user_attrs or {}).items()):
        attribute = RawSQL("user_attrs ->> %s", (key,), output_field=TextField())
        chosen = chosen.alias(**{f"attribute_{index}": attribute})
        chosen = chosen.filter(**{f"attribute_{index}": text})
    order = OrderBy(
        _KEYS[order_by.removeprefix("-")], descending=order_by.startswith("-"), nulls_last=True
    )
    return chosen.order_by(order, "id")
