"""The points of a search space: which are the same, how many there are, and all of them."""

import hashlib
import struct
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import product
from math import prod
from uuid import UUID

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from studies.search_space import SearchSpace

MAX_POINTS = 100_000  # a space with more is treated as endless

Point = tuple[float, ...]


class Points:
    """The points of a space, each told by its values: a step by its index, a choice by its own.

    So 0.1 + 0.2 and 0.3 are the same where the step is 0.1.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._distributions = list(space.distributions.values())

    def point(self, internal_params: Sequence[float | None]) -> Point | None:
        """The point of a trial's parameters; None while one is missing."""
        if any(value is None for value in internal_params):
            return None
        pairs = zip(self._distributions, internal_params, strict=True)
        return tuple(_place(distribution, float(value or 0.0)) for distribution, value in pairs)

    @cached_property
    def n(self) -> int | None:
        """How many there are; None: endless, or more than `MAX_POINTS`."""
        counts = [_count(distribution) for distribution in self._distributions]
        n = None if None in counts else prod(count for count in counts if count)
        return n if n is not None and n <= MAX_POINTS else None

    def others(self, *taken: Collection[Point | None]) -> Iterator[list[float]]:
        """The internal parameters of all points but those taken; of a space that is not endless."""
        for params in self._all():
            point = self.point(params)
            if not any(point in each for each in taken):
                yield params

    def _all(self) -> Iterator[list[float]]:
        axes = [_values(distribution) for distribution in self._distributions]
        return (list(params) for params in product(*axes))


def point_hash(point: Point) -> UUID:
    """128 bits of a point, the same in every process."""
    packed = struct.pack(f"<{len(point)}d", *point)
    return UUID(bytes=hashlib.blake2b(packed, digest_size=16).digest())


def _place(distribution: BaseDistribution, value: float) -> float:
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return float(round((value - distribution.low) / distribution.step))
    return value + 0.0  # there is one zero


def _count(distribution: BaseDistribution) -> int | None:
    if distribution.single():
        return 1
    match distribution:
        case CategoricalDistribution():
            return len(distribution.choices)
        case FloatDistribution(step=None):
            return None
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    return round((high - low) / step) + 1


def _values(distribution: BaseDistribution) -> list[float]:
    n = _count(distribution)
    if n is None:
        raise ValueError(f"{distribution} has endlessly many values")
    if isinstance(distribution, CategoricalDistribution):
        return [float(index) for index in range(n)]
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    step = getattr(distribution, "step", None) or 0
    return [float(min(low + index * step, high)) for index in range(n)]
