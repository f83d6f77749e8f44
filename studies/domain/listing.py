"""Filters and orders of the list of studies."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import F, OrderBy, TextField
from django.db.models.expressions import RawSQL

from access.scopes import regex_of
from studies.models import Study, StudyQuerySet
from tuner_project.db.pages import first_bytes

# From the name of an order to the column or expression; equal ones are ordered by id.
_KEYS: Mapping[str, Any] = {
    "name": F("name"),
    "created": F("id"),
    "trials": F("next_number"),
    "best": RawSQL("best_values[1]", ()),
}
# What is read only for a single study; it may have a megabyte.
_NOT_IN_SUMMARY = (
    "search_space",
    "distributions",
    "current_space",
    "parameter_constraints",
    "user_attrs",
    "note",
    "created_with",
    "best_internal_params",
)
_SIZE = "2000 + octet_length({})".format(
    ") + octet_length(".join(
        f"studies_study.{column}::text"
        for column in ("state_history", "state_reason", "constraints", "sampler_options", "tags")
    )
)
ORDERS = [sign + name for name in _KEYS for sign in ("", "-")]


def filter_studies(
    studies: StudyQuerySet,
    *,
    name: str | None = None,
    state: str | None = None,
    sampler: str | None = None,
    user_attrs: Mapping[str, str] | None = None,
    tag: Sequence[str] = (),
    order_by: str = "-created",
) -> StudyQuerySet:
    """Return the studies that fit, in an order.

    Args:
        studies: The studies to choose from.
        name: A pattern of their names, in which `*` matches any text.
        state: Their state.
        sampler: The name of their sampler.
        user_attrs: User attributes by name, as text: a number or a boolean as JSON writes it.
        tag: Tags in their stored form, all of which they must have.
        order_by: One of `ORDERS`; a leading - means descending. Studies without a best value come
            last in both directions.
    """
    regex = None if name is None else regex_of(name)
    given = {"name__regex": regex, "state": state, "sampler": sampler}
    chosen = studies.filter(**{key: value for key, value in given.items() if value is not None})
    if tag:
        chosen = chosen.filter(tags__contains=list(tag))
    for index, (key, text) in enumerate((user_attrs or {}).items()):
        attribute = RawSQL("user_attrs ->> %s", (key,), output_field=TextField())
        chosen = chosen.alias(**{f"attribute_{index}": attribute})
        chosen = chosen.filter(**{f"attribute_{index}": text})
    order = OrderBy(
        _KEYS[order_by.removeprefix("-")], descending=order_by.startswith("-"), nulls_last=True
    )
    return chosen.order_by(order, "id")


def page_of_summaries(studies: StudyQuerySet, limit: int, offset: int) -> list[Study]:
    """Return a page of studies without what only a single study's answer has.

    It ends early once its studies have MAX_PAGE_BYTES.
    """
    most: int = settings.MAX_PAGE_BYTES
    summaries = studies.defer(*_NOT_IN_SUMMARY)
    return list(first_bytes(summaries, offset, offset + limit, size=_SIZE, most=most))
