"""The measurement of how good the optimum is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from bench.quality import runs
from bench.quality.algorithms import algorithm
from bench.quality.problem import Evaluation, Problem
from bench.quality.problems import CHOSEN_ON, CONDITIONAL, PROBLEMS, REPORTED_ON
from bench.quality.report import Regrets, text
from bench.quality.runs import Result, Setting, curve, run
from optuna_bridge.space.search_space import SearchSpace
from studies.api.request_serializers import CreateStudySerializer


def of(values: Sequence[float], algorithm: str = "tpe", problem: str = "branin") -> Result:
    return Result(Setting(algorithm, problem, 0, 1, len(values)), "1", list(values), {20: 0.1})


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_service_takes_each_problem(problem: Problem) -> None:
    body = {"name": "p", "search_space": list(problem.space)}
    CreateStudySerializer(data=body).is_valid(raise_exception=True)


def test_problems_are_halved() -> None:
    assert len(CHOSEN_ON) + len(REPORTED_ON) == 16
    assert list(PROBLEMS.values()) == [*CHOSEN_ON, *REPORTED_ON, *CONDITIONAL]


@pytest.mark.parametrize("twin", CONDITIONAL, ids=lambda each: each.name)
def test_twin_counts_the_active_parameters_alone(twin: Problem) -> None:
    space, rng = SearchSpace(twin.space), np.random.default_rng(0)
    search = algorithm("uniform").start(twin, 1)
    for _ in range(30):
        params = search.ask()[1]
        active = space.active_only(params)
        assert len(active) < len(params)
        assert twin.evaluate(active, rng).true == twin.evaluate(params, rng).true


def test_best_known_value_is_reached_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    for problem in PROBLEMS.values():
        if problem.best is None:
            continue
        search = algorithm("uniform").start(problem, 1)
        values = [problem.evaluate(search.ask()[1], rng).true[0] for _ in range(200)]
        assert min(values) >= problem.best - 1e-5, problem.name


def test_run_repeats_itself_and_is_read_again(tmp_path: Path) -> None:
    setting = Setting("uniform", "levy4, noisy", seed=3, parallel=4, trials=24)
    once = run(setting)
    assert run(setting).curve == once.curve
    assert (len(once.curve), list(once.seconds)) == (24, [20])
    runs.write(once, tmp_path / "uniform.jsonl")
    (read,) = runs.read([tmp_path / "uniform.jsonl"])
    assert read.setting == setting
    assert read.curve == pytest.approx(once.curve, rel=1e-5)
    assert read.seconds == pytest.approx(once.seconds, rel=1e-5)


def test_noisy_search_is_judged_by_what_its_best_point_is_worth() -> None:
    seen_and_true = [(3.0, 2.0), (1.0, 4.0), (2.0, 0.0)]
    evaluations = [Evaluation([seen], [true]) for seen, true in seen_and_true]
    assert curve(PROBLEMS["levy4, noisy"], evaluations) == [2.0, 4.0, 4.0]


def test_hypervolumes_are_those_of_optuna() -> None:
    problem = PROBLEMS["ZDT1"]
    rng = np.random.default_rng(1)
    points = rng.uniform((0, 0), (1.3, 7), size=(40, 2))
    volumes = curve(problem, [Evaluation(list(point), list(point)) for point in points])
    reference = np.array(problem.reference)
    within = [[each for each in points[:n] if (each < reference).all()] for n in range(1, 41)]
    expected = [compute_hypervolume(np.array(each).reshape(-1, 2), reference) for each in within]
    assert volumes == pytest.approx(expected)


def test_regret_is_one_for_random_search_and_zero_for_the_best() -> None:
    best, random = 0.397887, [2.397887] * 20
    results = [of(random, "uniform"), of(random, "gp"), of([best] * 20, "tpe")]
    results.append(of([*random[:10], *[1.397887] * 10], "auto"))
    regrets = Regrets(results)
    key = ("branin", 1)
    assert [float(regrets.runs(name, key, 20)[0]) for name in ("gp", "auto", "tpe")] == [1, 0.5, 0]
    assert regrets.ranks([key], 20) == {"tpe": 1.0, "auto": 2.0, "gp": 3.0}
    assert regrets.mean("auto", [key, ("ackley5", 1)], 20) is None  # it was not run
    assert "| branin | 0.500 | 1.000 | 0.000 |" in text(results)
