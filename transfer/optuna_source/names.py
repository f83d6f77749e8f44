"""Names for studies whose names in Optuna cannot be used here."""

from collections.abc import Collection
from itertools import count

from studies.api.fields import MAX_NAME, is_printable

_NAMELESS = "study"


def usable_name(name: str, taken: Collection[str]) -> str:
    """Return a name that is valid here, and is not `taken` unless it is the given one.

    Slashes and unprintable characters become underscores, as do the names "." and "..", and a name
    that is too long is cut off.
    """
    printable = "".join("_" if each == "/" or not is_printable(each) else each for each in name)
    if not printable.strip():
        printable = _NAMELESS
    if printable in (".", ".."):
        printable = "_" * len(printable)
    replaced = printable[:MAX_NAME]
    if replaced == name or replaced not in taken:
        return replaced
    return next(other for n in count(2) if (other := _numbered(replaced, n)) not in taken)


def _numbered(name: str, n: int) -> str:
    suffix = f" ({n})"
    return name[: MAX_NAME - len(suffix)] + suffix
