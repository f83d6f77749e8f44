"""Curves of the best value so far, and distributions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison.curves import (
    MAX_POINTS,
    MAX_SHARES,
    best_so_far,
    distribution,
    hypervolume_so_far,
)

NUMBERS = st.lists(st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0, float("inf")]), max_size=40)


@given(NUMBERS, st.sampled_from([1.0, -1.0]), st.floats(-1e3, 1e3))
def test_curve_is_the_best_of_all_before(values: list[float], sign: float, target: float) -> None:
    at = np.arange(1.0, len(values) + 1)
    curve = best_so_far(np.array(values) * sign, sign, at, len(values) + 1.0)
    pick = min if sign == 1 else max
    expected = [pick(values[: index + 1]) for index in range(len(values))]
    drawn = [curve.values[curve.at <= place][-1] for place in at]
    assert drawn == expected
    assert curve.final == (expected[-1] if expected else None)
    is_reached = [each * sign <= target * sign for each in expected]
    assert curve.reached(target, sign) == (is_reached.index(True) + 1 if any(is_reached) else None)
    assert curve.points[-1:] == ([(len(values) + 1, expected[-1])] if expected else [])


def test_long_curve_keeps_its_ends() -> None:
    n = 5 * MAX_POINTS
    curve = best_so_far(-np.arange(n, dtype=float), -1.0, np.arange(1.0, n + 1), n + 9.0)
    points = curve.points
    assert len(points) == MAX_POINTS
    assert (points[0], points[-2], points[-1]) == ((1, 0), (n, n - 1), (n + 9, n - 1))
    assert all(value == place - 1 for place, value in points[:-1])


@given(NUMBERS)
def test_distribution_counts_the_values_up_to_each(values: list[float]) -> None:
    finite = [each for each in values if each != float("inf")]
    assert distribution(np.array(values)) == [
        (value, sum(each <= value for each in finite) / len(finite))
        for value in sorted(set(finite))
    ]


def test_distribution_of_many_values_is_exact_where_it_is_shown() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    points = distribution(values)
    assert len(points) == MAX_SHARES
    assert points[0][0] == values.min()
    assert points[-1][0] == values.max()
    assert all(share == (values <= value).mean() for value, share in points)


def test_hypervolume_begins_at_nothing() -> None:
    losses = np.array([[2.0, 2.0], [0.5, 0.5], [0.25, 0.75], [0.5, 0.5]])
    curve = hypervolume_so_far(losses, np.array([1.0, 1.0]), np.arange(1.0, 5), 4.0)
    assert [list(point) for point in curve.points] == [[1, 0], [2, 0.25], [3, 0.3125], [4, 0.3125]]
