"""Stock Optuna reads from its schema what was written through Django."""

import math
import random
from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support.optuna_oracle import rdb_storage
from tests.support.study_builders import ask_trial, build_study, store_on_trial, tell_trial
from trials.models import Trial

pytestmark = pytest.mark.django_db(transaction=True)

SPACE = [
    {"type": "float", "name": "rate", "low": 1e-5, "high": 0.1, "log": True},
    {"type": "float", "name": "stepped", "low": 0.1, "high": 0.75, "step": 0.2},
    {"type": "float", "name": "one value", "low": 2.0, "high": 2.0},
    {"type": "int", "name": "größe 规模", "low": 1, "high": 1024, "log": True},
    {"type": "int", "name": "layers", "low": -3, "high": 9, "step": 3},
    {"type": "int", "name": "wide", "low": 0, "high": 2**53},
    {"type": "categorical", "name": "mixed", "choices": ["a", 1, 2.5, False, None]},
    {"type": "categorical", "name": "huge", "choices": [1e16, 10**16 + 1, "1e16"]},
]
ATTRIBUTES: dict[str, Any] = {
    "nested": {"b": [1, {"a": [None, True, 0.1]}], "a": {}, "": []},
    "größe 规模 🙂": 'tab\t"quotes" \\ back \u2028 nul-less 𝄞',
    "float that looks like an int": 1e16,
    "negative zero": -0.0,
    "integer beyond floats": 2**60 + 1,
    "list": [1e16, -0.0, 1, 1.0, False],
    "text": "",
    "null": None,
}


@pytest.fixture
def stock() -> Iterator[RDBStorage]:
    with rdb_storage("optuna") as storage:
        yield storage


def spelled(value: Any) -> str:
    """A value with its types, order and signs, which == does not look at."""
    return repr(value)


def assert_reads_the_same(study: Study, loaded: optuna.Study) -> None:
    assert [direction.name.lower() for direction in loaded.directions] == study.directions
    assert spelled(sorted(loaded.user_attrs.items())) == spelled(sorted(study.user_attrs.items()))
    ours = list(study.trials.with_steps().order_by("number"))
    theirs = loaded.trials
    assert len(theirs) == len(ours) == study.n_trials
    for trial, frozen in zip(ours, theirs, strict=True):
        trial.study = study
        assert_same_trial(trial, frozen)
    ids = [frozen._trial_id for frozen in theirs]
    assert all(one < next_one for one, next_one in pairwise(ids))


def assert_same_trial(trial: Trial, frozen: FrozenTrial) -> None:
    assert frozen.number == trial.number
    assert frozen._trial_id == trial.id
    assert frozen.state.name == trial.state
    assert spelled(frozen.values) == spelled(trial.values)
    assert spelled(frozen.params) == spelled(trial.params)
    assert list(frozen.distributions.items()) == list(trial.study.space.distributions.items())
    # Optuna's order is that of the reports.
    assert spelled(sorted(frozen.intermediate_values.items())) == spelled(
        sorted(trial.intermediate_values.items())
    )
    # Optuna reads the rows of attributes in no order.
    assert spelled(sorted(frozen.user_attrs.items())) == spelled(sorted(trial.user_attrs.items()))
    assert spelled(frozen.system_attrs) == spelled(trial.system_attrs)
    assert_same_moment(frozen.datetime_start, trial.datetime_start)
    assert_same_moment(frozen.datetime_complete, trial.datetime_complete)


def assert_same_moment(naive: Any, aware: Any) -> None:
    """Optuna stores UTC and answers naive local time."""
    if aware is None:
        assert naive is None
    else:
        assert naive.tzinfo is None
        assert naive.astimezone(UTC) == aware


def load(study: Study, stock: RDBStorage) -> optuna.Study:
    return optuna.load_study(study_name=study.name, storage=stock)


def test_stock_optuna_reads_every_kind_of_trial(stock):
    study = build_study(
        "größe 规模 %s {0}",
        space=SPACE,
        sampler="random",
        direction="minimize",
        user_attrs=ATTRIBUTES,
    )
    for _ in range(6):
        ask_trial(study)
    tell_trial(study, 0, 0.1 + 0.2, steps={3: 1.0, 0: 1e-320, 2**31 - 1: -1e308}, attrs=ATTRIBUTES)
    tell_trial(study, 1, -0.0, steps={1: math.nan, 2: math.inf, 3: -math.inf, 4: -0.0})
    tell_trial(study, 2, state=TrialState.PRUNED, steps={1: 0.5, 10: 1e16})
    tell_trial(study, 3, state=TrialState.FAIL, attrs={"why": "out of memory"})
    store_on_trial(study, 4, steps={1: math.nan}, system_attrs={"completed_rung_0": 0.25})
    study.refresh_from_db()
    loaded = load(study, stock)
    assert_reads_the_same(study, loaded)
    assert [trial.state for trial in loaded.trials] == [
        OptunaState.COMPLETE,
        OptunaState.COMPLETE,
        OptunaState.PRUNED,
        OptunaState.FAIL,
        OptunaState.RUNNING,
        OptunaState.RUNNING,
    ]
    assert loaded.trials[2].value == 1e16
    assert spelled(sorted(loaded.trials[0].user_attrs.items())) == spelled(
        sorted(ATTRIBUTES.items())
    )


