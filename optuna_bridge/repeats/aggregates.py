"""Repeats of noisy objectives: how the results of one point's evaluations become one result."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study

MIN_REPEATS, MAX_REPEATS = 2, 100
_SCALE = 2.0**20  # a power of two, so that huge numbers are scaled exactly


def _mean(losses: Sequence[float]) -> float:
    if any(map(math.isinf, losses)):  # of infinities of both signs there is no mean
        return max(losses) if math.inf in losses else -math.inf
    try:
        return math.fsum(losses) / len(losses)
    except OverflowError:  # of their sum
        scaled = math.fsum(each / _SCALE for each in losses) / len(losses)
        return min(max(scaled, min(losses) / _SCALE), max(losses) / _SCALE) * _SCALE


def _median(losses: Sequence[float]) -> float:
    ordered = sorted(losses)
    return _mean(ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1])


# By name: how losses (less is better) become one.
AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": _mean,
    "median": _median,
    "worst": max,
}


@dataclass(frozen=True)
class Repeats:
    """How often each point is evaluated, and how the values of its repeats become one."""

    n: int
    aggregate: str

    def of(self, values: Sequence[Sequence[float]], signs: Sequence[float]) -> list[float]:
        """Return the aggregate of each objective.

        Args:
            values: The values of each repeat, of shape (repeats, objectives); at least one.
            signs: The factor for each objective that turns its values into losses.
        """
        aggregate = AGGREGATES[self.aggregate]
        columns = zip(*values, strict=True)
        return [
            sign * aggregate([sign * value for value in column]) + 0.0  # which is never -0.0
            for sign, column in zip(signs, columns, strict=True)
        ]

    def of_constraints(self, constraints: Sequence[Sequence[float]]) -> list[float]:
        """Return the aggregate of each constraint, of which less is better."""
        return self.of(constraints, [1.0] * len(constraints[0]))

    def of_steps(self, curves: Sequence[Mapping[int, float]], sign: float) -> dict[int, float]:
        """Return the aggregate of intermediate values at each step that all repeats reported."""
        common = set.intersection(*(set(curve) for curve in curves))
        values = {step: [curve[step] for curve in curves] for step in sorted(common)}
        return {
            step: math.nan
            if any(map(math.isnan, each))
            else self.of([[v] for v in each], [sign])[0]
            for step, each in values.items()
        }


def seed_of(index: int) -> int:
    """Return the seed of a repeat: 31 bits, the same for this repeat of each point.

    Points that are compared under the same seeds (common random numbers) differ by less noise, and
    a retry of a repeat gets the same noise again.
    """
    return int(np.random.SeedSequence(index).generate_state(1)[0]) >> 1


def standard_errors(values: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the standard error of the mean of each objective, of shape (repeats, objectives).

    None for fewer than two repeats, and where it is not finite.
    """
    if len(values) < 2:
        return None
    found = []
    for column in zip(*values, strict=True):
        if not all(map(math.isfinite, column)):
            return None
        largest = max(map(abs, column)) or 1.0  # squares of large values would overflow
        spread = statistics.stdev([value / largest for value in column])
        found.append(spread * largest / math.sqrt(len(column)))
    return found


def point_number(study: Study, number: int) -> int:
    """Return which point of its study a trial's number stands for, as samplers count points.

    The repeats of a point have numbers in a row, of which the first one stands for the point.
    """
    storage: Any = study._storage
    return number // int(getattr(storage, "numbers_per_point", 1))
