"""After 500 trials, gp with a part of them suggests as well as stock Optuna with all of them."""

import warnings
from collections.abc import Iterator
from math import log10
from statistics import median
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler
from scipy.stats import wilcoxon

from optuna_bridge.samplers.gp.sampler import BoundedGPSampler, max_trials
from optuna_bridge.samplers.registry import SAMPLERS
from tests.accept.test_quality import FUNCTIONS, Function
from tests.support import scaled

pytestmark = [
    pytest.mark.accept,
    pytest.mark.skipif(SAMPLERS["gp"].missing is not None, reason=str(SAMPLERS["gp"].missing)),
]

N_TRIALS = 500
N_ASKS = 5
Space = dict[str, BaseDistribution]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ask_and_tell(study: optuna.Study, function: Function, space: Space, n: int) -> list[float]:
    """Return the regrets."""
    regrets = []
    for _ in range(n):
        trial = study.ask(space)
        value = function.value([trial.params[name] for name in space])
        study.tell(trial, value)
        regrets.append(value - function.minimum)
    return regrets


def regret(function: Function, space: Space, sampler: BaseSampler, seed: int) -> float:
    """Return the lowest regret of the suggestions that follow the same history."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    ask_and_tell(study, function, space, N_TRIALS)
    study.sampler = sampler
    return min(ask_and_tell(study, function, space, N_ASKS))


def test_gp_with_a_part_of_the_trials_is_as_good_as_with_all(record_property: Any) -> None:
    assert max_trials(n_params=6, n_objectives=1, n_constraints=0) < N_TRIALS
    ratios = []  # of both regrets, in decades; above 0 the bounded sampler is worse
    for function in FUNCTIONS.values():
        space: Space = {
            name: FloatDistribution(*bounds)
            for name, bounds in zip(function.names, function.bounds, strict=True)
        }
        for seed in range(scaled(6, 2)):
            stock = GPSampler(seed=seed, warn_independent_sampling=False)
            ours = BoundedGPSampler(space, seed=seed)
            pair = [regret(function, space, each, seed) for each in (ours, stock)]
            ratios.append(log10(max(pair[0], 1e-6)) - log10(max(pair[1], 1e-6)))
    p = wilcoxon(ratios, alternative="greater").pvalue
    record_property("found", f"median {median(ratios):+.2f} decades of regret, p = {p:.2f}")
    assert p > 0.01
    assert median(ratios) < 0.5
