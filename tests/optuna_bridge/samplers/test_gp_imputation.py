"""What `gp` models of parameters that are not active: a constant, which makes no difference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna._gp.search_space import SearchSpace as NormalizedSpace
from optuna.trial import create_trial

from optuna_bridge.samplers.centre import centre
from optuna_bridge.samplers.gp.imputation import Imputation, NormalizedImputation
from optuna_bridge.space.search_space import SearchSpace
from tests.support.conditional_spaces import OPTIMIZERS, conditional_spaces

SPACE = SearchSpace(OPTIMIZERS)


def normalized(space: SearchSpace) -> tuple[NormalizedSpace, NormalizedImputation]:
    """The space that is modelled, without constants, as the sampler gives it."""
    modelled = {name: each for name, each in space.distributions.items() if not each.single()}
    return NormalizedSpace(modelled), Imputation(space).on(modelled)


@settings(max_examples=60, deadline=None)
@given(parameters=conditional_spaces(), seed=st.integers(0, 2**32 - 1))
def test_only_active_parameters_differ_from_the_constants(
    parameters: list[dict[str, Any]], seed: int
) -> None:
    space = SearchSpace(parameters).as_sampled
    if all(each.single() for each in space.distributions.values()):
        return
    points, imputation = normalized(space)
    x = points.sample_normalized_params(16, np.random.RandomState(seed))
    constants = centre(space.distributions)
    for point, imputed in zip(x, imputation.of_array(x), strict=True):
        params = constants | points.get_unnormalized_param(point)
        expected = constants | space.active_only(params)
        found = constants | points.get_unnormalized_param(imputed)
        assert space.to_internal(found) == pytest.approx(space.to_internal(expected), rel=1e-9)


def test_inactive_parameters_have_no_gradient() -> None:
    torch = pytest.importorskip("torch")
    points, imputation = normalized(SPACE)
    x = torch.tensor(points.sample_normalized_params(32, np.random.RandomState(0)))
    x.requires_grad_(True)
    imputed = imputation.of_tensor(x)
    np.testing.assert_allclose(imputed.detach().numpy(), imputation.of_array(x.detach().numpy()))
    imputed.sum().backward()
    is_kept = x.grad.numpy() != 0
    assert 0 < is_kept.mean() < 1
    np.testing.assert_array_equal(imputed.detach().numpy()[is_kept], x.detach().numpy()[is_kept])
    unchanged = imputation.of_array(imputed.detach().numpy())
    np.testing.assert_allclose(unchanged, imputed.detach().numpy())


def test_trials_are_copied_with_constants() -> None:
    params = {"optimizer": "adam", "layers": 1, "rate": 0.1}
    distributions = {name: SPACE.distributions[name] for name in params}
    trial = create_trial(params=params, distributions=distributions, value=1.0)
    [imputed] = Imputation(SPACE).imputed([trial])
    assert imputed.params == {
        **params, "momentum": 0.495, "width": 40, "schedule": "step", "period": 5,
    }  # fmt: skip
    assert trial.params == params
