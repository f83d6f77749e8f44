"""The best candidate is found by an approximation, which is as near to Optuna's as it claims."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm

from optuna_bridge.samplers.tpe import normal_table
from optuna_bridge.samplers.tpe.approximation import difference
from optuna_bridge.samplers.tpe.candidates import best_by_optunas_formula, best_candidate
from optuna_bridge.samplers.tpe.mixture import Mixture, SampledSpace, Samples
from optuna_bridge.samplers.tpe.parzen_estimator import BlockwiseParzenEstimator
from tests.optuna_bridge.samplers.test_tpe import KINDS, Space, drawn_value

PARAMETERS = TPESampler()._parzen_estimator_parameters
WIDE = IntDistribution(0, 10**9)
SEVERAL = [
    IntDistribution(0, 10**5),
    *(each for each in KINDS if not each.single() and each != WIDE),
]
FLOATS: Space = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, where a probability is lost
        yield


def mixture(rng: np.random.Generator, space: Space, n: int, n_points: int = 10**6) -> Mixture:
    """Of n trials at random points, of which some are equal if there are fewer points."""
    points = [[each.to_internal_repr(drawn_value(rng, each)) for each in space.values()]
              for _ in range(min(n, n_points))]  # fmt: skip
    chosen = np.array(points).reshape(-1, len(space))[rng.integers(len(points), size=n)] if n else (
        np.empty((0, len(space)))
    )  # fmt: skip
    return of_points(space, chosen)


def of_points(space: Space, points: np.ndarray, **changed: Any) -> Mixture:
    observed = dict(zip(space, points.T, strict=True))
    return Mixture(SampledSpace(space), observed, PARAMETERS._replace(**changed))


def exact(samples: Samples, good: Mixture, bad: Mixture) -> np.ndarray:
    of_good, of_bad = (BlockwiseParzenEstimator.of(each).log_pdf(samples) for each in (good, bad))
    return of_good - of_bad


@settings(max_examples=80, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_approximation_is_within_its_error(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = data.draw(st.lists(st.sampled_from(SEVERAL), min_size=1, max_size=12))
    space = {f"p{i}": each for i, each in enumerate(chosen)}
    n_points = data.draw(st.sampled_from([5, 10**6]))
    good = mixture(rng, space, data.draw(st.integers(0, 60)), n_points)
    bad = mixture(rng, space, data.draw(st.sampled_from([0, 1, 7, 90, 600])), n_points)
    samples = good.sample(np.random.RandomState(seed), data.draw(st.sampled_from([1, 24, 60])))
    expected, found = exact(samples, good, bad), difference(samples, good, bad)
    if found is not None:
        assert np.abs(found.values - expected).max() < found.error / 2
    else:
        assert has_sample_at_a_bound(samples, space)
    assert best_candidate(samples, good, bad) == int(np.argmax(expected))


def has_sample_at_a_bound(samples: Samples, space: Space) -> bool:
    """Whether rounding may have moved one beyond it."""
    return any(
        np.isclose(samples[name], (each.low, each.high)[end], rtol=1e-12).any()
        for name, each in space.items()
        if isinstance(each, FloatDistribution | IntDistribution)
        for end in (0, 1)
    )


def test_approximation_of_many_is_within_its_error() -> None:
    """Of so many that their kernels are computed in groups."""
    rng = np.random.default_rng(1)
    space = {f"p{i}": SEVERAL[i % len(SEVERAL)] for i in range(500)}
    good, bad = mixture(rng, space, 25), mixture(rng, space, 5000, n_points=60)
    assert len(good.space.groups(5000)) > 1
    samples = good.sample(np.random.RandomState(0), 24)
    found = difference(samples, good, bad)
    assert found is not None
    assert np.abs(found.values - exact(samples, good, bad)).max() < found.error / 2


def test_close_candidates_are_compared_by_optunas_formula() -> None:
    rng = np.random.default_rng(0)
    good, bad = mixture(rng, FLOATS, 10), mixture(rng, FLOATS, 50)
    samples = {name: np.full(24, 0.5) for name in FLOATS}
    samples["x"] = samples["x"] + np.arange(24) * 1e-15
    found = difference(samples, good, bad)
    assert found is not None
    assert np.ptp(found.values) < found.error
    assert best_candidate(samples, good, bad) == best_by_optunas_formula(samples, good, bad)


def test_first_of_equal_candidates_is_the_best() -> None:
    space: Space = {"kind": CategoricalDistribution("abc")}
    good, bad = of_points(space, np.array([[1.0], [1.0]])), of_points(space, np.array([[0.0]]))
    samples = {"kind": np.array([0.0, 1.0, 2.0, 1.0])}
    assert best_candidate(samples, good, bad) == 1


def test_steps_too_small_for_the_table_are_not_approximated() -> None:
    rng = np.random.default_rng(0)
    space = {"n": WIDE, **FLOATS}
    good, bad = mixture(rng, space, 10), mixture(rng, space, 50)
    samples = good.sample(np.random.RandomState(0), 24)
    assert difference(samples, good, bad) is None
    assert best_candidate(samples, good, bad) == best_by_optunas_formula(samples, good, bad)


@pytest.mark.parametrize("outside", [-0.1, 7.0, np.inf])
def test_values_outside_the_range_are_not_approximated(outside: float) -> None:
    rng = np.random.default_rng(0)
    points = rng.random((30, 2))
    points[3, 1] = outside
    good, bad = mixture(rng, FLOATS, 10), of_points(FLOATS, points)
    samples = good.sample(np.random.RandomState(0), 24)
    assert difference(samples, good, bad) is None
    assert best_candidate(samples, good, bad) == best_by_optunas_formula(samples, good, bad)


def test_kernels_without_a_least_width_are_not_approximated() -> None:
    rng = np.random.default_rng(0)
    good = mixture(rng, FLOATS, 10)
    bad = of_points(FLOATS, rng.random((30, 2)), consider_magic_clip=False)
    samples = good.sample(np.random.RandomState(0), 24)
    assert difference(samples, good, bad) is None


def test_table_has_the_logarithm_of_the_normal_probability() -> None:
    t = np.concatenate([np.linspace(0, 102, 20_001), np.random.default_rng(0).random(5000) * 5])
    errors = np.abs(normal_table.log_tail(t) - _truncnorm._log_ndtr(-t))
    assert errors.max() < normal_table.ERROR


@pytest.mark.parametrize("width", [0.01, 1.0, 20.0])
def test_mass_is_nearly_exact(width: float) -> None:
    a = np.linspace(-80, 80 - width, 3001)
    expected = _truncnorm._log_gauss_mass(a, a + width)
    assert np.abs(normal_table.log_mass(a, a + width) - expected).max() < 1e-9


def test_kernels_of_equal_values_are_found() -> None:
    distribution: BaseDistribution = IntDistribution(0, 20)
    rng = np.random.default_rng(0)
    space = {"n": distribution, "m": distribution}
    good, bad = mixture(rng, space, 5), mixture(rng, space, 3000)
    samples = good.sample(np.random.RandomState(0), 24)
    found = difference(samples, good, bad)
    assert found is not None
    assert np.abs(found.values - exact(samples, good, bad)).max() < found.error / 2
