"""The sampler gp equals stock Optuna's on small studies, and has bounds beyond."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import GPSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_bridge.samplers.gp.acquisition import maximize
from optuna_bridge.samplers.gp.large_grids import MAX_GRID, on_grid, relaxed
from optuna_bridge.samplers.gp.sampler import (
    BoundedGPSampler,
    best_and_latest,
    max_trials,
)
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.search_space import SearchSpace

pytestmark = pytest.mark.skipif(
    SAMPLERS["gp"].missing is not None, reason=str(SAMPLERS["gp"].missing)
)

ACCEPT = pytest.mark.accept
Space = dict[str, BaseDistribution]
MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
SPACE: Space = {
    "x": FloatDistribution(0, 1),
    "rate": FloatDistribution(1e-5, 1, log=True),
    "stepped": FloatDistribution(0, 1, step=0.25),
    "units": IntDistribution(1, 100, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "fixed": IntDistribution(3, 3),
}
LARGE: Space = {
    "int": IntDistribution(0, 10**9),
    "all": IntDistribution(-(2**53), 2**53),
    "step": IntDistribution(-5, 10**6, step=3),
    "log": IntDistribution(1, 10**9, log=True),
    "float": FloatDistribution(0, 10_000, step=0.1),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental features
        yield


def random_trials(
    space: Space, n: int, *, n_objectives: int = 1, n_constraints: int = 0, n_running: int = 0
) -> list[FrozenTrial]:
    """Return COMPLETE trials, and then RUNNING ones."""
    trials, rng = [], np.random.default_rng(n)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=n))
    for number in range(n + n_running):
        is_running = number >= n
        trial = create_trial(
            state=TrialState.RUNNING if is_running else TrialState.COMPLETE,
            values=None if is_running else list(rng.normal(size=n_objectives)),
            params=study.ask(space).params,
            distributions=space,
        )
        trial.number = number
        for position in range(0 if is_running else n_constraints):
            trial.set_constraint(str(position), rng.normal())
        trials.append(trial)
    return trials


def suggestion(
    sampler: Any, space: Space, trials: list[FrozenTrial], n_objectives: int = 1
) -> dict[str, Any]:
    storage = InMemoryStorage()
    study = optuna.create_study(
        storage=storage, sampler=sampler, directions=[MINIMIZE, MAXIMIZE][:n_objectives]
    )
    for trial in trials:
        storage.create_new_trial(study._study_id, template_trial=trial)
    return study.ask(space).params


@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {"n_running": 2},
        {"n_constraints": 2},
        {"n_objectives": 2},
        pytest.param({"n_objectives": 2, "n_constraints": 1, "n_running": 1}, marks=ACCEPT),
    ],
    ids=str,
)
def test_gp_equals_stock_below_the_bounds(kinds: dict[str, int]) -> None:
    trials = random_trials(SPACE, 14, **kinds)
    n_objectives = kinds.get("n_objectives", 1)
    stock = GPSampler(seed=1, warn_independent_sampling=False)
    expected = suggestion(stock, SPACE, trials, n_objectives)
    ours = BoundedGPSampler(SPACE, seed=1)
    assert repr(suggestion(ours, SPACE, trials, n_objectives)) == repr(expected)


@pytest.mark.parametrize(
    ("n_params", "n_objectives", "n_constraints", "expected"),
    [
        (5, 1, 0, 300),
        (13, 1, 0, 300),
        (20, 1, 0, 244),
        (100, 1, 0, 109),
        (1000, 1, 0, 34),
        (20, 1, 2, 141),
        (20, 2, 0, 150),
        (20, 3, 0, 100),
        (20, 4, 0, 30),
        (50, 4, 96, 15),
    ],
)
def test_gp_models_a_bounded_number_of_trials(
    n_params: int, n_objectives: int, n_constraints: int, expected: int
) -> None:
    n = max_trials(n_params=n_params, n_objectives=n_objectives, n_constraints=n_constraints)
    assert n == expected


@pytest.mark.parametrize(
    ("n_params", "n_objectives", "n_constraints", "word"),
    [
        (1000, 4, 1, None),
        (1, 5, 0, "4 objectives, not 5"),
        (1000, 4, 2, "1000 times 6"),
        (50, 1, 100, "50 times 101"),
    ],
)
def test_gp_takes_studies_up_to_a_size(
    n_params: int, n_objectives: int, n_constraints: int, word: str | None
) -> None:
    parameters = [
        {"type": "float", "name": str(k), "low": 0.0, "high": 1.0} for k in range(n_params)
    ]
    study = StudyTraits(SearchSpace(parameters), n_objectives, n_constraints, options={})
    fault = SAMPLERS["gp"].fault_of_study(study)
    assert fault is None if word is None else word in str(fault)


def numbers_of(trials: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


def trials_with(
    values: list[list[float]], violations: dict[int, float] | None = None
) -> list[FrozenTrial]:
    trials = [create_trial(values=each) for each in values]
    for number, trial in enumerate(trials):
        trial.number = number
        if violations is not None:
            trial.set_constraint("c", violations.get(number, -1.0))
    return trials


def test_modelled_are_the_best_and_the_latest() -> None:
    trials = trials_with([[float(value)] for value in (5, 0, 9, 1, 8, 2, 7, 6)])
    assert numbers_of(best_and_latest(trials, 4, [MINIMIZE])) == [1, 3, 6, 7]
    assert numbers_of(best_and_latest(trials, 4, [MAXIMIZE])) == [2, 4, 6, 7]
    assert numbers_of(best_and_latest(trials, 3, [MINIMIZE])) == [1, 6, 7]
    assert best_and_latest(trials, 8, [MINIMIZE]) == trials


def test_modelled_are_feasible_first() -> None:
    trials = trials_with([[float(value)] for value in range(8)], {0: 2.0, 1: 1.0})
    assert numbers_of(best_and_latest(trials, 4, [MINIMIZE])) == [2, 3, 6, 7]
    infeasible = {number: 9.0 - number for number in range(8)}
    trials = trials_with([[float(value)] for value in range(8)], infeasible)
    assert numbers_of(best_and_latest(trials, 4, [MINIMIZE])) == [4, 5, 6, 7]


def test_modelled_of_several_objectives_are_from_both_ends_of_the_front() -> None:
    trials = trials_with([[0, 9], [9, 0], [5, 5], [1, 1], [8, 8], [8, 9], [9, 9], [7, 8]])
    assert numbers_of(best_and_latest(trials, 6, [MINIMIZE, MINIMIZE])) == [0, 1, 3, 5, 6, 7]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(LARGE.values())), st.floats(0, 1))
def test_large_grids_are_continuous_and_results_are_on_them(
    distribution: Any, fraction: float
) -> None:
    continuous = relaxed(distribution)
    assert isinstance(continuous, FloatDistribution)
    assert continuous.step is None
    value = on_grid(continuous.low + fraction * (continuous.high - continuous.low), distribution)
    assert distribution._contains(distribution.to_internal_repr(value))
    assert type(value) is (int if isinstance(distribution, IntDistribution) else float)


def test_a_parameter_is_continuous_beyond_a_number_of_values() -> None:
    at_bound = IntDistribution(1, MAX_GRID)
    assert relaxed(at_bound) is at_bound
    assert on_grid(7, at_bound) == 7
    assert relaxed(IntDistribution(0, MAX_GRID)) == FloatDistribution(-0.5, MAX_GRID + 0.5)
    choices = CategoricalDistribution(range(MAX_GRID + 1))
    assert relaxed(choices) is choices


def test_gp_suggests_values_of_large_grids() -> None:
    trials = random_trials(LARGE, 12)
    params = suggestion(BoundedGPSampler(LARGE, seed=1), LARGE, trials)
    again = suggestion(BoundedGPSampler(LARGE, seed=1), LARGE, trials)
    assert params == again
    for name, each in LARGE.items():
        assert each._contains(each.to_internal_repr(params[name]))


def test_gp_learns_from_a_first_infeasible_trial() -> None:
    """Which adds a constraint, for which there is no fit yet."""
    sampler = BoundedGPSampler(SPACE, seed=1)
    study = optuna.create_study(sampler=sampler)
    study.add_trials(random_trials(SPACE, 12, n_constraints=1))
    study.ask(SPACE)
    more = optuna.create_study(sampler=sampler)
    more.add_trials(random_trials(SPACE, 12, n_constraints=2))
    assert more.ask(SPACE).params.keys() == SPACE.keys()


class Bowl:
    """An acquisition function with its maximum at 0.3 in each parameter; it counts its calls."""

    def __init__(self, space: Space) -> None:
        from optuna._gp.search_space import SearchSpace

        self.search_space = SearchSpace(space)
        self.length_scales = np.ones(len(space))
        self.n_calls = 0

    def eval_acqf(self, x: Any) -> Any:
        self.n_calls += 1
        return -((x - 0.3) ** 2).sum(-1)

    eval_acqf_no_grad = eval_acqf


@pytest.mark.parametrize(("elements", "most", "precision"), [(10, 10**6, 0.01), (10**6, 60, 0.5)])
def test_search_for_the_maximum_ends_when_its_budget_is_spent(
    elements: int, most: int, precision: float
) -> None:
    space: Space = {f"p{i}": IntDistribution(1, 500) for i in range(4)}
    bowl = Bowl(space)
    found = maximize(
        bowl,
        elements=elements,
        starts=None,
        n_samples=256,
        n_local_search=10,
        tol=1e-4,
        rng=np.random.RandomState(1),
        held={},
    )
    assert np.abs(found - 0.3).max() < precision
    assert bowl.n_calls < most
