"""Suggestions of conditional spaces equal those of a stock objective that suggests within `if`s."""

import random
import warnings
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import NopPruner
from optuna.samplers import QMCSampler
from optuna.trial import TrialState

from optuna_bridge.sampler_storage import DraftTrial
from optuna_bridge.space.search_space import SearchSpace
from tests.optuna_bridge.test_suggestion import STOCK, Pair, attrs_of
from tests.support.conditional_spaces import (
    OPTIMIZERS,
    conditional_spaces,
    is_active,
    suggest_as_objective,
)

JSON = dict[str, Any]
# Options of ours, and of the stock sampler that is the oracle.
GROUPS = {"multivariate": True, "group": True}
CASES: dict[str, tuple[str, JSON, JSON]] = {
    "tpe": ("tpe", {"n_startup_trials": 4}, GROUPS | {"constant_liar": True}),
    "tpe, independent": (
        "tpe",
        {"n_startup_trials": 4, "constant_liar": False, "multivariate": False},
        {},
    ),
    "random": ("random", {}, {}),
    "nsgaii": ("nsgaii", {"population_size": 3}, {}),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class ConditionalPair(Pair):
    """A study of ours and a stock one, whose objective suggests within `if`s."""

    def __init__(self, sampler: str, options: JSON, stock: JSON, parameters: list[JSON]) -> None:
        super().__init__(sampler, options, SearchSpace(parameters).as_sampled, 1, NopPruner, 7)
        self.parameters = parameters
        self.original = SearchSpace(parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.stock.sampler = STOCK[sampler](**{**options, **stock, "seed": 7})

    def ask(self, fixed: JSON | None) -> None:
        if fixed is not None:
            self.stock.enqueue_trial(fixed)
        draft = DraftTrial(self.n, fixed)
        self.storage.draw_into(
            draft,
            self.ours,
            self.space.distributions,
            conditions=self.space.conditions,
            annotates=self.kind.annotates_trials,
        )
        trial = self.stock.ask()
        suggest_as_objective(trial, _as_indexes(self.parameters), self.space.distributions)
        if self.kind.annotates_trials:
            _ = trial.relative_params
        stock = self.stock.get_trials(deepcopy=False)[self.n]
        assert repr(draft.params) == repr(stock.params)
        assert draft.trial.distributions == stock.distributions
        assert draft.system_attrs == attrs_of(stock)
        self.drafts[self.n] = draft
        self.n += 1


def _as_indexes(parameters: list[JSON]) -> list[JSON]:
    """Return parameters of which the ordinal ones are the indexes of their values."""
    ordinal = {each["name"]: each["values"] for each in parameters if each["type"] == "ordinal"}

    def of(parent: str, wanted: Any) -> Any:
        if parent not in ordinal:
            return wanted
        values = ordinal[parent]
        if isinstance(wanted, list):
            return [values.index(each) for each in wanted]
        low, high = wanted.get("min", values[0]), wanted.get("max", values[-1])
        return [index for index, each in enumerate(values) if low <= each <= high]

    return [
        {**each, "when": {parent: of(parent, it) for parent, it in each.get("when", {}).items()}}
        for each in parameters
    ]


def play(pair: Pair, rng: random.Random, n: int, *, fixes: bool) -> None:
    for number in range(n):
        fixed = None
        if fixes and number and rng.random() < 0.3:
            drawn = pair.stock.get_trials(deepcopy=False)[rng.randrange(number)].params
            fixed = dict(list(drawn.items())[: rng.randrange(len(drawn) + 1)])
        pair.ask(fixed)
        state = TrialState.COMPLETE if number < 2 or rng.random() < 0.8 else TrialState.FAIL
        values = [rng.choice([*map(float, range(8))])] if state == TrialState.COMPLETE else None
        pair.tell(number, state, values)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None)
@given(parameters=conditional_spaces(), seed=st.integers(0, 2**32 - 1))
def test_suggestions_equal_stock_objectives(case: str, parameters: list[JSON], seed: int) -> None:
    sampler, options, stock = CASES[case]
    pair = ConditionalPair(sampler, options, stock, parameters)
    play(pair, random.Random(seed), 20, fixes=True)


def test_cmaes_models_the_parameters_that_all_trials_have() -> None:
    parameters: list[JSON] = [
        {"type": "categorical", "name": "kind", "choices": ["a", "b"]},
        {"type": "float", "name": "x", "low": -1.0, "high": 1.0},
        {"type": "float", "name": "y", "low": -1.0, "high": 1.0},
        {"type": "categorical", "name": "only a", "choices": [1, 2], "when": {"kind": ["a"]}},
    ]
    pair = ConditionalPair("cmaes", {}, {"warn_independent_sampling": False}, parameters)
    rng = random.Random(1)
    for number in range(20):
        draft = DraftTrial(number)
        pair.storage.draw_into(
            draft, pair.ours, pair.space.distributions,
            conditions=pair.space.conditions, annotates=True,
        )  # fmt: skip
        trial = pair.stock.ask()
        params = suggest_as_objective(trial, parameters, pair.space.distributions)
        assert {k: draft.params[k] for k in "xy"} == {k: params[k] for k in "xy"}
        assert draft.params.keys() == params.keys()
        pair.drafts[number] = draft
        pair.n += 1
        pair.tell(number, TrialState.COMPLETE, [rng.random()])


def test_qmc_draws_the_points_of_the_space_without_conditions() -> None:
    pair = ConditionalPair("qmc", {"qmc_type": "halton"}, {}, OPTIMIZERS)
    flat = optuna.create_study(sampler=QMCSampler(qmc_type="halton", seed=7))
    for number in range(12):
        flat_trial = flat.ask(pair.space.distributions)
        flat.tell(flat_trial, 0.0)
        draft = DraftTrial(number)
        conditions = pair.space.conditions
        pair.storage.draw_into(draft, pair.ours, pair.space.distributions, conditions=conditions)
        if number:
            assert draft.params.items() <= flat_trial.params.items()
        for each in OPTIMIZERS:
            assert (each["name"] in draft.params) == is_active(each, draft.params, OPTIMIZERS)
