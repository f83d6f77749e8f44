"""The evaluation of constraints at many points at a time.

It is the arithmetic of floats with 64 bits, as Python's, in the order in which the text is written.
A division by zero makes a comparison false.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from optuna_bridge.space.parameter_constraints.parser import (
    NEGATE,
    Comparison,
    Operation,
    ParsedConstraint,
)


class Column(NamedTuple):
    """A parameter at each point; NaN where it is missing.

    Attributes:
        values: Its values, in Optuna's internal representation.
        numbers: The numbers that they count with in constraints, if they are numbers.
    """

    values: np.ndarray
    numbers: np.ndarray


Columns = Mapping[str, Column]

_WORST = 1e6  # the excess where a comparison has none, after a division by zero
_TINY = 1e-300  # the excess of `<` where both sides are equal
_LEAST = 1e-9  # so that no excess vanishes beside its scale


def _divide(left: Any, right: Any) -> Any:
    return np.where(right == 0, np.nan, np.divide(left, right))


_ARITHMETIC: Mapping[Any, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": lambda left, right: (left < right) | (left > right),  # false for NaN
}


def hold(constraints: Sequence[ParsedConstraint], columns: Columns, n: int) -> np.ndarray:
    """Return at which of n points all these constraints hold.

    A constraint does not apply where one of its parameters is not active or missing, be it in
    `columns` or, as NaN, at a point.
    """
    found = np.ones(n, dtype=bool)
    with np.errstate(all="ignore"):
        for each in constraints:
            if all(name in columns for name in each.all_names):
                found &= _holds(each, columns)
    return found


def _holds(constraint: ParsedConstraint, columns: Columns) -> Any:
    holds: Any = True
    for each in constraint.comparisons:
        left, right = (_value(side, columns) for side in (each.left, each.right))
        holds = holds & _COMPARISONS[each.operator](left, right)
    for name in constraint.names:
        holds = holds | np.isnan(columns[name].numbers)
    return holds | ~_applies(constraint, columns)


def _applies(constraint: ParsedConstraint, columns: Columns) -> np.ndarray:
    """Return where the conditions of its parameters hold."""
    applies = np.array(True)
    for each in constraint.conditions:
        applies = applies & each.mask(columns[each.parent].values)
    return applies


def excesses(constraints: Sequence[ParsedConstraint], columns: Columns, n: int) -> np.ndarray:
    """Return by how much each comparison is exceeded at n points: (comparisons, n); 0 if it holds.

    All parameters must have a column.
    """
    with np.errstate(all="ignore"):
        return np.array(
            [
                np.broadcast_to(np.where(applies, _excess(each, columns), 0.0), n)
                for constraint in constraints
                for applies in [_applies(constraint, columns)]
                for each in constraint.comparisons
            ]
        )


def _excess(comparison: Comparison, columns: Columns) -> np.ndarray:
    left, right = (_value(side, columns) for side in (comparison.left, comparison.right))
    holds = _COMPARISONS[comparison.operator](left, right)
    excess = np.nan_to_num(np.abs(left - right), nan=np.inf, posinf=np.inf)
    return np.where(holds, 0.0, np.maximum(excess, _TINY))


def total_excess(found: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return the sum of the comparisons' excesses at each point, each relative to its scale."""
    relative = np.minimum(found / scales[:, None], _WORST)
    total: np.ndarray = np.where(found > 0, relative + _LEAST, 0.0).sum(axis=0)
    return total


def _value(operations: Sequence[Operation], columns: Columns) -> Any:
    stack: list[Any] = []
    for each in operations:
        if isinstance(each, tuple):
            stack.append(columns[each[0]].numbers)
        elif isinstance(each, float):
            stack.append(np.float64(each))
        elif each == NEGATE:
            stack.append(-stack.pop())
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(_ARITHMETIC[each](left, right))
    return stack.pop()
