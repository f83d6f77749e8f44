"""With the same seed and trials, suggestions and pruning decisions are equal to stock Optuna's.

Every step of a study is mirrored in a stock study over Optuna's InMemoryStorage. Several trials run
at once, and they end COMPLETE, PRUNED and FAIL in another order.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest
from optuna.samplers import (
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from optuna_bridge.enums import TrialState
from optuna_bridge.pruners.registry import build_pruner
from optuna_bridge.samplers.kind import reseed
from optuna_bridge.system_attrs import TRANSIENT_ATTRIBUTES
from studies.models import Study
from tests.support.study_builders import ask_trial, build_study, store_on_trial, tell_trial
from trials.sampling.session_registry import session_registry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

SEED = 7
SPACE = [
    {"type": "float", "name": "rate", "low": 1e-5, "high": 0.1, "log": True},
    {"type": "float", "name": "stepped", "low": 0.1, "high": 0.75, "step": 0.2},
    {"type": "int", "name": "units", "low": 1, "high": 1000, "log": True},
    {"type": "int", "name": "layers", "low": -3, "high": 9, "step": 3},
    {"type": "categorical", "name": "kind", "choices": ["a", 1, 2.5, False, None]},
    {"type": "float", "name": "fixed", "low": 2.0, "high": 2.0},
]
PRUNER_OPTIONS = {
    "none": {},
    "median": {"n_startup_trials": 3, "n_warmup_steps": 1},
    "hyperband": {"min_resource": 1, "max_resource": 9},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "tpe": {"n_startup_trials": 6},
    "gp": {"n_startup_trials": 5},
    "nsgaii": {"population_size": 4},
    "nsgaiii": {"population_size": 4},
    "cmaes": {"popsize": 4},
    "random": {},
    "qmc": {},
}
STOCK_SAMPLERS: dict[str, Any] = {
    "tpe": TPESampler,
    "gp": GPSampler,
    "nsgaii": NSGAIISampler,
    "nsgaiii": NSGAIIISampler,
    "cmaes": CmaEsSampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
}
ASKS = {"gp": 12}  # of which it draws five at random
# Stock CMA-ES finds its state in the latest completed trial, which may not be the latest state.
SEQUENTIAL = {"cmaes"}
CASES = [
    ("tpe", 1, "none", {}),
    ("tpe", 1, "median", {}),
    ("tpe", 1, "hyperband", {}),
    ("tpe", 1, "none", {"multivariate": True, "group": True}),
    ("tpe", 2, "none", {}),
    ("tpe", 2, "none", {"multivariate": True}),
    ("nsgaii", 1, "none", {}),
    ("nsgaii", 1, "hyperband", {}),
    ("nsgaii", 2, "none", {"mutation_prob": 0.3, "crossover_prob": 0.5, "swapping_prob": 0.2}),
    ("nsgaiii", 1, "none", {}),
    ("nsgaiii", 2, "none", {"population_size": 6, "dividing_parameter": 5}),
    ("cmaes", 1, "none", {}),
    ("cmaes", 1, "hyperband", {"with_margin": True}),
    ("cmaes", 1, "median", {"consider_pruned_trials": True}),
    ("random", 1, "none", {}),
    ("random", 1, "hyperband", {}),
    ("random", 2, "none", {}),
    ("qmc", 1, "none", {"qmc_type": "halton", "scramble": True}),
    ("qmc", 1, "hyperband", {}),
    ("qmc", 2, "none", {"qmc_type": "sobol", "scramble": True}),
    ("gp", 1, "hyperband", {}),
]
# Each ask of gp costs up to half a second, on both sides; of the others, what is left.
LONG_CASES = [
    ("nsgaii", 1, "median", {}),
    ("nsgaiii", 1, "hyperband", {}),
    ("random", 1, "median", {}),
    ("qmc", 1, "median", {"qmc_type": "halton"}),
    ("tpe", 1, "median", {"multivariate": False, "constant_liar": False}),
    ("gp", 1, "none", {"deterministic_objective": True}),
    ("gp", 1, "median", {"n_startup_trials": 2}),
    ("gp", 2, "none", {}),
]
ALL_CASES = [
    *CASES,
    *(pytest.param(*case, marks=pytest.mark.accept) for case in LONG_CASES),
]


@dataclass
class Mirror:
    """A study of ours and a stock one that are taken through the same steps."""

    study: Study
    stock: optuna.Study
    open_trials: list[int] = field(default_factory=list)
    pruned: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, study: Study) -> "Mirror":
        stock = optuna.create_study(
            study_name=study.name,  # Hyperband's brackets depend on it
            storage=InMemoryStorage(),
            directions=[StudyDirection[each.upper()] for each in study.directions],
            sampler=stock_sampler(study),
            pruner=build_pruner(study.pruner, study.pruner_options),
        )
        return cls(study, stock)

    def ask(self, fixed: dict[str, Any] | None = None) -> None:
        trial = ask_trial(self.study, fixed)
        if fixed:
            self.stock.enqueue_trial(fixed)
        if not isinstance(self.stock.sampler, QMCSampler):
            reseed(self.stock.sampler, SEED, trial.number)
            if isinstance(self.stock.sampler, GPSampler):
                self.stock.sampler._gprs_cache_list = None
        elif trial.number == 0:  # the only one that it draws at random
            reseed(self.stock.sampler, SEED, 0)
        stock = self.stock.ask(fixed_distributions=self.study.space.distributions)
        assert trial.number == stock.number
        assert repr(trial.params) == repr(stock.params)  # with types and order
        self.open_trials.append(trial.number)

    def report(self, number: int, step: int, value: float) -> bool:
        """Report to both, and ask both pruners."""
        trial = store_on_trial(self.study, number, steps={step: value})
        stock_id = self.stock.get_trials(deepcopy=False)[number]._trial_id
        self.stock._storage.set_trial_intermediate_value(stock_id, step, value)
        history = session_registry.of(self.study)
        history.sync()
        before = history.get_trial(trial.id).system_attrs
        ours = history.optuna_study.pruner.prune(history.optuna_study, history.get_trial(trial.id))
        noted = history.get_trial(trial.id).system_attrs
        if noted != before:  # its rungs, which the next sync would forget
            store_on_trial(self.study, number, system_attrs=noted)
        theirs = self.stock.pruner.prune(self.stock, self.stock._storage.get_trial(stock_id))
        assert ours == theirs
        self.pruned.append(ours)
        return ours

    def tell(self, number: int, *values: float, state: TrialState) -> None:
        tell_trial(self.study, number, *values, state=state)
        self.stock.tell(number, list(values) or None, state=OptunaState[state.name])
        self.open_trials.remove(number)

    def assert_same_history(self) -> None:
        history = session_registry.of(self.study)
        history.sync()
        ours = history.optuna_study.get_trials(deepcopy=False)
        theirs = self.stock.get_trials(deepcopy=False)
        assert [described(trial) for trial in ours] == [described(trial) for trial in theirs]
        assert self.parents(history.optuna_study) == self.parents(self.stock)

    def parents(self, study: optuna.Study) -> dict[str, list[int]]:
        """NSGA-II's parents of each generation, by number instead of by Optuna's id."""
        numbers = {trial._trial_id: trial.number for trial in study.get_trials(deepcopy=False)}
        attrs = study._storage.get_study_system_attrs(study._study_id)
        return {
            key: [numbers[trial_id] for trial_id in value]
            for key, value in attrs.items()
            if ":parent:" in key and not key.startswith("CmaEs")
        }


def stock_sampler(study: Study) -> optuna.samplers.BaseSampler:
    return STOCK_SAMPLERS[study.sampler](**study.sampler_options)


def described(trial: FrozenTrial) -> tuple[str, ...]:
    """All of a trial but its ids and times."""
    attrs = {
        key: value
        for key, value in trial.system_attrs.items()
        if not key.startswith(TRANSIENT_ATTRIBUTES) and ":optimizer:" not in key
    }
    parts = (trial.number, trial.state, trial.values, trial.params, trial.distributions)
    steps = sorted(trial.intermediate_values.items())
    return tuple(repr(part) for part in (*parts, steps, sorted(attrs.items())))


def objective(params: dict[str, Any], objectives: int) -> list[float]:
    """Something to learn from, with ties."""
    rate, layers = params["rate"], params["layers"]
    first = round(abs(rate - 0.01) * 100 + abs(layers - 3) + (params["kind"] == "a"), 1)
    return [first, round(params["stepped"] * params["units"], 0)][:objectives]


def finish(mirror: Mirror, rng: random.Random, number: int) -> None:
    """Take a trial from its first report to its end."""
    objectives = len(mirror.study.directions)
    values = objective(mirror.stock.get_trials(deepcopy=False)[number].params, objectives)
    if number > 1 and rng.random() < 0.12:
        mirror.tell(number, state=TrialState.FAIL)
    elif (number > 1 and rng.random() < 0.1) or any(
        mirror.report(
            number, step, rng.choice([values[0] + 3 / step, float("nan")][: 1 + (step == 4)])
        )
        for step in ((1, 3, 9) if mirror.study.pruner != "none" else ())
    ):
        mirror.tell(number, state=TrialState.PRUNED)
    else:
        mirror.tell(number, *values, state=TrialState.COMPLETE)


def begun(
    sampler: str, objectives: int, pruner: str, options: dict[str, Any], rng: random.Random
) -> Mirror:
    """Return a study and its mirror, whose first trial has finished."""
    study = build_study(
        "oracle",
        space=SPACE,
        direction=["minimize", "maximize"][:objectives],
        sampler=sampler,
        sampler_options=OPTIONS[sampler] | {"seed": SEED} | options,
        pruner=pruner,
        pruner_options=PRUNER_OPTIONS[pruner],
    )
    mirror = Mirror.of(study)
    mirror.ask()
    finish(mirror, rng, 0)  # else stock QMC draws the second one at random, too
    return mirror


@pytest.mark.parametrize(("sampler", "objectives", "pruner", "options"), ALL_CASES)
def test_suggestions_and_decisions_equal_stock_optunas(sampler, objectives, pruner, options):
    rng = random.Random(f"{sampler} {objectives} {pruner}")
    mirror = begun(sampler, objectives, pruner, options, rng)
    for _ in range(ASKS.get(sampler, 28)):
        mirror.ask()
        n_open = 0 if sampler in SEQUENTIAL else rng.randrange(1, 5)
        while len(mirror.open_trials) > n_open:
            finish(mirror, rng, rng.choice(mirror.open_trials))
    mirror.assert_same_history()
    if pruner != "none" and sampler != "gp":
        assert 3 < sum(mirror.pruned) < len(mirror.pruned)
    if sampler.startswith("nsga"):
        assert mirror.parents(mirror.stock)


@pytest.mark.parametrize(
    ("sampler", "objectives", "pruner", "options"),
    [case for case in CASES if case[0] not in SEQUENTIAL],
)
def test_draws_around_fixed_values_equal_stock_optunas(sampler, objectives, pruner, options):
    rng = random.Random(f"fixed {sampler} {objectives} {pruner}")
    values = {"rate": 0.01, "stepped": 0.3, "units": 64, "layers": 3, "kind": None, "fixed": 2.0}
    mirror = begun(sampler, objectives, pruner, options, rng)
    for number in range(min(ASKS.get(sampler, 28), 18)):
        # Stock Optuna draws nothing for a trial that has all values: then its QMC counts no point,
        # and NSGA-II sets no generation.
        names = rng.sample(list(values), rng.randrange(5))
        fixed = {name: value for name, value in values.items() if name in names}
        mirror.ask(fixed if number % 3 else None)
        while len(mirror.open_trials) > rng.randrange(1, 5):
            finish(mirror, rng, rng.choice(mirror.open_trials))
    mirror.assert_same_history()
