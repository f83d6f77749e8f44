"""Models of the sampler gp are equal to Optuna's to the bit, and fitted no more than needed."""

from typing import Any

import numpy as np
import pytest

from optuna_bridge.samplers.registry import SAMPLERS

if SAMPLERS["gp"].missing is not None:
    pytest.skip(SAMPLERS["gp"].missing, allow_module_level=True)

import optuna
import torch
from optuna._gp import gp, prior
from optuna.samplers import GPSampler

from optuna_bridge.samplers.gp.regressor import Fits, Regressor
from optuna_bridge.samplers.gp.sampler import BoundedGPSampler
from tests.optuna_bridge.samplers.test_gp import SPACE, random_trials

OPTIONS: dict[str, Any] = {
    "log_prior": prior.default_log_prior,
    "minimum_noise": prior.DEFAULT_MINIMUM_NOISE_VAR,
    "deterministic_objective": False,
}


def data(n: int, is_categorical: list[bool]) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    x = rng.random((n, len(is_categorical)))
    x[:, is_categorical] = rng.integers(3, size=(n, sum(is_categorical)))
    return {"X": x, "Y": rng.normal(size=n), "is_categorical": np.array(is_categorical)}


@pytest.mark.parametrize(
    "is_categorical",
    [[False, False], [True, True], [True, False, True, True, False]],
    ids=str,
)
def test_kernel_and_its_gradient_equal_optunas(is_categorical: list[bool]) -> None:
    given = data(30, is_categorical)
    n_params = len(is_categorical)
    found = []
    for regressor in (gp.GPRegressor, Regressor):
        model = regressor(
            torch.from_numpy(given["is_categorical"]),
            torch.from_numpy(given["X"]),
            torch.from_numpy(given["Y"]),
            torch.linspace(0.5, 2, n_params, dtype=torch.float64),
            torch.tensor(1.3, dtype=torch.float64),
            torch.tensor(0.1, dtype=torch.float64),
        )
        model._cache_matrix()
        points = torch.from_numpy(data(7, is_categorical)["X"])
        with torch.no_grad():
            values = [model.kernel(), model.kernel(points), model.kernel(points[0], points[0])]
            values += model.posterior(points)
        x = points.clone().requires_grad_(True)
        mean, variance = model.posterior(x)
        (mean.sum() + variance.log().sum()).backward()
        found.append([*values, mean.detach(), variance.detach(), x.grad])
    for stock, ours in zip(*found, strict=True):
        assert torch.equal(stock, ours)


def test_fit_from_the_defaults_is_kept_for_the_next_draw() -> None:
    fits, given = Fits(), data(20, [False, True])
    fits.begin_draw()
    first = fits.fit_kernel_params(**given, **OPTIONS)
    fits.begin_draw()
    second = fits.fit_kernel_params(**given, **OPTIONS)
    assert second is not first
    assert second.kernel_scale is first.kernel_scale
    stock = gp.fit_kernel_params(**given, **OPTIONS)
    assert torch.equal(stock.kernel_scale, second.kernel_scale)
    assert torch.equal(stock.inverse_squared_lengthscales, second.inverse_squared_lengthscales)
    fits.begin_draw()
    fits.fit_kernel_params(**data(21, [False, True]), **OPTIONS)
    fits.begin_draw()
    again = fits.fit_kernel_params(**given, **OPTIONS)
    assert again.kernel_scale is not first.kernel_scale


def test_fit_from_the_last_one_is_done_again() -> None:
    """As in Optuna, since it ends a little further."""
    fits, given = Fits(), data(20, [False, True])
    first = fits.fit_kernel_params(**given, **OPTIONS)
    second = fits.fit_kernel_params(**given, gpr_cache=first, **OPTIONS)
    stock = gp.fit_kernel_params(**given, gpr_cache=first, **OPTIONS)
    assert torch.equal(stock.noise_var, second.noise_var)
    assert not torch.equal(first.noise_var, second.noise_var)


@pytest.mark.parametrize("n_constraints", [0, 1])
def test_draws_in_a_row_with_kept_fits_equal_stock(n_constraints: int) -> None:
    """As in a batch of a seeded study: the models are the same, and one more trial runs."""
    trials = random_trials(SPACE, 12, n_constraints=n_constraints)
    asked = []
    for sampler in (GPSampler(seed=1), BoundedGPSampler(SPACE, seed=1)):
        study = optuna.create_study(sampler=sampler)
        study.add_trials(trials)
        params = []
        for _ in range(2):
            sampler._gprs_cache_list = sampler._constraints_gprs_cache_list = None
            params.append(study.ask(SPACE).params)
        asked.append(params)
    assert repr(asked[1]) == repr(asked[0])
