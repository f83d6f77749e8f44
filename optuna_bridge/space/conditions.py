"""Conditions: the values of other parameters with which a trial has a parameter.

A parameter is active if all of its conditions hold; a parameter without conditions always is. A
condition on a parameter that is not active itself does not hold. Trials have the active parameters
only, as in an objective of Optuna's that suggests a parameter within an `if`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np

Interval = tuple[float, float]


class Condition:
    """The values of one parameter, the parent, with which another one is active.

    Attributes:
        parent: The name of the parent.
        intervals: The values in Optuna's internal representation, both ends included, increasing.
    """

    def __init__(self, parent: str, intervals: Sequence[Interval]) -> None:
        self.parent, self.intervals = parent, intervals
        self._lows, self._highs = ([each[end] for each in intervals] for end in (0, 1))

    def holds(self, value: float | None) -> bool:
        """Return whether it holds for a value of the parent; None if the parent has none."""
        if value is None:
            return False
        index = bisect_right(self._lows, value) - 1
        return index >= 0 and value <= self._highs[index]

    def mask(self, values: np.ndarray) -> np.ndarray:
        """Return where it holds for values of the parent; NaN if the parent has none."""
        index = np.searchsorted(self._lows, values, side="right") - 1
        found: np.ndarray = (index >= 0) & (values <= np.array(self._highs)[index])
        return found


class Conditions:
    """The conditions of a space's parameters.

    Attributes:
        order: The parameters, each after those on which it depends, else as in the space.
    """

    def __init__(self, names: Iterable[str], conditions: Mapping[str, Sequence[Condition]]) -> None:
        self._of = conditions
        self.names = list(names)
        parents = {name: [each.parent for each in conditions[name]] for name in conditions}
        self.order = in_order(self.names, parents) if parents else self.names

    def __bool__(self) -> bool:
        return bool(self._of)

    def of(self, name: str) -> Sequence[Condition]:
        return self._of.get(name, ())

    @cached_property
    def always_active(self) -> list[str]:
        """The parameters without conditions, which all trials have, in the order of the space."""
        return [name for name in self.names if name not in self._of]

    def transitive(self, names: Iterable[str]) -> list[Condition]:
        """Return the conditions that hold where all of these parameters are active."""
        found: list[Condition] = []
        pending, seen = list(names), set()
        while pending:
            name = pending.pop(0)
            if name not in seen:
                seen.add(name)
                found += self.of(name)
                pending += [each.parent for each in self.of(name)]
        return found

    def is_active(self, name: str, internal: Mapping[str, float]) -> bool:
        """Return whether a parameter is active, given the values of all active parents."""
        return all(each.holds(internal.get(each.parent)) for each in self.of(name))

    def active(self, internal: Sequence[float | None]) -> list[bool]:
        """Return which parameters are active with these values, in the order of the space.

        The value of a parameter that is not active counts as missing.
        """
        given = dict(zip(self.names, internal, strict=True))
        known: dict[str, float] = {}
        active = set()
        for name in self.order:
            if self.is_active(name, known):
                active.add(name)
                if (value := given[name]) is not None:
                    known[name] = value
        return [name in active for name in self.names]

    def masks(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return where each parameter that has conditions is active.

        Args:
            values: The values of each parent, in arrays of one shape; NaN if it has none.
        """
        found: dict[str, np.ndarray] = {}
        for name in self.order:
            for each in self.of(name):
                holds = each.mask(values[each.parent])
                if each.parent in found:
                    holds &= found[each.parent]
                found[name] = found[name] & holds if name in found else holds
        return found

    @cached_property
    def n_conditions(self) -> int:
        """The number of conditions of all parameters."""
        return sum(map(len, self._of.values()))

    @cached_property
    def parents(self) -> list[str]:
        """The parameters on which others depend, in the order of the space."""
        found = {each.parent for some in self._of.values() for each in some}
        return [name for name in self.names if name in found]


class CircularConditions(ValueError):
    """Parameters depend on each other in a circle; its argument are their names."""


def in_order(names: Sequence[str], parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names, each after its parents, else in the given order.

    Raises:
        CircularConditions
    """
    position = {name: index for index, name in enumerate(names)}
    children: dict[str, list[str]] = {name: [] for name in names}
    n_open = {name: len(set(parents.get(name, ()))) for name in names}
    for name in names:
        for parent in set(parents.get(name, ())):
            children[parent].append(name)
    ready = [position[name] for name in names if not n_open[name]]
    heapify(ready)
    order = []
    while ready:
        name = names[heappop(ready)]
        order.append(name)
        for child in children[name]:
            n_open[child] -= 1
            if not n_open[child]:
                heappush(ready, position[child])
    if len(order) < len(names):
        raise CircularConditions(list(_circle(parents, set(names) - set(order), names)))
    return order


def _circle(
    parents: Mapping[str, Sequence[str]], left: set[str], names: Sequence[str]
) -> Iterator[str]:
    """Yield the names of a circle, each before the one on which it depends."""
    path: dict[str, None] = {}
    name = next(each for each in names if each in left)
    while name not in path:
        path[name] = None
        name = next(each for each in parents[name] if each in left)
    listed = list(path)
    yield from [*listed[listed.index(name) :], name]
