"""Groups of repeats after random requests, compared with a plain reference in Python."""

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from optuna_bridge.enums import TrialState
from studies.models import NamedStudy, Study
from tests.support import JSON, X_SPACE
from tests.support.api_client import assert_schemas_agree
from tests.support.study_builders import COMMAND, build_study, named
from trials import domain
from trials.domain import NewTrial, TrialResult
from trials.errors import TrialNotFailed
from trials.models import Trial
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.django_db(transaction=True)

SPACE = [*X_SPACE, {"type": "int", "name": "n", "low": 0, "high": 9}]


# The reference -----------------------------------------------------------------------------

Aggregate = Callable[[list[float]], float]
Reference = dict[int, tuple[str, list[float] | None]]  # state and aggregates by first number


def aggregate_of(study: Study) -> Callable[[list[float], str], float]:
    """The aggregate of an objective's values, given its direction."""
    name = study.repeats["aggregate"]
    worst: dict[str, Aggregate] = {"minimize": max, "maximize": min}
    plain: dict[str, Aggregate] = {"mean": statistics.fmean, "median": statistics.median}
    if name == "worst":
        return lambda values, direction: worst[direction](values)
    return lambda values, _: plain[name](values)


def reference_of(study: Study, trials: list[Trial]) -> Reference:
    """What each group is, from the list of all trials."""
    groups: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        assert trial.repeat is not None
        groups[trial.repeat["group"]].append(trial)
    aggregate = aggregate_of(study)
    found: Reference = {}
    for number, members in groups.items():
        states = [
            "INFEASIBLE" if each.infeasible else each.state
            for each in members
            if each.infeasible or each.state != "FAIL"
        ]
        if {"WAITING", "RUNNING"} & set(states):
            started = any(each.datetime_start for each in members)
            found[number] = ("RUNNING" if started else "WAITING", None)
            continue
        state = "FAIL"
        if states.count("COMPLETE") * 2 > len(states):
            state = "COMPLETE"
        elif states:
            state = "INFEASIBLE" if "INFEASIBLE" in states else "PRUNED"
        told = [each.values for each in members if each.state == state and each.values]
        columns = zip(study.directions, zip(*told, strict=True), strict=False)
        values = [aggregate(list(column), direction) for direction, column in columns]
        found[number] = (state, values if state in ("COMPLETE", "PRUNED") and told else None)
    return found


