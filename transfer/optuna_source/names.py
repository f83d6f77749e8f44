"""Names for studies whose names in Optuna cannot be used here."""

from collections.abc import Collection, Sequence
from itertools import count

from studies.api.definition.fields import MAX_NAME, is_printable

_NAMELESS = "study"


def usable_names(names: Sequence[str]) -> dict[str, str]:
    """Return the name here of each study of a storage, which are as different as theirs.

    Slashes and unprintable characters become underscores, as do the names "." and "..", and a name
    that is too long is cut off.
    """
    taken = set(names)
    usable = {}
    for name in names:
        usable[name] = _usable_name(name, taken)
        taken.add(usable[name])
    return usable


def _usable_name(name: str, taken: Collection[str]) -> str:
    """Return a name that is valid here, and is not `taken` unless it is the given one."""
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
