"""Each pruner of the registry decides as stock Optuna's over many reports in sequence."""

import math
import random
import warnings
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_bridge.constraints import constraint_attrs
from optuna_bridge.drafts import DraftTrial, running_trial
from optuna_bridge.pruners.pruning import ask_pruner
from optuna_bridge.pruners.registry import PRUNERS, build_pruner
from optuna_bridge.pruners.wilcoxon import p_value
from optuna_bridge.sampler_storage import SamplerStorage

JSON = dict[str, Any]

# The pruner of ours, its options, and the stock one.
CASES: dict[str, tuple[str, JSON, Callable[[], BasePruner]]] = {
    "median": ("median", {"n_warmup_steps": 1}, lambda: MedianPruner(5, 1)),
    "hyperband": (
        "hyperband",
        {"min_resource": 1, "max_resource": 20},
        lambda: HyperbandPruner(1, 20),
    ),
    "successive halving": (
        "successive_halving",
        {"min_resource": 1, "reduction_factor": 2},
        lambda: SuccessiveHalvingPruner(1, 2),
    ),
    "successive halving, stopping later": (
        "successive_halving",
        {"min_resource": 1, "reduction_factor": 2, "min_early_stopping_rate": 1}
        | {"bootstrap_count": 2},
        lambda: SuccessiveHalvingPruner(1, 2, 1, 2),
    ),
    "percentile": (
        "percentile",
        {"percentile": 40, "n_startup_trials": 2, "n_warmup_steps": 1},
        lambda: PercentilePruner(40, 2, 1),
    ),
    "percentile at intervals": (
        "percentile",
        {"percentile": 75.5, "n_startup_trials": 0, "n_warmup_steps": 2, "interval_steps": 3}
        | {"n_min_trials": 3},
        lambda: PercentilePruner(75.5, 0, 2, 3, n_min_trials=3),
    ),
    "threshold": ("threshold", {"upper": 0.9}, lambda: ThresholdPruner(upper=0.9)),
    "threshold of both at intervals": (
        "threshold",
        {"lower": 0.3, "upper": 0.8, "n_warmup_steps": 2, "interval_steps": 3},
        lambda: ThresholdPruner(0.3, 0.8, 2, 3),
    ),
    "wilcoxon": ("wilcoxon", {}, WilcoxonPruner),
    "wilcoxon late": (
        "wilcoxon",
        {"p_threshold": 0.3, "n_startup_steps": 6},
        lambda: WilcoxonPruner(p_threshold=0.3, n_startup_steps=6),
    ),
    "patient": (
        "patient",
        {"patience": 2, "min_delta": 0.1},
        lambda: PatientPruner(None, 2, 0.1),
    ),
    "patient median": (
        "median",
        {"n_warmup_steps": 0, "n_startup_trials": 1, "patience": 1},
        lambda: PatientPruner(MedianPruner(1, 0), 1),
    ),
    "patient halving": (
        "successive_halving",
        {"min_resource": 1, "reduction_factor": 2, "patience": 0, "min_delta": 0.05},
        lambda: PatientPruner(SuccessiveHalvingPruner(1, 2), 0, 0.05),
    ),
    "patient hyperband": (
        "hyperband",
        {"min_resource": 1, "max_resource": 20, "patience": 1},
        lambda: PatientPruner(HyperbandPruner(1, 20), 1),
    ),
    "patient wilcoxon": (
        "wilcoxon",
        {"patience": 1},
        lambda: PatientPruner(WilcoxonPruner(), 1),
    ),
}


class Definition:
    id, name = 0, "pruners"

    def __init__(self, direction: str) -> None:
        self.directions = [direction]


