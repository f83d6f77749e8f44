"""Constraints between parameters of which trials lack some: they apply where all are active."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.parameter_constraints.axes import UnitAxis
from optuna_bridge.space.search_space import SearchSpace
from tests.support.api_client import assert_schemas_agree
from tests.support.study_builders import COMMAND, build_study, named, tell_trial
from trials import domain

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

SPACE: list[dict[str, Any]] = [
    {"type": "categorical", "name": "kind", "choices": ["one", "two", "deep"]},
    {"type": "int", "name": "layers", "low": 2, "high": 9, "when": {"kind": ["deep"]}},
    {"type": "ordinal", "name": "width", "values": [1, 2, 4, 8], "when": {"layers": {"min": 4}}},
    {"type": "float", "name": "x", "low": 0, "high": 1, "step": 0.25},
    {"type": "float", "name": "y", "low": 0, "high": 1, "step": 0.25, "when": {"kind": ["two"]}},
]
# `layers * width` says nothing of trials with fewer than four layers, which have no width.
TEXTS = ["layers * width <= 12", "x + y < 0.6", "layers < 8"]
OPTIONS: dict[str, dict[str, Any]] = {
    "tpe": {"n_startup_trials": 2},
    "gp": {"n_startup_trials": 2},
    "nsgaii": {"population_size": 3},
    "nsgaiii": {"population_size": 3},
    "cmaes": {"popsize": 4, "with_margin": True},
}


def is_valid(params: Mapping[str, Any]) -> bool:
    names = {"kind", "x"}
    if params["kind"] == "two":
        names |= {"y"}
    if params["kind"] == "deep":
        names |= {"layers"} | ({"width"} if params["layers"] >= 4 else set())
    return (
        params.keys() == names
        and params["x"] + params.get("y", -1) < 0.6
        and params.get("layers", 0) * params.get("width", 0) <= 12
        and params.get("layers", 0) < 8
    )


def test_points_are_those_that_satisfy_the_constraints() -> None:
    points = all_points(SearchSpace(SPACE, TEXTS))
    values = [np.arange(0, 1.25, 0.25).tolist()] * 2
    expected = (
        5
        + sum(x + y < 0.6 for x, y in product(*values))
        + 5 * (2 + sum(layers * width <= 12 for layers in range(4, 8) for width in (1, 2, 4, 8)))
    )
    assert points.n == expected


def test_random_points_are_those_of_rejection() -> None:
    space = [{**each, "step": None} if each["type"] == "float" else each for each in SPACE]
    constrained = SearchSpace(space, TEXTS)
    assert constrained.parameter_constraints is not None
    points = constrained.parameter_constraints.points
    rng = np.random.default_rng(0)
    found = points.draw_many(4000, {}, rng)[0]
    candidates = {
        name: UnitAxis(each).values(rng.random(40_000))
        for name, each in constrained.distributions.items()
    }
    held = constrained.parameter_constraints.hold_at(candidates, 40_000)
    for name, column in found.items():
        assert ks_2samp(column, candidates[name][held]).pvalue > 1e-3, name


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_trial_is_valid(sampler: str) -> None:
    study = build_study(
        space=SPACE,
        sampler=sampler,
        sampler_options={"seed": 1, **OPTIONS.get(sampler, {})},
        parameter_constraints=TEXTS,
        direction="minimize",
    )
    kinds = set()
    for round_ in range(6):
        fixed = {"kind": "deep"} if round_ % 3 == 2 else {}
        if round_ == 1:
            new = [domain.NewTrial({"kind": "deep", "layers": 5})]
            domain.add_trials(actor=COMMAND, named=named(study), new=new)
        trials = domain.ask_many(actor=COMMAND, named=named(study), count=3, fixed=fixed)
        for trial in trials:
            assert is_valid(trial.params), trial.params
            kinds.add(trial.params["kind"])
            # Best where the constraints forbid it.
            tell_trial(study, trial.number, -sum(map(float, list(trial.params.values())[1:])))
    assert "deep" in kinds
    assert_schemas_agree()
