"""Changes of conditions: which are possible, and the conditions of all versions together.

Whether a trial has a parameter must not change with a later version. So a parameter keeps its
conditions for all values that its parents ever had; only a parent's new values are free.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna_bridge.space.search_space import Parameter, SearchSpace
from optuna_bridge.space.when import shown


def conflict_of_presence(old: Parameter | None, new: Parameter | None) -> str | None:
    """Return why a parameter cannot be added (old is None) or left out (new is None), or None."""
    given = old if new is None else new
    if given is None or not given.get("when"):
        return None
    return (
        "it is new, and has conditions, but trials so far would need one value"
        if old is None
        else "it has conditions, and can only be retired if it has none"
    )


def conflict_of_conditions(
    old: Parameter, new: Parameter, stored: SearchSpace, given: SearchSpace
) -> str | None:
    """Return why the conditions of a parameter cannot change as given; None if they can.

    Args:
        old: The parameter of all versions so far.
        new: The same parameter, as it is requested.
        stored: The space of all versions so far.
        given: The requested space.
    """
    before, after = old.get("when") or {}, new.get("when") or {}
    for parent in {**before, **after}:
        one, other = before.get(parent), after.get(parent)
        if one is None or other is None or not _is_same(parent, one, other, stored, given):
            return (
                f'its condition on "{parent:.80}" is {_shown(one)}, and {_shown(other)} would be '
                "another one for trials so far"
            )
    return None


def union_of_conditions(old: Parameter, new: Parameter) -> Parameter:
    """Return the conditions of both versions, which do not conflict, as a part of a parameter."""
    if not old.get("when"):
        return {}
    return {
        "when": {
            parent: wanted
            if isinstance(wanted, Mapping)
            else [*wanted, *(each for each in new["when"][parent] if each not in wanted)]
            for parent, wanted in old["when"].items()
        }
    }


def _is_same(parent: str, one: Any, other: Any, stored: SearchSpace, given: SearchSpace) -> bool:
    """Return whether both conditions hold for the same ones of the values in both spaces."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return bool(one == other)
    return _common(one, parent, given) == _common(other, parent, stored)


def _common(wanted: Sequence[Any], parent: str, space: SearchSpace) -> set[Any]:
    return {each for each in wanted if space.value_fault(parent, each) is None}


def _shown(wanted: Any) -> str:
    return "none" if wanted is None else shown(wanted)
