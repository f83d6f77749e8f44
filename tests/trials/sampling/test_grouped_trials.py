"""What samplers and pruners see of a study with repeats."""

import random
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support.study_builders import (
    COMMAND,
    LARGE_SPACE,
    ask_trial,
    build_study,
    named,
    synced_session,
    tell_trial,
)
from trials import domain
from trials.domain import TrialResult

pytestmark = pytest.mark.django_db(transaction=True)

N = 3
POINTS = 12


def noisy(params: dict[str, Any], rng: random.Random) -> list[float]:
    """The values of a point's repeats."""
    return [params["x"] + rng.randrange(9) / 8 for _ in range(N)]


def play(study: Study, tell: Callable[[int, list[float]], None]) -> list[dict[str, Any]]:
    """Ask for points one after another, and return them."""
    rng = random.Random(1)
    points = []
    for _ in range(POINTS):
        trial = ask_trial(study)
        points.append(trial.params)
        tell(trial.number, noisy(trial.params, rng))
    return points


def test_trials_are_kept_twice() -> None:
    sizes = []
    for name, repeats in (("single", None), ("repeated", {"n": 2, "aggregate": "mean"})):
        study = build_study(name=name, space=LARGE_SPACE, sampler="random", repeats=repeats)
        domain.ask_many(actor=COMMAND, named=named(study), count=20)
        sizes.append(synced_session(study).estimated_bytes)
    assert sizes[1] > 1.5 * sizes[0]


SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"sampler_options": {"seed": 1}},
    "random": {"sampler_options": {"seed": 1}},
    "qmc": {"sampler_options": {"seed": 1, "scramble": True}},
    "cmaes": {"sampler_options": {"seed": 1}},
    "nsgaii": {"sampler_options": {"seed": 1, "population_size": 4}},
    "auto": {"sampler_options": {"seed": 1}},
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_points_are_those_of_a_study_in_which_each_was_one_trial(sampler: str) -> None:
    """Its result is the mean; a worker asks for the repeats of one point after another."""
    definition = {"space": LARGE_SPACE, "direction": "minimize", "sampler": sampler}
    definition |= SAMPLERS[sampler]
    repeated = build_study("repeated", repeats={"n": N, "aggregate": "mean"}, **definition)

    def tell_each(number: int, values: list[float]) -> None:
        params = repeated.trials.get(number=number).internal_params
        for index, value in enumerate(values):
            if index > 0:
                trial = ask_trial(repeated)
                assert (trial.number, trial.internal_params) == (number + index, params)
            tell_trial(repeated, number + index, value)

    plain = build_study("plain", **definition)
    one = play(plain, lambda number, values: void(tell_trial(plain, number, sum(values) / N)))
    assert play(repeated, tell_each) == one
    assert len({tuple(point.values()) for point in one}) > POINTS / 2


def void(_: Any) -> None:
    """Drop a result."""


def test_tpe_suggests_as_stock_optuna_does_by_the_aggregates() -> None:
    """The next point of an unseeded study, whose generator gets a known state."""
    study = build_study(
        space=LARGE_SPACE,
        sampler="tpe",
        pruner="none",
        direction="minimize",
        repeats={"n": N, "aggregate": "worst"},
    )
    stock = optuna.create_study(
        sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True)
    )
    distributions = study.space.distributions
    rng = random.Random(2)
    for _ in range(15):
        trials = domain.ask_many(actor=COMMAND, named=named(study), count=N)
        params, values = trials[0].params, noisy(trials[0].params, rng)
        for trial, value in zip(trials, values, strict=True):
            assert trial.params == params
            tell_trial(study, trial.number, value)
        stock.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=max(values))
        )
    open_trials = domain.ask_many(actor=COMMAND, named=named(study), count=2)
    tell_trial(study, open_trials[0].number, -99)  # its point is still open
    open_params = open_trials[0].params
    stock.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=open_params,
            distributions=distributions,
        )
    )
    session = synced_session(study)
    samplers: list[Any] = [session.optuna_study.sampler, stock.sampler]
    for sampler in samplers:
        sampler._rng.rng.seed(7)
    with session.acquire_sampler():
        drawn = session.draw_next()
    assert drawn is not None
    assert drawn.params == stock.ask(distributions).params


def test_pruned_group_has_the_aggregates_of_common_steps() -> None:
    study = build_study(
        space=LARGE_SPACE, direction="minimize", repeats={"n": N, "aggregate": "mean"}
    )
    curves = ({1: 1.0, 2: 4.0, 3: 9.0}, {1: 2.0, 2: 6.0})
    trials = domain.ask_many(actor=COMMAND, named=named(study), count=N)
    for trial, steps in zip(trials, curves, strict=False):
        result = TrialResult(TrialState.PRUNED, intermediate_values=steps)
        domain.tell(actor=COMMAND, named=named(study), number=trial.number, result=result)
    tell_trial(study, 2, 1.0)  # one that survived is not judged alone
    session = synced_session(study)
    (first, *others) = session.get_all_trials(0)
    assert (first.state.name, first.values) == ("PRUNED", [7.5])
    assert first.intermediate_values == {1: 1.5, 2: 5.0}
    assert [(each.state.name, each.params) for each in others] == [("FAIL", {})] * 2
    stored = session.stored_trials()  # for pruners
    assert [each.intermediate_values for each in stored] == [*curves, {}]
    assert [each.state.name for each in stored] == ["PRUNED", "PRUNED", "COMPLETE"]
