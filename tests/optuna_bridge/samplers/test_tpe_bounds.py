"""Beyond stated sizes, TPE learns from fewer trials, and splits a front by a cheaper rule."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers._tpe.sampler import _get_reference_point, _solve_hssp_with_cache
from optuna.trial import create_trial

from optuna_bridge.samplers.best_trials import best_first
from optuna_bridge.samplers.tpe.bounds import max_kernels
from optuna_bridge.samplers.tpe.sampler import ColumnTPESampler
from optuna_bridge.samplers.tpe.split import _crowding_distances, _spread_over_front
from tests.optuna_bridge.samplers.test_tpe import InColumns

FLOAT = FloatDistribution(0, 1)
SPACE: dict[str, BaseDistribution] = {"x": FLOAT, "y": FLOAT}


@pytest.mark.parametrize(
    ("distribution", "n_params", "n_candidates", "expected"),
    [
        (FLOAT, 20, 24, 99_999),
        (FLOAT, 1000, 24, 20_833),
        (FLOAT, 1000, 1000, 500),
        (CategoricalDistribution(range(1000)), 1000, 24, 20_833),
        (IntDistribution(0, 10**9), 20, 24, 10_416),
        (IntDistribution(0, 10**9), 1000, 24, 208),
        (IntDistribution(0, 99), 1000, 24, 99_999),  # equal kernels are computed once
    ],
)
def test_density_has_a_bounded_number_of_kernels(
    distribution: BaseDistribution, n_params: int, n_candidates: int, expected: int
) -> None:
    assert max_kernels([distribution] * n_params, n_candidates) == expected


def suggestions(points: np.ndarray, most: int) -> list[dict[str, Any]]:
    """Ask with several seeds after trials at these points, of which those with a low x are good."""
    storage = InColumns()
    study = optuna.create_study(storage=storage)
    for x, y in points:
        trial = create_trial(value=x, params={"x": x, "y": y}, distributions=SPACE)
        storage.create_new_trial(study._study_id, template_trial=trial)
    storage.fill(SPACE, 1, 0)
    asked = []
    for seed in range(10):
        study.sampler = sampler = ColumnTPESampler(SPACE, seed=seed)
        sampler._max_kernels = most
        asked.append(study.ask(SPACE).params)
    return asked


def test_bad_trials_beyond_the_bound_do_not_count() -> None:
    points = np.random.default_rng(0).random((100, 2))
    points[:30, 0] = 0.2  # early, and not among the best
    points[40:60, 0] /= 10
    others = points.copy()
    others[:30, 1] = 0.75
    assert suggestions(points, 60) == suggestions(others, 60)
    assert suggestions(points, 100) != suggestions(others, 100)


def test_good_trials_beyond_the_bound_count() -> None:
    points = np.random.default_rng(0).random((100, 2))
    points[:5, 0] = 0  # the best, and the earliest
    others = points.copy()
    others[:5, 1] = 0.9
    assert suggestions(points, 60) != suggestions(others, 60)


def front(n: int, n_objectives: int) -> np.ndarray:
    losses = np.abs(np.random.default_rng(n).normal(size=(n, n_objectives)))
    return -losses / np.linalg.norm(losses, axis=1, keepdims=True)


@pytest.mark.parametrize("n_objectives", [2, 3, 10])
def test_small_front_is_split_as_optuna_does(n_objectives: int) -> None:
    losses, positions = front(50, n_objectives), np.arange(100, 150)
    expected = _solve_hssp_with_cache(
        tuple(losses.ravel()), tuple(positions), 5, tuple(_get_reference_point(losses))
    )
    assert np.array_equal(_spread_over_front(losses, positions, 5), expected)


@pytest.mark.parametrize(
    ("n_objectives", "n", "n_chosen"),
    [
        (4, 800, 80),
        (5, 300, 30),
        (6, 150, 15),
        (7, 110, 11),
        (8, 90, 9),
        (9, 80, 8),
        (10, 2000, 200),
    ],
)
def test_large_front_is_split_by_crowding(n_objectives: int, n: int, n_chosen: int) -> None:
    losses = front(n, n_objectives)
    chosen = _spread_over_front(losses, np.arange(n), n_chosen)
    distances = _crowding_distances(losses)
    assert len(set(chosen)) == n_chosen
    assert min(distances[chosen]) >= max(np.delete(distances, chosen))
    if n_chosen >= 2 * n_objectives:  # both ends of each
        assert set(losses.argmin(axis=0)) <= set(chosen)


def test_crowding_distance_is_that_of_nsga2() -> None:
    losses = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [2.0, 1.0]])
    assert _crowding_distances(losses).tolist() == [
        np.inf,
        2 / 4 + 3 / 4,
        np.inf,
        3 / 4 + 3 / 4,
    ]


def test_best_first_of_one_objective_orders_by_violation_and_loss() -> None:
    losses = np.array([[3.0], [1.0], [2.0], [1.0], [0.0]])
    violations = np.array([0.0, 0.0, 2.0, 0.0, 1.0])
    assert best_first(losses, violations).tolist() == [1, 3, 0, 4, 2]


def test_best_first_of_several_objectives_takes_ends_and_middle() -> None:
    losses = np.array([[0.0, 9.0], [9.0, 0.0], [2.0, 2.0], [5.0, 5.0], [8.0, 8.0]])
    order = best_first(losses, np.zeros(5)).tolist()
    assert order[:3] == [0, 1, 2]
    assert sorted(order) == [0, 1, 2, 3, 4]