class Pair:
    """A study of ours without a database, and stock Optuna's, to which the same is reported."""

    def __init__(self, case: str, direction: str) -> None:
        name, options, stock = CASES[case]
        self.kind = PRUNERS[name]
        self.pruner = build_pruner(name, self.kind.complete(options))
        definition = Definition(direction)
        self.storage: SamplerStorage[DraftTrial] = SamplerStorage(
            definition, pruning_direction=direction
        )
        self.sampler = optuna.samplers.RandomSampler(0)
        self.stock = optuna.create_study(
            study_name=definition.name,
            directions=[StudyDirection[direction.upper()]],
            pruner=stock(),
            sampler=self.sampler,
        )
        self.trials: list[optuna.Trial] = []
        self.decisions: list[bool] = []

    def ask(self) -> int:
        trial = self.stock.ask()
        self.trials.append(trial)
        self.storage._put(running_trial(trial.number, trial.number, {}))
        return trial.number

    def report_to_ours(self, number: int, values: dict[int, float]) -> bool:
        """Report several steps at once to ours, whose values they replace; return the decision."""
        trial = self.storage._trials[number]
        ours = ask_pruner(
            self.pruner, self.storage, trial, values, kind=self.kind, sampler=self.sampler
        )
        reported = copy(trial)
        reported.intermediate_values = trial.intermediate_values | values
        kept = {k: v for k, v in trial.system_attrs.items() if k not in ours.dropped}
        reported.system_attrs = kept | dict(ours.system_attrs)
        self.storage._put(reported)
        return ours.should_prune

    def report(self, number: int, values: dict[int, float]) -> bool:
        """Report several steps at once to both, and compare the decisions and the rungs."""
        ours = self.report_to_ours(number, values)
        for step, value in values.items():
            self.trials[number].report(value, step)
        theirs = bool(self.trials[number].should_prune())
        assert ours is theirs, f"trial {number}: {values}"
        attrs = self.stock.get_trials(deepcopy=False)[number].system_attrs
        assert rungs(self.storage._trials[number].system_attrs) == rungs(attrs)
        self.decisions.append(theirs)
        return theirs

    def tell(self, number: int, state: TrialState, value: float, violation: float) -> None:
        for key, each in constraint_attrs({"c": violation}).items():
            self.stock._storage.set_trial_system_attr(number, key, each)
        values = value if state == TrialState.COMPLETE else None
        self.stock.tell(number, values, state)
        ended = copy(self.storage._trials[number])
        stock = self.stock.get_trials(deepcopy=False)[number]
        ended.state, ended.values = state, stock.values
        ended.system_attrs = ended.system_attrs | constraint_attrs({"c": violation})
        self.storage._put(ended)


def rungs(attrs: JSON) -> JSON:
    return {key: value for key, value in attrs.items() if key.startswith("completed_rung_")}


def play(
    pair: Pair,
    rng: random.Random,
    n_trials: int,
    *,
    are_instances: bool,
    corrects: bool = False,
    are_distinct: bool = False,
) -> None:
    """Run several trials at once, which report some steps at a time, and end in any order.

    With `corrects`, ours often gets another value of a step before, which is replaced. Where
    steps are instances, they are out of order: rungs and warm-ups count them.
    """
    # Otherwise many values are equal, which takes SciPy long; `p_value` is tested on its own.
    digits = 9 if are_distinct else 6 if corrects else 3 if are_instances else 1
    open_trials: dict[int, list[int]] = {}
    level: dict[int, float] = {}
    states = [TrialState.COMPLETE] * 5 + [TrialState.PRUNED, TrialState.FAIL]
    while len(pair.trials) < n_trials or open_trials:
        if len(pair.trials) < n_trials and len(open_trials) < 4:
            number = pair.ask()
            steps = [step for step in range(14) if rng.random() < 0.9] or [3]
            if are_instances:
                rng.shuffle(steps)
            open_trials[number], level[number] = steps, rng.random()
        number = rng.choice(list(open_trials))
        left = open_trials[number]
        now = [
            left.pop(0)
            for _ in range(min(len(left), 1 if corrects else rng.choice([1, 1, 1, 2, 4])))
        ]
        values = {step: round(level[number] + rng.gauss(0, 0.2), digits) for step in now}
        values = {step: math.nan if rng.random() < 0.01 else v for step, v in values.items()}
        if corrects and rng.random() < 0.5:
            pair.report_to_ours(number, {now[0]: rng.choice([math.nan, rng.random()])})
        pruned = pair.report(number, values)
        if not left or (pruned and rng.random() < 0.3) or rng.random() < 0.02:
            state = TrialState.PRUNED if left and pruned else rng.choice(states)
            # Of equal values, the in-memory storage takes the one that came first as the best.
            pair.tell(number, state, level[number], rng.choice([-1, -1, 0, 1]))
            del open_trials[number]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stock Optuna's, of NaN and of experimental pruners
        yield


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("case", CASES)
def test_decisions_equal_stock_optunas(case: str, direction: str) -> None:
    decisions = []
    are_instances = CASES[case][0] == "wilcoxon"
    n_seeds, n_trials = (2, 20) if are_instances else (4, 30)  # SciPy's tests take long
    for seed in range(n_seeds):
        pair = Pair(case, direction)
        is_slow = are_instances and seed > 0  # with equal values
        play(pair, random.Random(seed), n_trials, are_instances=are_instances, are_distinct=is_slow)
        decisions += pair.decisions
    assert 10 < sum(decisions) < len(decisions) - 10  # else it is no proof


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("case", CASES)
def test_replaced_values_leave_no_trace(case: str, direction: str) -> None:
    pair = Pair(case, direction)
    are_instances = CASES[case][0] == "wilcoxon"
    n_trials = 20 if are_instances else 40  # SciPy's tests take long
    play(pair, random.Random(7), n_trials, are_instances=are_instances, corrects=True)
    assert any(pair.decisions)