def front_of(study: Study, reference: Reference) -> list[int]:
    """The best group, or the groups on the Pareto front, by number."""
    losses = {
        number: [sign * value for sign, value in zip(study.signs, values or [], strict=True)]
        for number, (state, values) in reference.items()
        if state == "COMPLETE"
    }
    if len(study.directions) == 1:
        return sorted(losses, key=lambda number: (losses[number], number))[:1]

    def dominates(one: list[float], other: list[float]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return sorted(
        number
        for number, each in losses.items()
        if not any(dominates(other, each) for other in losses.values())
    )


# The play ----------------------------------------------------------------------------------


class Play:
    """Random requests to a study."""

    def __init__(self, study: Study, seed: int) -> None:
        self.study, self.rng = study, random.Random(seed)

    def of_state(self, state: str) -> int | None:
        numbers = list(self.study.trials.filter(state=state).values_list("number", flat=True))
        return self.rng.choice(sorted(numbers)) if numbers else None

    def value(self) -> float:
        return self.rng.randrange(17) / 8

    def values(self) -> list[float]:
        return [self.value() for _ in self.study.directions]

    def ask(self) -> None:
        count = self.rng.randrange(1, 6)
        fixed = self.rng.choice([None, None, {"n": 3}])
        domain.ask_many(actor=COMMAND, named=named(self.study), count=count, fixed=fixed)

    def queue(self) -> None:
        params: JSON = self.rng.choice([{"n": 3}, {"x": 0.5}, {"x": 0.25, "n": 3}])
        domain.add_trials(actor=COMMAND, named=named(self.study), new=[NewTrial(params)])

    def record(self) -> None:
        result = TrialResult(TrialState.COMPLETE, self.values())
        new = [NewTrial({"x": 0.75, "n": 1}, result)]
        domain.add_trials(actor=COMMAND, named=named(self.study), new=new)

    def tell(self, state: TrialState = TrialState.COMPLETE, **more: Any) -> None:
        values = self.values() if state == TrialState.COMPLETE else None
        number = self.of_state("RUNNING")
        if number is not None:
            result = TrialResult(state, values, **more)
            domain.tell(actor=COMMAND, named=named(self.study), number=number, result=result)

    def prune(self) -> None:
        self.tell(TrialState.PRUNED, intermediate_values={1: self.value(), 2: self.value()})

    def fail(self) -> None:
        self.tell(TrialState.FAIL, retry=self.rng.choice([True, False]))

    def tell_infeasible(self) -> None:
        self.tell(TrialState.FAIL, infeasible=True)

    def act(self, action: Callable[..., Any], state: str, **more: Any) -> None:
        number = self.of_state(state)
        if number is not None:
            action(actor=COMMAND, named=named(self.study), number=number, **more)

    def step(self) -> None:
        actions: dict[Callable[[], Any], int] = {
            self.ask: 6,
            self.tell: 14,
            self.prune: 2,
            self.fail: 2,
            self.tell_infeasible: 1,
            self.queue: 1,
            self.record: 1,
            lambda: self.act(domain.invalidate_trial, "COMPLETE", reason="wrong"): 1,
            lambda: self.act(domain.retry_trial, "FAIL"): 1,
            lambda: self.act(domain.cancel_trial, "WAITING"): 1,
        }
        (chosen,) = self.rng.choices(list(actions), list(actions.values()))
        with suppress(TrialNotFailed):  # it is infeasible
            chosen()


def assert_as_reference(study: Study) -> Reference:
    study = NamedStudy(study.name).one()
    trials = list(study.trials.order_by("number"))
    for trial in trials:
        trial.study = study
    reference = reference_of(study, trials)
    stored = {
        each.number: (each.group_state, each.group_values) for each in trials if each.is_leader
    }
    assert stored == reference
    front = front_of(study, reference)
    assert [each.number for each in trials if each.on_front] == front
    assert study.best_number == (front[0] if front else None)
    assert study.best_values == (reference[front[0]][1] if front else None)
    assert study.best_internal_params == (trials[front[0]].internal_params if front else None)
    present = Counter(
        (each.repeat_group, each.repeat_index)
        for each in trials
        if each.state != "FAIL" or each.infeasible
    )
    assert set(present.values()) <= {1}
    for each in trials:  # the same point
        assert each.internal_params == trials[each.point_number].internal_params
    return reference


def _trials_of(session: SamplerSession) -> list[FrozenTrial]:
    session.sync()
    return session.get_all_trials(0)


def assert_sampler_sees(study: Study, reference: Reference) -> None:
    seen = session_registry.use(named(study), _trials_of)
    assert len(seen) == study.trials.count()
    has_worst = any(state == "COMPLETE" for state, _ in reference.values())
    for trial in seen:
        state, values = reference.get(trial.number, ("FAIL", None))
        if state == "INFEASIBLE":
            assert trial.state == (OptunaState.COMPLETE if has_worst else OptunaState.FAIL)
        else:
            assert (trial.state.name, trial.values) == (state, values)
            assert bool(trial.params) == (trial.number in reference and state != "WAITING")


@pytest.mark.parametrize(
    ("direction", "aggregate", "n"),
    [("minimize", "mean", 3), ("maximize", "median", 2), (["minimize", "maximize"], "worst", 3)],
)
def test_groups_are_those_of_the_reference(direction: Any, aggregate: str, n: int) -> None:
    study = build_study(
        space=SPACE,
        sampler="random",
        pruner="none",
        direction=direction,
        repeats={"n": n, "aggregate": aggregate},
        max_retries=1,
    )
    play = Play(study, seed=n)
    for step in range(80):
        play.step()
        reference = assert_as_reference(study)
        if step % 7 == 0:
            assert_sampler_sees(study, reference)
    assert sum(state == "COMPLETE" for state, _ in reference.values()) >= 4
    assert_schemas_agree()
