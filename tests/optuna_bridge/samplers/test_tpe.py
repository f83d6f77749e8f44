"""The TPE sampler suggests the same values as stock TPE on the same trials with the same seed."""

import math
import warnings
from collections.abc import Container, Mapping
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
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_bridge.samplers.tpe.parzen_estimator import BlockwiseParzenEstimator
from optuna_bridge.samplers.tpe.sampler import ColumnTPESampler
from optuna_bridge.samplers.tpe.split import _ranks_of_pairs
from optuna_bridge.samplers.trial_columns import TrialColumns

Space = dict[str, BaseDistribution]
KINDS: list[BaseDistribution] = [
    FloatDistribution(-1, 1),
    FloatDistribution(1e-5, 1, log=True),
    FloatDistribution(0, 1, step=0.05),
    FloatDistribution(0.5, 0.5),
    IntDistribution(1, 100),
    IntDistribution(1, 1000, log=True),
    IntDistribution(0, 12, step=3),
    CategoricalDistribution(["a", "b", "c"]),
    CategoricalDistribution([True, False]),
    CategoricalDistribution([None]),
    CategoricalDistribution(list(range(12))),
    CategoricalDistribution(list(range(1000))),
    IntDistribution(0, 10**9),
]
MODELS = [
    {"multivariate": True},
    {"multivariate": False},
    {"multivariate": True, "group": True},
]
PRUNERS = [NopPruner, MedianPruner, lambda: HyperbandPruner(max_resource=27)]


