"""What may be wrong with the conditions of parameters."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from optuna.distributions import CategoricalDistribution

from optuna_bridge.space.conditions import CircularConditions, Interval, in_order
from optuna_bridge.space.when import SLACK, ConditionedSpace, Unfit, intervals_of, shown

MAX_FAULTS = 100  # that are listed
MAX_DEPENDENCIES = 100  # parameters on which one depends, also through others


class WhenFault(NamedTuple):
    """What is wrong with the conditions of a parameter.

    Attributes:
        at: The parameter's position in the space.
        path: Where in its `when` it is wrong.
        text: What is wrong.
    """

    at: int
    path: tuple[str | int, ...]
    text: str


def when_faults(space: ConditionedSpace) -> list[WhenFault]:
    """Return what is wrong with the conditions of a space's parameters, whose names are unique.

    The first faults only, if they are many.
    """
    index = {each["name"]: position for position, each in enumerate(space.parameters)}
    whens = {each["name"]: each["when"] for each in space.parameters if "when" in each}
    faults = list(islice(_unknown_parents(index, whens), MAX_FAULTS))
    faults = faults or list(islice(_unfit_conditions(space, index, whens), MAX_FAULTS))
    if faults or not whens:
        return faults
    try:
        order = in_order(list(index), {name: list(when) for name, when in whens.items()})
    except CircularConditions as circle:
        (names,) = circle.args
        text = " → ".join(f'"{each:.80}"' for each in names[:20])
        return [WhenFault(index[names[0]], (), f"the conditions are a circle: {text:.1500}")]
    return list(_contradictions(space, order, index))


def _unknown_parents(
    index: Mapping[str, int], whens: Mapping[str, Mapping[str, Any]]
) -> Iterator[WhenFault]:
    known = ", ".join(index)
    known = known if len(known) <= 300 else f"{known[:300]}…"
    for name, when in whens.items():
        for parent in when:
            if parent not in index:
                text = f"there is no such parameter; the parameters are: {known}"
                yield WhenFault(index[name], (parent,), text)
            elif parent == name:
                text = "a parameter has no condition on itself"
                yield WhenFault(index[name], (parent,), text)


def _unfit_conditions(
    space: ConditionedSpace, index: Mapping[str, int], whens: Mapping[str, Mapping[str, Any]]
) -> Iterator[WhenFault]:
    for name, when in whens.items():
        for parent, wanted in when.items():
            try:
                intervals = intervals_of(space, parent, wanted)
            except Unfit as unfit:
                yield WhenFault(index[name], (parent, *unfit.path), unfit.text)
                continue
            if not _is_reached(space, parent, intervals):
                text = f'"{parent:.80}" is never {shown(wanted)}, so it can never hold'
                yield WhenFault(index[name], (parent,), text)


def _contradictions(
    space: ConditionedSpace, order: Sequence[str], index: Mapping[str, int]
) -> Iterator[WhenFault]:
    """Yield the parameters that can never be active, since what they depend on excludes it."""
    conditions = space.conditions
    needed: dict[str, dict[str, Sequence[Interval]]] = {}  # by parameter, the values of others
    for name in order:
        needed[name] = {}
        for each in conditions.of(name):
            for parent, intervals in [(each.parent, each.intervals), *needed[each.parent].items()]:
                known = needed[name].get(parent)
                both = intervals if known is None else _intersection(known, intervals)
                needed[name][parent] = both
                if known is not None and not _is_reached(space, parent, both):
                    text = (
                        "the conditions can never hold together, since they need different values "
                        f'of "{parent:.80}"'
                    )
                    yield WhenFault(index[name], (), text)
                    return
        if len(needed[name]) > MAX_DEPENDENCIES:
            text = (
                f"it depends on {len(needed[name])} other parameters, also through others, and at "
                f"most {MAX_DEPENDENCIES} are allowed"
            )
            yield WhenFault(index[name], (), text)
            return


def _intersection(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    found, i, k = [], 0, 0
    while i < len(some) and k < len(others):
        low, high = max(some[i][0], others[k][0]), min(some[i][1], others[k][1])
        if low <= high:
            found.append((low, high))
        if some[i][1] < others[k][1]:
            i += 1
        else:
            k += 1
    return found


def _is_reached(space: ConditionedSpace, name: str, intervals: Iterable[Interval]) -> bool:
    """Return whether a parameter has a value in one of the intervals."""
    distribution: Any = space.distributions_as_sampled[name]
    if isinstance(distribution, CategoricalDistribution):
        return any(True for _ in intervals)  # of indexes of choices
    first, last, step = distribution.low, distribution.high, distribution.step
    for low, high in intervals:
        low, high = max(low, first), min(high, last)
        if step is None or first == last:
            reached = low <= high
        else:
            from_low, to_high = (low - first) / step - SLACK, (high - first) / step + SLACK
            reached = low <= high and math.ceil(from_low) <= math.floor(to_high)
        if reached:
            return True
    return False