def test_stock_optuna_reads_values_that_are_not_finite(stock):
    study = build_study(direction=["minimize", "maximize"])
    for values in ([math.inf, -math.inf], [0.0, math.inf], [-1.7e308, 5e-324]):
        tell_trial(study, ask_trial(study).number, *values)
    study.refresh_from_db()
    assert_reads_the_same(study, load(study, stock))


def test_pruned_trial_without_a_finite_last_step_has_no_value(stock):
    study = build_study(sampler="random")
    for steps in ({}, {1: math.nan}, {1: 0.5, 2: math.nan}, {1: math.nan, 2: 0.5}, {2: math.inf}):
        tell_trial(study, ask_trial(study).number, state=TrialState.PRUNED, steps=steps)
    study.refresh_from_db()
    loaded = load(study, stock)
    assert_reads_the_same(study, loaded)
    assert [trial.values for trial in loaded.trials] == [None, None, None, [0.5], [math.inf]]


def random_outcome(rng: random.Random, objectives: int) -> dict[str, Any]:
    steps = {
        rng.randrange(20): rng.choice([0.25, 0.5, rng.uniform(-1, 1), math.nan, math.inf])
        for _ in range(rng.randrange(4))
    }
    attrs = dict(rng.sample(sorted(ATTRIBUTES.items()), rng.randrange(3)))
    state = rng.choices([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], [8, 1, 1])[0]
    return {"state": state, "steps": steps if objectives == 1 else {}, "attrs": attrs}


def random_values(rng: random.Random, objectives: int) -> list[float]:
    """Out of few values, so that ties and duplicates are common."""
    return [rng.choice([-1.0, -0.0, 0.0, 0.5, 2.0, 1e16]) for _ in range(objectives)]


def play(study: Study, rng: random.Random, n: int) -> None:
    """Ask n times and tell most of them, not in their order."""
    objectives = len(study.directions)
    open_trials: list[int] = []
    for _ in range(n):
        open_trials.append(ask_trial(study).number)
        while len(open_trials) > rng.randrange(1, 6):
            number = open_trials.pop(rng.randrange(len(open_trials)))
            outcome = random_outcome(rng, objectives)
            values = (
                random_values(rng, objectives) if outcome["state"] == TrialState.COMPLETE else []
            )
            tell_trial(study, number, *values, **outcome)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [1, 2])
def test_stock_optuna_agrees_on_trials_and_on_the_best(stock, objectives, seed):
    rng = random.Random(f"{objectives} {seed}")
    directions = [rng.choice(["minimize", "maximize"]) for _ in range(objectives)]
    study = build_study(f"random {objectives}", space=SPACE, sampler="random", direction=directions)
    for _ in range(2):
        play(study, rng, 12)
        study.refresh_from_db()
        loaded = load(study, stock)
        assert_reads_the_same(study, loaded)
        assert_same_best(study, loaded)


def assert_same_best(study: Study, loaded: optuna.Study) -> None:
    client = APIClient()
    best = client.get(f"/api/v1/studies/{study.name}/best")
    front = sorted(trial.number for trial in loaded.best_trials)
    if not front:
        assert best.status_code == 404
        return
    first = loaded.trials[front[0]]
    assert best.status_code == 200, best.content
    assert best.json()["trial_id"] == first.number
    assert best.json()["params"] == first.params
    if not study.is_multi_objective:
        # Of equally good trials Optuna's SQL answers any, ours the first.
        assert best.json()["value"] == loaded.best_trial.value == first.value
        assert [trial.number for trial in study.trials.filter(on_front=True)] == [front[0]]
        return
    assert best.json()["value"] == first.values
    answered = client.get(f"/api/v1/studies/{study.name}/pareto").json()
    assert [each["trial_id"] for each in answered] == front
    assert [each["values"] for each in answered] == [loaded.trials[n].values for n in front]
    assert [each["params"] for each in answered] == [loaded.trials[n].params for n in front]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc"])
def test_stock_optuna_can_continue_a_study(stock, sampler):
    study = build_study("thrown away", sampler=sampler, direction="minimize", pruner="none")
    for value in range(12):
        tell_trial(study, ask_trial(study).number, float(value), steps={1: 0.5})
    ask_trial(study)
    theirs = optuna.load_study(
        study_name=study.name, storage=stock, sampler=optuna.samplers.TPESampler(seed=1)
    )
    theirs.tell(12, -1.0)
    trial = theirs.ask(fixed_distributions=study.space.distributions)
    trial.report(0.5, 1)
    trial.should_prune()
    theirs.tell(trial, -2.0)
    assert trial.number == 13
    assert theirs.best_trial.number == 13
    assert list(trial.params) == list(study.space.distributions)


def test_deleted_study_is_gone_for_stock_optuna(stock):
    study = build_study()
    tell_trial(study, ask_trial(study).number, 0.5, steps={1: 0.5}, attrs={"a": 1})
    study.delete()
    assert stock.get_all_studies() == []
    with pytest.raises(KeyError):
        load(study, stock)
