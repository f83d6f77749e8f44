"""Names for imported studies whose own name exists."""

from collections.abc import Iterator

from studies.api.definition.fields import MAX_NAME
from studies.models import Study

_LONGEST_SUFFIX = len(" (1000000000)")


class FreeNames:
    """The names `NAME (2)`, `NAME (3)` and so on that are free, for the studies of one import.

    The names that exist are read once for each NAME, and each name is offered once, so that an
    import with many studies of one name does not try all of them again for each.
    """

    def __init__(self) -> None:
        self._of: dict[str, Iterator[str]] = {}

    def of(self, name: str) -> Iterator[str]:
        """Return the iterator over the names for a study, which goes on where it was left."""
        if name not in self._of:
            self._of[name] = _free_names(name)
        return self._of[name]


def _free_names(name: str) -> Iterator[str]:
    is_short = len(name) + _LONGEST_SUFFIX <= MAX_NAME
    stem = f"{name} (" if is_short else name[: MAX_NAME - _LONGEST_SUFFIX]
    similar = Study.objects.filter(name__startswith=stem, name__endswith=")")
    taken = set(similar.values_list("name", flat=True))
    n = 2
    while True:
        suffix = f" ({n})"
        other = name[: MAX_NAME - len(suffix)] + suffix
        if other not in taken:
            yield other
        n += 1
