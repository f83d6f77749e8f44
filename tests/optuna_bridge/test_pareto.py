"""The gain of hypervolume by one more point."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume

from optuna_bridge.pareto import hypervolume_gain, undominated
from trials.models.improvement import MAX_FRONT


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_gain_is_the_difference_of_hypervolumes(data: st.DataObject) -> None:
    objectives = data.draw(st.integers(2, 4))
    one = st.lists(st.integers(0, 8), min_size=objectives, max_size=objectives)
    points = np.array(data.draw(st.lists(one, min_size=1, max_size=8)), dtype=float)
    reference = np.array(data.draw(one), dtype=float)
    point, others = points[0], points[1:]
    gain = hypervolume_gain(point, others, reference)
    assert gain == hypervolume(points, reference) - hypervolume(others, reference)


def hypervolume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Optuna's, of those points that are better than the reference point."""
    points = points[(points < reference).all(axis=1)]
    return float(compute_hypervolume(points, reference)) if len(points) else 0.0


def test_point_that_is_not_dominated_adds_something_even_if_it_is_rounded() -> None:
    others, reference = np.array([[0.0, 1e-300]]), np.array([1.0, 1.0])
    assert hypervolume_gain(np.array([0.5, 0.0]), others, reference) > 0
    assert hypervolume_gain(np.array([0.5, 1e-300]), others, reference) == 0


@pytest.mark.parametrize("point", [[-np.inf, 0.0], [-1e308, -1e308]])
def test_gain_beyond_all_numbers_is_infinite(point: list[float]) -> None:
    reference = np.array([1e308, 1e308])
    assert hypervolume_gain(np.array(point), np.array([[0.5, 0.5]]), reference) == np.inf


@pytest.mark.parametrize(("objectives", "n"), MAX_FRONT.items())
def test_gain_over_the_largest_front_takes_a_part_of_a_second(objectives: int, n: int) -> None:
    rng = np.random.default_rng(1)
    front = rng.exponential(size=(n, objectives))
    front = 1 - front / np.linalg.norm(front, axis=1, keepdims=True)  # on a sphere
    assert undominated(front).all()
    began = time.process_time()
    hypervolume_gain(np.full(objectives, -0.1), front, np.ones(objectives))  # dominates all
    hypervolume_gain(np.full(objectives, 0.2), front, np.ones(objectives))
    assert time.process_time() - began < 1
