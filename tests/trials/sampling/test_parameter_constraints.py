"""Every trial satisfies the constraints between parameters, whichever sampler draws it."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from rest_framework.test import APIClient

from optuna_bridge.samplers.registry import SAMPLERS
from studies.models import Study
from tests.support.api_client import assert_schemas_agree
from tests.support.optuna_oracle import load_optuna_study
from tests.support.study_builders import (
    COMMAND,
    ask_trial,
    build_study,
    internal_params_of,
    named,
    tell_trial,
)
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file
from trials import domain
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

OPTIONS: dict[str, dict[str, Any]] = {
    "auto": {},
    "tpe": {"n_startup_trials": 3},
    "gp": {"n_startup_trials": 3},
    "nsgaii": {"population_size": 4},
    "nsgaiii": {"population_size": 4},
    "cmaes": {"popsize": 4, "with_margin": True},
    "random": {},
    "grid": {"n_values": 6},
    "brute_force": {},
    "qmc": {"scramble": True},
}
SLOW = ("gp", "auto")
FINITE = ("grid", "brute_force")
SPACE: list[dict[str, Any]] = [
    {"type": "int", "name": "layers", "low": 1, "high": 64},
    {"type": "ordinal", "name": "width", "values": [16, 32, 64, 128, 256, 512]},
    {"type": "categorical", "name": "kind", "choices": ["a", "b"]},
    {"type": "float", "name": "w 1", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "w 2", "low": 0.0, "high": 1.0, "step": 0.05},
    {"type": "float", "name": "rate", "low": 1e-5, "high": 1.0, "log": True},
]
WIDE = ["layers * width <= 4096", "`w 1` + `w 2` <= 1", "`w 1` < `w 2` < 1"]
NARROW = ["layers * width == 2048 and layers > 4", "0.9 <= `w 1` + `w 2` <= 1", "rate <= `w 1`/50"]


def holds(params: Mapping[str, Any], is_narrow: bool) -> bool:
    product, (w1, w2) = params["layers"] * params["width"], (params["w 1"], params["w 2"])
    if is_narrow:
        is_split = product == 2048 and params["layers"] > 4
        return is_split and 0.9 <= w1 + w2 <= 1 and params["rate"] <= w1 / 50
    return product <= 4096 and w1 + w2 <= 1 and w1 < w2 < 1


def constrained(sampler: str, *, is_narrow: bool, seed: int | None = None, **more: Any) -> Study:
    space = SPACE
    if sampler == "brute_force":
        space = [{**each, "step": 0.25, "log": False} if each["type"] == "float" else each
                 for each in SPACE]  # fmt: skip
        space[0] = {**space[0], "high": 32}
        space[-1] = {**space[-1], "low": 0.0}
    return build_study(
        more.pop("name", "search"),
        space=space,
        sampler=sampler,
        sampler_options=OPTIONS[sampler] | ({} if seed is None else {"seed": seed}),
        parameter_constraints=NARROW if is_narrow else WIDE,
        direction="minimize",
        **more,
    )


def loss(params: Mapping[str, Any]) -> float:
    """Best where the constraints forbid it."""
    return float(-params["w 1"] - params["w 2"] - params["layers"] / 64 + params["rate"])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("is_narrow", [False, True])
def test_every_trial_of_every_sampler_satisfies_them(sampler: str, is_narrow: bool) -> None:
    if is_narrow and sampler in FINITE:
        pytest.skip("no point of the grid is in it")
    more = (
        {}
        if sampler in FINITE
        else {"duplicates": random.Random(sampler).choice(["allow", "avoid"])}
    )
    study = constrained(sampler, is_narrow=is_narrow, seed=1, **more)
    found = []
    for round_ in range(5 if sampler in SLOW else 7):
        fixed: dict[str, Any] = (
            {"layers": 32 if sampler == "brute_force" else 64} if round_ % 3 == 2 else {}
        )
        if round_ == 3:
            new = [domain.NewTrial({"width": 128, "kind": "b"})]
            domain.add_trials(actor=COMMAND, named=named(study), new=new)
        trials = domain.ask_many(actor=COMMAND, named=named(study), count=2, fixed=fixed)
        for trial in trials:
            found.append(trial)
            assert holds(trial.params, is_narrow), trial.params
            assert fixed.items() <= trial.params.items()
            tell_trial(study, trial.number, loss(trial.params))
    assert any(each.params["width"] == 128 and each.params["kind"] == "b" for each in found)
    assert_schemas_agree()
    stock = load_optuna_study()
    assert [trial.params for trial in stock.trials] == [trial.params for trial in found]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "qmc", "grid"])
def test_processes_of_a_seeded_study_agree(sampler: str) -> None:
    n = 6 if sampler in SLOW else 8
    drawn = []
    for name in ("one", "other"):
        is_narrow = sampler not in FINITE
        study = constrained(sampler, is_narrow=is_narrow, seed=7, name=name)
        trials = []
        for number in range(n):
            if name == "other" and number % 3 == 0:  # another process
                session_registry.forget(session_registry.of(study))
            trial = ask_trial(study)
            trials.append(trial)
            tell_trial(study, trial.number, loss(trial.params))
        drawn.append(internal_params_of(trials))
    assert drawn[0] == drawn[1]


def test_random_trials_are_uniform_in_the_feasible_part() -> None:
    space = [{"type": "float", "name": name, "low": 0.0, "high": 1.0} for name in "xy"]
    study = build_study(space=space, sampler="random", parameter_constraints=["x + y < 0.15"])
    session = SessionRegistry().of(study)
    sums = []
    for number in range(400):
        draft = session.draw(number)
        sums.append(sum(draft.params.values()))
        draft.close()
    assert max(sums) < 0.15
    assert abs(np.mean(sums) - 0.1) < 0.006


@pytest.mark.parametrize("options", [{}, {"qmc_type": "halton", "scramble": True, "seed": 3}])
def test_qmc_draws_the_feasible_points_of_its_sequence(options: dict[str, Any]) -> None:
    drawn = {}
    for texts in ([], WIDE):
        study = build_study(
            f"with {len(texts)} constraints",
            space=SPACE,
            sampler="qmc",
            sampler_options=options,
            parameter_constraints=texts,
        )
        session = SessionRegistry().of(study)
        drafts = [session.draw(number) for number in range(1, 20 if texts else 200)]
        internal = [session.internal_params(draft) for draft in drafts]
        drawn[len(texts)] = [study.space.to_external(each) for each in internal]
    feasible = [each for each in drawn[0] if holds(each, is_narrow=False)]
    assert len(feasible) > 10
    assert drawn[len(WIDE)][: len(feasible)] == feasible[:19]


def random_space(rng: random.Random) -> tuple[list[dict[str, Any]], list[str], dict[str, Any]]:
    """A space with constraints that a point of it satisfies, which is returned, too."""
    kinds: list[dict[str, Any]] = [
        {"type": "float", "low": -1.0, "high": 3.0},
        {"type": "float", "low": 1e-4, "high": 10.0, "log": True},
        {"type": "float", "low": 0.0, "high": 2.0, "step": 0.25},
        {"type": "int", "low": 1, "high": 40},
        {"type": "int", "low": 1, "high": 500, "log": True},
        {"type": "ordinal", "values": [1, 2.5, 4, 64]},
        {"type": "categorical", "choices": [3, 0.5, 8]},
    ]
    space = [{**kind, "name": f"p{i}"} for i, kind in enumerate(rng.sample(kinds, 4))]
    session = SessionRegistry().of(build_study("reference", space=space, sampler="random"))
    point = session.study.space.to_external(session.internal_params(session.draw(0)))
    texts = []
    for _ in range(rng.randint(1, 3)):
        one, other, third = rng.sample(sorted(point), 3)
        side = rng.choice(["{} + {}", "{} * {} - {}", "({} - {}) / ({} * {} + 30)", "2 * {} - {}"])
        side = side.format(one, other, third, third)
        value = eval(side, {}, point)  # noqa: S307 - the text is made here
        slack = rng.choice([0.0, 0.05, 1.0]) * abs(value)
        texts.append(f"{side} <= {value + slack!r}" if rng.random() < 0.5 else
                     f"{value - slack!r} <= {side} and {one} > -2")  # fmt: skip
    return space, texts, point


@pytest.mark.parametrize("seed", range(6))
def test_random_constraints_hold_for_suggestions_and_survive_files(
    seed: int, api: APIClient
) -> None:
    rng = random.Random(seed)
    space, texts, point = random_space(rng)
    sampler = ["random", "tpe", "nsgaii", "cmaes", "qmc", "tpe"][seed]
    study = build_study(
        space=space,
        sampler=sampler,
        sampler_options=OPTIONS[sampler] | {"seed": seed},
        parameter_constraints=texts,
    )
    for number in range(8):
        names = rng.sample(sorted(point), rng.randint(0, 3)) if number % 2 else []
        fixed = {name: point[name] for name in names}
        for trial in domain.ask_many(actor=COMMAND, named=named(study), count=2, fixed=fixed):
            params = trial.params
            assert fixed.items() <= params.items()
            assert all(eval(text, {}, params) for text in texts)  # noqa: S307
            tell_trial(study, trial.number, sum(params.values()))
    clone = clone_study(api)
    assert (clone["n_trials_kept"], clone["parameter_constraints"]) == (16, texts)
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file
    assert_schemas_agree()
