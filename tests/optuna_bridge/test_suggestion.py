"""Suggestions into drafts equal those of stock Optuna's ask, for each sampler."""

import math
import random
import warnings
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.constraints import constraint_attrs
from optuna_bridge.drafts import DraftTrial
from optuna_bridge.frozen_trials import frozen_trial
from optuna_bridge.sampler_storage import SamplerStorage
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from optuna_bridge.space.search_space import Parameter, SearchSpace
from optuna_bridge.system_attrs import TRANSIENT_ATTRIBUTES

PARAMETERS: list[Parameter] = [
    {"type": "float", "name": "x", "low": -1.0, "high": 1.0},
    {"type": "float", "name": "rate", "low": 1e-5, "high": 1.0, "log": True},
    {"type": "float", "name": "stepped", "low": 0.0, "high": 1.0, "step": 0.1},
    {"type": "float", "name": "fine", "low": 0.0, "high": 1e6, "step": 1e-4},
    {"type": "float", "name": "constant", "low": 0.5, "high": 0.5},
    {"type": "int", "name": "n", "low": 1, "high": 100},
    {"type": "int", "name": "n log", "low": 1, "high": 1000, "log": True},
    {"type": "int", "name": "thirds", "low": -3, "high": 12, "step": 3},
    {"type": "categorical", "name": "kind", "choices": ["a", 1, 2.5, False, None]},
    {"type": "categorical", "name": "only", "choices": ["a"]},
]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "tpe": [
        {"n_startup_trials": 4, "multivariate": True},
        {"n_startup_trials": 4, "multivariate": False},
        {"n_startup_trials": 4, "multivariate": True, "group": True},
    ],
    "random": [{}],
    "nsgaii": [{"population_size": 3}],
    "qmc": [{"qmc_type": "halton", "scramble": True}],
    "gp": [{"n_startup_trials": 4}],
}
STOCK: dict[str, Any] = {
    "tpe": TPESampler,
    "random": RandomSampler,
    "nsgaii": NSGAIISampler,
    "qmc": QMCSampler,
    "gp": GPSampler,
    "cmaes": CmaEsSampler,
}
PRUNERS = [NopPruner, lambda: HyperbandPruner(max_resource=27)]


class StudyDefinition:
    id, name = 0, "suggestions"

    def __init__(self, n_objectives: int) -> None:
        self.directions = ["minimize", "maximize"][:n_objectives]


class Pair:
    """A study of ours without a database, and stock Optuna's, taken through the same steps."""

    def __init__(
        self, sampler: str, options: dict[str, Any], space: SearchSpace, n_objectives: int,
        pruner: Any, seed: int,
    ) -> None:  # fmt: skip
        self.space, self.kind = space, SAMPLERS[sampler]
        complete = self.kind.complete(options | {"seed": seed})
        definition = StudyDefinition(n_objectives)
        self.storage: SamplerStorage[DraftTrial] = SamplerStorage(
            definition,
            pruning_direction="minimize",
            names=list(space.distributions) if self.kind.reads_columns else None,
        )
        self.sampler = build_sampler(sampler, complete, space)
        self.ours = self.storage.as_study(self.sampler, pruner())
        self.stock = optuna.create_study(
            study_name=definition.name,
            directions=[StudyDirection[each.upper()] for each in definition.directions],
            sampler=stock_sampler(sampler, options | {"seed": seed}),
            pruner=pruner(),
        )
        self.n = 0
        self.drafts: dict[int, DraftTrial] = {}

    def ask(self, fixed: dict[str, Any] | None) -> None:
        if fixed is not None:
            self.stock.enqueue_trial(fixed)
        draft = DraftTrial(self.n, fixed)
        self.storage.draw_into(
            draft, self.ours, self.space.distributions, annotates=self.kind.annotates_trials
        )
        trial = self.stock.ask(self.space.distributions)
        if self.kind.annotates_trials:
            _ = trial.relative_params
        stock = self.stock.get_trials(deepcopy=False)[self.n]
        assert trial.number == self.n
        assert repr(draft.params) == repr(stock.params)  # with types and order
        assert draft.trial.distributions == stock.distributions
        assert draft.system_attrs == attrs_of(stock)
        self.drafts[self.n] = draft
        self.n += 1

    def constrain(self, number: int, value: float) -> None:
        trial_id = self.stock.get_trials(deepcopy=False)[number]._trial_id
        for key, each in constraint_attrs({"c": value}).items():
            self.stock._storage.set_trial_system_attr(trial_id, key, each)

    def tell(self, number: int, state: TrialState, values: list[float] | None) -> None:
        """Tell a trial, which commits those before it, too; the others stay drafts."""
        self.stock.tell(number, values, state)
        trials = self.stock.get_trials(deepcopy=False)
        for committed in range(len(self.storage), number + 1):
            self._put(trials[committed], self.drafts.pop(committed))
        self._put(trials[number])

    def _put(self, stock: FrozenTrial, draft: DraftTrial | None = None) -> None:
        internal = self.space.to_internal(stock.params)
        trial = frozen_trial(
            self.space, internal, stock.number, stock.number, stock.state.name, stock.values,
            attrs_of(stock),
        )  # fmt: skip
        if draft is not None:
            self.storage._drop(draft)
            self.storage._study_attrs |= draft.study_attrs
        self.storage._put(trial)
        if self.storage.columns is not None:
            self.storage.columns.put([trial], [internal])


