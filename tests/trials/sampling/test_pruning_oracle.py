"""Pruning decisions are equal to stock Optuna's.

Every request is mirrored in a stock study over Optuna's InMemoryStorage, with `report` and
`should_prune`. Several trials run at once, their reports interleave, and they end COMPLETE, PRUNED
and FAIL in another order.
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import complete, suggest
from trials.models import Trial
from trials.projection import consistency
from trials.sampling.session_registry import session_registry

pytestmark = [
    pytest.mark.django_db(transaction=True),  # else no history is kept from request to request
    # What numpy says to the median pruner of a trial that has reported NaN only.
    pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

JSON = dict[str, Any]
URL = "/api/v1/studies/curves/trials"
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
N_TRIALS = 22
N_STEPS = 20
HALVING = {"min_resource": 2, "reduction_factor": 3}
# One bracket of Hyperband, which is successive halving: 5 / 2 is less than the reduction factor.
ONE_BRACKET = HALVING | {"max_resource": 5}
BRACKETS = {"min_resource": 1, "max_resource": 20, "reduction_factor": 3}

# The pruner of ours, its options, and the stock one.
PRUNERS: dict[str, tuple[str, JSON, Callable[[], BasePruner]]] = {
    "median": (
        "median",
        {"n_startup_trials": 3, "n_warmup_steps": 2},
        lambda: MedianPruner(n_startup_trials=3, n_warmup_steps=2),
    ),
    "median at intervals": (
        "median",
        {"n_startup_trials": 1, "n_warmup_steps": 1, "interval_steps": 4, "n_min_trials": 3},
        lambda: MedianPruner(1, 1, 4, n_min_trials=3),
    ),
    "hyperband": ("hyperband", BRACKETS, lambda: HyperbandPruner(1, 20, 3)),
    "hyperband with a bootstrap": (
        "hyperband",
        BRACKETS | {"bootstrap_count": 2},
        lambda: HyperbandPruner(1, 20, 3, bootstrap_count=2),
    ),
    "successive halving": ("hyperband", ONE_BRACKET, lambda: SuccessiveHalvingPruner(**HALVING)),
    "successive halving with a bootstrap": (
        "hyperband",
        ONE_BRACKET | {"bootstrap_count": 3},
        lambda: SuccessiveHalvingPruner(**HALVING, bootstrap_count=3),
    ),
    "successive_halving": (
        "successive_halving",
        {"min_resource": 2, "reduction_factor": 2, "min_early_stopping_rate": 1},
        lambda: SuccessiveHalvingPruner(2, 2, 1),
    ),
    "percentile": (
        "percentile",
        {"percentile": 60, "n_startup_trials": 3, "n_warmup_steps": 2},
        lambda: PercentilePruner(60, 3, 2),
    ),
    "threshold": (
        "threshold",
        {"lower": -0.55, "upper": 0.55, "n_warmup_steps": 8},
        lambda: ThresholdPruner(-0.55, 0.55, 8),
    ),
    "patient": ("patient", {"patience": 2}, lambda: PatientPruner(None, 2)),
    "patient successive halving": (
        "successive_halving",
        {"min_resource": 2, "reduction_factor": 3, "patience": 1, "min_delta": 0.01},
        lambda: PatientPruner(SuccessiveHalvingPruner(2, 3), 1, 0.01),
    ),
}
QUICK = ("median", "hyperband", "successive_halving", "threshold")  # the others: `make accept`


def learning_curve(number: int, direction: str) -> list[float]:
    """The values of steps 0 to N_STEPS. Curves cross, and many values are equal.

    Some trials learn fast and come to little, others the other way round; some have a gap, some
    diverge early or late, and one has never had a value.
    """
    rng = random.Random(f"curve {number}")
    speed = rng.choice([0.1, 0.3, 1.0])
    floor = 0.2 + 0.3 * speed + rng.uniform(0, 0.2)
    start = rng.uniform(0.8, 1.2)
    losses = [
        round(floor + (start - floor) * math.exp(-speed * step) + rng.gauss(0, 0.03), 2)
        for step in range(N_STEPS + 1)
    ]
    diverges_at = {2: 0, 9: 3, 14: 7, 21: 1, 30: 12}.get(number)
    if diverges_at is not None:
        losses[diverges_at:] = [math.nan] * (N_STEPS + 1 - diverges_at)
    for gap in rng.sample(range(N_STEPS + 1), 2 if number % 4 == 1 else 0):
        losses[gap] = math.nan
    return [-loss if direction == "maximize" else loss for loss in losses]


def on_the_wire(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass
class Mirror:
    """A study of ours, over the API, and a stock one that are taken through the same steps."""

    api: APIClient
    stock: optuna.Study
    n_objectives: int
    direction: str  # of the values that are reported
    open_trials: dict[int, optuna.Trial] = field(default_factory=dict)
    next_steps: dict[int, int] = field(default_factory=dict)
    decisions: list[bool] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def ask(self) -> None:
        number, stock = suggest(self.api, "curves")["trial_id"], self.stock.ask()
        assert number == stock.number
        self.open_trials[number] = stock
        self.next_steps[number] = 0

    def report(self, number: int, n: int, rng: random.Random) -> bool:
        """Report the next n steps at once to both, and ask both."""
        curve = learning_curve(number, self.direction)
        first = self.next_steps[number]
        values = {step: curve[step] for step in range(first, min(first + n, len(curve)))}
        self.next_steps[number] = max(values) + 1
        body: JSON = {"values": {str(step): on_the_wire(each) for step, each in values.items()}}
        if len(values) == 1:
            body = {"step": first, "value": on_the_wire(values[first])}
        if first > 0 and rng.random() < 0.2:  # with one that is stored
            again = {str(first - 1): on_the_wire(curve[first - 1])}
            body = {
                "values": again | {str(step): on_the_wire(each) for step, each in values.items()}
            }
        ours = self.post(number, "report", body)
        if rng.random() < 0.2:
            assert self.post(number, "report", body) == ours  # as a worker that is not sure
        trial = self.open_trials[number]
        for step, value in values.items():
            trial.report(value, step)
        theirs = bool(trial.should_prune())
        assert ours["should_prune"] is theirs, f"trial {number}, step {max(values)}"
        self.decisions.append(theirs)
        return theirs

    def tell(self, number: int, action: str) -> None:
        del self.open_trials[number]
        self.ended.append(number)
        if action == "complete":
            value = 1.0 + number
            values = [value, -value][: self.n_objectives]
            complete(self.api, "curves", number, values)
            self.stock.tell(number, value)
        else:
            self.post(number, action, {"reason": "of the test"})
            state = {"prune": TrialState.PRUNED, "fail": TrialState.FAIL}[action]
            self.stock.tell(number, state=state)

    def post(self, number: int, action: str, body: JSON) -> JSON:
        response = self.api.post(f"{URL}/{number}/{action}", body)
        assert response.status_code == 200, response.content
        return response.json()

    def go_on(self, number: int, rng: random.Random) -> None:
        """What a worker does next with its trial."""
        if number % 9 == 4 and self.next_steps[number] > 1:
            self.tell(number, "fail")
        elif self.report(number, rng.choice([1, 1, 1, 2, 3]), rng) and rng.random() < 0.5:
            self.tell(number, "prune")  # else the worker does not care
        elif self.next_steps[number] > N_STEPS:
            self.tell(number, "complete")

    def assert_same_history(self) -> None:
        trials = list(Trial.objects.filter(study__name="curves").order_by("number"))
        ours = [(t.state, noted(t.system_attrs), reported(t.intermediate_values)) for t in trials]
        theirs = [
            (t.state.name, noted(t.system_attrs), reported(t.intermediate_values))
            for t in self.stock.trials
        ]
        assert ours == theirs
        if self.n_objectives == 1:
            assert [t.values for t in trials] == [t.values for t in self.stock.trials]
        assert list(consistency.differences(Study.objects.get(name="curves"))) == []


def noted(system_attrs: JSON) -> JSON:
    """The rungs that successive halving has noted on a trial."""
    return {key: each for key, each in system_attrs.items() if key.startswith("completed_rung_")}


def reported(values: dict[int, float]) -> list[tuple[int, str]]:
    """In words, since NaN does not equal itself."""
    return [(step, repr(value)) for step, value in sorted(values.items())]


def create(api: APIClient, direction: Any, **more: Any) -> None:
    body = {"name": "curves", "search_space": SPACE, "direction": direction, "sampler": "random"}
    response = api.post("/api/v1/studies", body | more)
    assert response.status_code == 201, response.content


def play(mirror: Mirror, rng: random.Random) -> None:
    for _ in range(N_TRIALS):
        mirror.ask()
        while len(mirror.open_trials) > rng.randrange(2, 7):
            mirror.go_on(rng.choice(list(mirror.open_trials)), rng)
            if rng.random() < 0.02:
                session_registry.clear()  # the next request is served by another process
    while len(mirror.open_trials) > 2:  # and two never end
        mirror.go_on(rng.choice(list(mirror.open_trials)), rng)


@pytest.mark.parametrize(
    "pruner",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.accept) for each in PRUNERS],
)
@pytest.mark.parametrize(
    ("n_objectives", "direction"),
    [
        (1, "minimize"),
        pytest.param(1, "maximize", marks=pytest.mark.accept),
        pytest.param(2, "minimize", marks=pytest.mark.accept),
        pytest.param(2, "maximize", marks=pytest.mark.accept),
    ],
)
def test_pruning_decisions_equal_stock_optunas(
    api: APIClient, n_objectives: int, pruner: str, direction: str
) -> None:
    name, options, stock_pruner = PRUNERS[pruner]
    more: JSON = {"pruner": name, "pruner_options": options}
    if n_objectives == 1:
        create(api, direction, **more)
    else:  # neither of which says how what is reported is to be taken
        other = {"minimize": "maximize", "maximize": "minimize"}[direction]
        create(api, [other, other], pruning_direction=direction, **more)
    stock = optuna.create_study(
        study_name="curves",  # Hyperband's brackets depend on it
        storage=InMemoryStorage(),
        direction=StudyDirection[direction.upper()],
        pruner=stock_pruner(),
    )
    mirror = Mirror(api, stock, n_objectives, direction)
    play(mirror, random.Random(f"{pruner} {direction}"))
    mirror.assert_same_history()
    # It is no proof where little happened.
    states = Counter(trial.state.name for trial in stock.trials)
    assert min(states[each] for each in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")) >= 1
    assert 10 < sum(mirror.decisions) < len(mirror.decisions) - 10
    assert mirror.ended != sorted(mirror.ended)
    rungs = {rung for trial in stock.trials for rung in noted(trial.system_attrs)}
    assert len(rungs) == (3 if name in ("hyperband", "successive_halving") else 0)


# Several objectives, and what the sampler makes of pruned trials -------------------------


def suggestions(api: APIClient, pruning_direction: str, sign: int) -> list[JSON]:
    """What tpe suggests once most trials were pruned, having reported sign times a loss."""
    api.delete("/api/v1/studies/curves")
    create(
        api,
        ["minimize", "minimize"],
        sampler="tpe",
        sampler_options={"seed": 5, "n_startup_trials": 12},
        pruner="median",
        pruner_options={"n_startup_trials": 1, "n_warmup_steps": 0},
        pruning_direction=pruning_direction,
    )
    suggested = []
    for number in range(20):
        offer = suggest(api, "curves")
        assert offer["trial_id"] == number
        x = offer["params"]["x"]
        suggested.append(offer["params"])
        if number == 0:
            complete(api, "curves", number, [x, 1 - x])
            continue
        values: JSON = {"0": sign * (x - 0.3) ** 2, "1": None if number % 7 == 3 else sign * x}
        reports = {"values": values}
        if number % 5:  # the others have reported nothing
            assert api.post(f"{URL}/{number}/report", reports).status_code == 200
        pruned = api.post(f"{URL}/{number}/prune", {})
        assert (pruned.status_code, pruned.json()["values"]) == (200, None)
    return suggested


def test_tpe_of_several_objectives_learns_from_pruned_trials_by_their_metric(
    api: APIClient,
) -> None:
    minimized = suggestions(api, "minimize", 1)
    assert len(minimized) == 20
    assert suggestions(api, "minimize", 1) == minimized
    assert suggestions(api, "maximize", -1) == minimized
    opposite = suggestions(api, "maximize", 1)
    assert opposite[:12] == minimized[:12]  # drawn at random
    assert opposite[12:] != minimized[12:]
    assert suggestions(api, "minimize", -1) == opposite
