"""Log probabilities of the normal distribution are bit for bit equal to Optuna's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.probability_distributions import (
    _BatchedDiscreteTruncNormDistributions,
    _BatchedTruncNormDistributions,
    _log_gauss_mass_unique,
    _MixtureOfProductDistribution,
)

from optuna_bridge.samplers.tpe import truncated_normal
from optuna_bridge.samplers.tpe.numerical import Numerical

# Where Optuna goes from one formula to another, and where a probability is lost.
TURNS = [0.0, 1.0, 2**0.5, 6.0, 6 * 2**0.5, 8.4, 8.5, 9.0, 20.0, 38.0, 1e3]


def drawn(rng: np.random.Generator, n: int, scale: float) -> np.ndarray:
    x = rng.normal(0, scale, n)
    is_turn = rng.random(n) < 0.2
    turns = rng.choice(TURNS, n) * rng.choice([-1, 1], n) + rng.normal(0, 1e-9, n).round(9)
    return np.where(is_turn, turns, x)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 24, 500, 1999, 2000, 5000]),
    scale=st.sampled_from([0.1, 1.0, 5.0, 50.0]),
)
def test_probabilities_equal_optunas(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.sort([drawn(rng, n, scale), drawn(rng, n, scale)], axis=0)
    around = -np.abs(a), np.abs(b) + 1e-12  # the mean within, as of nearly all kernels
    with np.errstate(all="ignore"):
        assert_same(truncated_normal.ndtr(a, of=n), _truncnorm._ndtr(a))
        assert_same(truncated_normal.log_ndtr(a), _truncnorm._log_ndtr(a))
        for low, high in ((a, b), around):
            expected = _truncnorm._log_gauss_mass(low, high)
            assert_same(truncated_normal.log_gauss_mass(low, high), expected)
        repeated = np.resize(a, (3, n)), np.resize(b, (3, n))
        ours = truncated_normal.log_gauss_mass_unique(*repeated)
        assert_same(ours, _log_gauss_mass_unique(*repeated))


@pytest.mark.parametrize("n", [1, 30, 2500])
def test_samples_equal_optunas(n: int) -> None:
    rng = np.random.default_rng(n)
    mu, sigma = rng.uniform(0, 10, n), rng.uniform(0.05, 10, n)
    mixture = _MixtureOfProductDistribution(
        np.full(n, 1 / n),
        [
            _BatchedTruncNormDistributions(mu, sigma, 0, 10),
            _BatchedDiscreteTruncNormDistributions(mu, sigma, 0, 10, 1),
        ],
    )
    ours, stock = np.random.RandomState(3), np.random.RandomState(3)
    active = ours.choice(n, p=mixture.weights, size=500)
    numerical = Numerical({"x": FloatDistribution(0, 10), "n": IntDistribution(0, 10)})
    drawn = np.array([mu[active]] * 2), np.array([sigma[active]] * 2)
    values = truncated_normal.draw(numerical, *drawn, ours.random_sample((2, 500)))
    assert_same(values.T, mixture.sample(stock, 500))
    assert ours.random() == stock.random()


def assert_same(ours: Any, stock: Any) -> None:
    assert np.array_equal(ours, stock, equal_nan=True), ours[ours != stock]