class InColumns(InMemoryStorage):
    """Stock storage that also keeps its trials in columns, except drafts: they are not listed."""

    is_listed = False

    def fill(self, space: Space, n_objectives: int, n_drafts: int) -> None:
        trials = super().get_all_trials(0, deepcopy=False)
        n = len(trials) - n_drafts
        self._drafted: dict[int, Mapping[str, float]] = {
            trial.number: {
                name: each.to_internal_repr(trial.params[name]) for name, each in space.items()
            }
            for trial in trials[n:]
        }
        direction = self.get_study_directions(0)[0]
        self.columns = TrialColumns(list(space), n_objectives, direction)
        for half in (trials[: n // 2], trials[n // 2 : n]):
            self.columns.put(half, [internal(space, trial) for trial in half])

    def drafted_params(self) -> dict[int, Mapping[str, float]]:
        return self._drafted

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if self.is_listed:
            return super().get_all_trials(study_id, deepcopy, states)
        assert states == (TrialState.WAITING,), "the columns are there to be read"
        return []


def internal(space: Space, trial: FrozenTrial) -> list[float | None]:
    return [
        each.to_internal_repr(trial.params[name]) if name in trial.params else None
        for name, each in space.items()
    ]


def drawn_value(rng: np.random.Generator, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[rng.integers(len(distribution.choices))]
        case IntDistribution():
            step = distribution.step
            return int(
                distribution.low
                + step * rng.integers((distribution.high - distribution.low) // step + 1)
            )
        case FloatDistribution(step=float(step)):
            n_steps = round((distribution.high - distribution.low) / step)
            return distribution.low + step * int(rng.integers(n_steps + 1))
        case FloatDistribution():
            value = rng.uniform(distribution.low, distribution.high)
            return distribution.low if rng.random() < 0.1 else float(value)
    raise AssertionError(distribution)


def drawn_trial(
    rng: np.random.Generator,
    space: Space,
    n_objectives: int,
    *,
    states: list[str],
    constrained: bool,
    partial: bool,
) -> FrozenTrial:
    names = [name for name in space if not (partial and rng.random() < 0.1)]
    state = rng.choice(states)
    coarse = rng.random() < 0.5  # many of equal values
    values = [float(rng.integers(4)) if coarse else rng.normal() for _ in range(n_objectives)]
    if rng.random() < 0.02:
        values[0] = math.inf
    steps = {}
    if n_objectives == 1 and rng.random() < 0.7:
        reports = [float(rng.integers(3)) if coarse else rng.normal() for _ in range(5)]
        steps = dict(enumerate(reports[: rng.integers(6)]))
        if steps and rng.random() < 0.2:
            steps[max(steps)] = math.nan
    trial = create_trial(
        state=TrialState[state],
        values=values if state == "COMPLETE" else None,
        params={name: drawn_value(rng, space[name]) for name in names},
        distributions={name: space[name] for name in names},
        intermediate_values=steps,
    )
    if constrained and state != "RUNNING":
        trial.set_constraint("c", float(rng.integers(-2, 3)))
    return trial


def drawn_trials(
    rng: np.random.Generator, n: int, space: Space, n_objectives: int, **kinds: bool
) -> list[FrozenTrial]:
    # With few that are complete, the best are among the pruned and the infeasible.
    states = ["COMPLETE"] * rng.choice([0, 1, 5, 30]) + ["PRUNED"] * 10 + ["FAIL", "RUNNING"]
    trials = [drawn_trial(rng, space, n_objectives, states=states, **kinds) for _ in range(n)]
    for i in np.flatnonzero(rng.random(n) < 0.1)[1:]:  # the same point again
        trials[i].params, trials[i].distributions = (
            trials[i - 1].params,
            trials[i - 1].distributions,
        )
    return trials


def assert_same_suggestions(
    trials: list[FrozenTrial],
    space: Space,
    *,
    directions: list[str],
    seed: int = 0,
    n_drafts: int = 0,
    pruner: Any = NopPruner,
    **options: Any,
) -> None:
    samplers = TPESampler(seed=seed, **options), ColumnTPESampler(space, seed=seed, **options)
    storages = InMemoryStorage(), InColumns()
    params = []
    for sampler, storage in zip(samplers, storages, strict=True):
        study = optuna.create_study(
            storage=storage,
            directions=[StudyDirection[each.upper()] for each in directions],
            sampler=sampler,
            pruner=pruner(),
        )
        for trial in trials:
            storage.create_new_trial(study._study_id, template_trial=trial)
        if isinstance(storage, InColumns):
            storage.fill(space, len(directions), n_drafts)
            storage.is_listed = options.get("group", False)  # by which it finds the groups
        params.append(study.ask(space).params)
    assert params[1] == params[0]
    assert list(params[1]) == list(params[0])
    stock, ours = (sampler._rng.rng.get_state() for sampler in samplers)
    assert all(map(np.array_equal, stock, ours))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stock warns of infinite values, and of `group`
        yield


@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_tpe_equals_stock(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    space = {f"p{(i * 7) % 13}": each for i, each in enumerate(chosen)}  # not in order by name
    directions = data.draw(
        st.lists(st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=3)
    )
    trials = drawn_trials(
        rng,
        data.draw(st.integers(0, 120)),
        space,
        len(directions),
        constrained=data.draw(st.booleans()),
        partial=data.draw(st.booleans()),
    )
    n_drafts = data.draw(st.integers(0, 3))
    running = create_trial(
        state=TrialState.RUNNING,
        params={name: drawn_value(rng, each) for name, each in space.items()},
        distributions=space,
    )
    assert_same_suggestions(
        trials + [running] * n_drafts,
        space,
        directions=directions,
        seed=seed,
        n_drafts=n_drafts,
        pruner=data.draw(st.sampled_from(PRUNERS)),
        **data.draw(st.sampled_from(MODELS)),
        constant_liar=data.draw(st.booleans()),
        n_startup_trials=data.draw(st.sampled_from([0, 10])),
        n_ei_candidates=data.draw(st.sampled_from([1, 24, 40])),
    )


@pytest.mark.accept
@pytest.mark.parametrize("directions", [["maximize"], ["minimize", "maximize"]], ids=len)
@pytest.mark.parametrize("multivariate", [True, False])
def test_tpe_equals_stock_after_thousands_of_trials(
    directions: list[str], multivariate: bool
) -> None:
    space = {f"p{i}": each for i, each in enumerate(KINDS * 2)}
    rng = np.random.default_rng(1)
    trials = drawn_trials(rng, 2500, space, len(directions), constrained=False, partial=False)
    for seed in range(2):
        assert_same_suggestions(
            trials, space, directions=directions, seed=seed, multivariate=multivariate
        )


@pytest.mark.parametrize("n", [7, 8, 9, 16, 17, 129, 270])
def test_tpe_sums_equal_numpys(n: int) -> None:
    space: Space = {f"p{i}": FloatDistribution(0, 1 + i) for i in range(n)}
    rng = np.random.default_rng(n)
    trials = drawn_trials(rng, 40, space, 1, constrained=False, partial=False)
    assert_same_suggestions(trials, space, directions=["minimize"], multivariate=True)
    assert_same_density(space, rng.random((40, n)))


# From 2,000 numbers on, over all continuous parameters, Optuna computes erf in another way.
@pytest.mark.parametrize("n_kernels", [100, 333, 334, 400, 1000, 1999, 2000, 2500])
@pytest.mark.parametrize("n_at_bounds", [0, 1, 40])
def test_tpe_densities_equal_optunas(n_kernels: int, n_at_bounds: int) -> None:
    space: Space = {f"p{i}": FloatDistribution(0, 1) for i in range(6)}
    space["n"] = IntDistribution(0, 1)
    points = np.random.default_rng(n_kernels).random((n_kernels, 7))
    points[:, 6] = points[:, 6].round()
    points[:n_at_bounds, 2] = 1.0
    assert_same_density(space, points)


def assert_same_density(space: Space, points: np.ndarray) -> None:
    """Of observed points (trials, parameters), at some of them and between."""
    rng = np.random.default_rng(0)
    between = np.array([[drawn_value(rng, each) for each in space.values()] for _ in range(24)])
    ours, stock = (
        estimator(
            dict(zip(space, points.T, strict=True)),
            space,
            TPESampler(multivariate=True)._parzen_estimator_parameters,
        ).log_pdf(dict(zip(space, np.concatenate([points[:5], between]).T, strict=True)))
        for estimator in (BlockwiseParzenEstimator, TPESampler()._parzen_estimator_cls)
    )
    assert np.array_equal(ours, stock)


def test_tpe_equals_stock_on_a_storage_without_columns() -> None:
    params = []
    space = {f"p{i}": each for i, each in enumerate(KINDS)}
    for sampler in (TPESampler(seed=3), ColumnTPESampler(space, seed=3)):
        study = optuna.create_study(sampler=sampler)
        for _ in range(15):
            trial = study.ask(space)
            study.tell(trial, trial.params["p0"])
        params.append([trial.params for trial in study.trials])
    assert params[1] == params[0]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 300), n_values=st.integers(1, 40))
def test_ranks_of_pairs_equal_optunas(seed: int, n: int, n_values: int) -> None:
    losses = np.random.default_rng(seed).integers(n_values, size=(n, 2)).astype(float)
    losses[losses == 0] = -math.inf
    assert np.array_equal(_ranks_of_pairs(losses), _fast_non_domination_rank(losses))
