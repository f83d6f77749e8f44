"""Pages of lists that are bounded in bytes, so that no answer outgrows the memory."""

from typing import Any, TypeVar

from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL

Rows = TypeVar("Rows", bound="QuerySet[Any]")

# Without an order of its own, the window follows the order of the page.
_FIRST = """
SELECT id FROM (
    SELECT id, size, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total
      FROM ({page}) AS page(id, size)
) AS sized WHERE total - size < %s
"""


def first_bytes(rows: Rows, start: int, stop: int, *, size: str, most: int) -> Rows:
    """Return the rows from `start` to `stop`, without those that begin after `most` bytes.

    The first row is always among them. The size of each is its attribute `size`; the page was cut
    short if the sizes add up to `most` or more. Only the sizes of the others are computed, in the
    same statement.

    Args:
        rows: Ordered rows of one table, with the primary key `id`.
        start: The position of the page's first row.
        stop: The position after its last row.
        size: SQL for the size of a row in bytes.
        most: The number of bytes.
    """
    sized = rows.annotate(size=RawSQL(size, (), IntegerField()))  # noqa: S611
    page, parameters = sized[start:stop].values_list("id", "size").query.sql_with_params()
    first = RawSQL(_FIRST.format(page=page), (*parameters, most))  # noqa: S611
    return sized.filter(id__in=first)