def stock_sampler(name: str, options: dict[str, Any]) -> BaseSampler:
    sampler: BaseSampler = STOCK[name](**options)
    return sampler


def attrs_of(trial: FrozenTrial) -> dict[str, Any]:
    return {
        key: value
        for key, value in trial.system_attrs.items()
        if not key.startswith((*TRANSIENT_ATTRIBUTES, "fixed_params"))
    }


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental features
        yield


def play(pair: Pair, rng: random.Random, n_asks: int) -> None:
    """Ask, also several times in a row and with fixed parameters, and tell in any order."""
    n_objectives, open_trials = len(pair.stock.directions), []
    while pair.n < n_asks:
        fixed = None
        # Not for QMC: in ours, a trial that needs no point takes one.
        if pair.n and not pair.kind.needs_number and rng.random() < 0.3:
            drawn = pair.stock.get_trials(deepcopy=False)[rng.randrange(pair.n)].params
            fixed = {name: value for name, value in drawn.items() if rng.random() < 0.6}
        pair.ask(fixed)
        open_trials.append(pair.n - 1)
        # The first one is completed at once: otherwise stock QMC also draws the second at random.
        while (pair.n == 1 and open_trials) or len(open_trials) > rng.randrange(1, 6):
            number = open_trials.pop(rng.randrange(len(open_trials)))
            pair.constrain(number, rng.uniform(-2, 1))
            if number > 1 and rng.random() < 0.3:
                state = rng.choice([TrialState.FAIL, TrialState.PRUNED][: 3 - n_objectives])
                pair.tell(number, state, None)
            else:
                values = [rng.choice([*map(float, range(8)), math.inf])] * n_objectives
                pair.tell(number, TrialState.COMPLETE, values)


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "qmc"])
@settings(max_examples=20, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_suggestions_equal_stock_asks(sampler: str, data: st.DataObject, seed: int) -> None:
    chosen = data.draw(st.lists(st.sampled_from(PARAMETERS), min_size=1, unique_by=id))
    n_objectives = data.draw(st.integers(1, 2))
    pair = Pair(
        sampler,
        data.draw(st.sampled_from(OPTIONS[sampler])),
        SearchSpace(chosen),
        n_objectives,
        data.draw(st.sampled_from(PRUNERS[: 3 - n_objectives])),
        seed,
    )
    play(pair, random.Random(seed), 25)


@pytest.mark.skipif(SAMPLERS["gp"].missing is not None, reason=str(SAMPLERS["gp"].missing))
@pytest.mark.parametrize("n_objectives", [1, pytest.param(2, marks=pytest.mark.accept)])
def test_suggestions_of_gp_equal_stock_asks(n_objectives: int) -> None:
    # One parameter of each kind: the search for the best point takes long, and longer with each.
    names = ("rate", "stepped", "constant", "n", "kind")
    space = SearchSpace([each for each in PARAMETERS if each["name"] in names])
    pair = Pair("gp", OPTIONS["gp"][0], space, n_objectives, NopPruner, 5)
    play(pair, random.Random(5), 9)
    sampler: Any = pair.stock.sampler
    assert sampler._gprs_cache_list  # else all points were drawn at random


def test_value_out_of_range_is_taken_with_a_warning() -> None:
    pair = Pair("random", {}, SearchSpace(PARAMETERS[:1]), 1, NopPruner, 0)
    draft = DraftTrial(0, {"x": 7.0})
    with pytest.warns(UserWarning, match="Fixed parameter x with value 7.0 is out of range"):
        pair.storage.draw_into(draft, pair.ours, pair.space.distributions)
    assert draft.params == {"x": 7.0}


def test_joint_draw_of_an_unknown_parameter_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair("random", {}, SearchSpace(PARAMETERS[:1]), 1, NopPruner, 0)
    monkeypatch.setattr(pair.sampler, "sample_relative", lambda *args: {"x": 0.5})
    with pytest.raises(ValueError, match="'x', which is not in its search space"):
        pair.storage.draw_into(DraftTrial(0), pair.ours, pair.space.distributions)
    assert pair.storage.drafted_params() == {}