def test_each_pruner_that_reads_steps_is_compared() -> None:
    named = {name for name, _, _ in CASES.values()}
    assert named == {name for name, kind in PRUNERS.items() if kind.reads_steps}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0]), min_size=2, max_size=7),
    st.sampled_from(["less", "greater"]),
)
def test_p_value_is_scipys(differences: list[float], alternative: Any) -> None:
    from scipy import stats

    expected = stats.wilcoxon(differences, alternative=alternative, zero_method="zsplit").pvalue
    assert p_value(differences, alternative) == expected


@pytest.mark.parametrize("n", [13, 14, 50, 51])
def test_p_value_is_scipys_at_the_limits_of_its_methods(n: int) -> None:
    from scipy import stats

    rng = random.Random(n)
    for values in (
        [rng.gauss(0.3, 1) for _ in range(n)],
        [float(rng.randrange(-3, 5)) for _ in range(n)],
        [0.0] * n,
    ):
        expected = stats.wilcoxon(values, alternative="greater", zero_method="zsplit").pvalue
        assert p_value(values, "greater") == expected


@pytest.mark.parametrize("case", ["threshold", "patient"])
def test_pruner_that_reads_no_trials_asks_the_storage_for_none(case: str) -> None:
    pair = Pair(case, "minimize")
    assert not pair.kind.reads_trials
    alone = running_trial(7, 7, {}, {0: 0.5, 1: 0.95, 2: 0.95})  # which the storage does not have
    decision = ask_pruner(
        pair.pruner, pair.storage, alone, {3: 0.95}, kind=pair.kind, sampler=pair.sampler
    )
    assert decision.should_prune is True


@pytest.mark.parametrize(
    ("pruner", "options", "first"),
    [
        ("hyperband", {}, (10, "min_resource")),
        ("median", {}, (10, "n_warmup_steps")),
        ("median", {"patience": 3}, (10, "n_warmup_steps")),
        ("median", {"patience": 30}, (31, "patience")),
        ("successive_halving", {"min_early_stopping_rate": 2}, (160, "min_resource")),
        ("percentile", {"n_warmup_steps": 3}, (3, "n_warmup_steps")),
        ("threshold", {"lower": 0, "n_warmup_steps": 4}, (4, "n_warmup_steps")),
        ("wilcoxon", {}, (1, "n_startup_steps")),
        ("wilcoxon", {"n_startup_steps": 5}, (4, "n_startup_steps")),
        ("patient", {}, (11, "patience")),
        ("none", {}, None),
    ],
)
def test_first_step_is_that_of_the_options(
    pruner: str, options: JSON, first: tuple[int, str] | None
) -> None:
    kind = PRUNERS[pruner]
    assert kind.first_step_of(kind.complete(options)) == first
