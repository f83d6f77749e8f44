"""A search space that changes while trials wait, run and end: trials, samplers, both schemas."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest
from django.db import transaction

from optuna_bridge.enums import TrialState
from optuna_bridge.space.changes import SpaceRequest
from studies.domain.lifecycle import change_state, change_study
from studies.enums import StudyState
from studies.errors import StudyCompleted
from studies.models import Study
from tests.support import JSON
from tests.support.optuna_oracle import load_optuna_study
from tests.support.study_builders import COMMAND, ask_trial, build_study, named, tell_trial
from trials import domain
from trials.domain import TrialResult
from trials.domain.adding.queueing import NewTrial, add_trials
from trials.domain.asking.attempt import AskRequest, serve
from trials.errors import InvalidFixedValues
from trials.models import Trial
from trials.projection.consistency import differences
from trials.sampling.plan import Plan
from trials.sampling.session_registry import session_registry
from trials.sampling.trial_cache import SessionOutdated

pytestmark = pytest.mark.django_db(transaction=True)

RATE: JSON = {"type": "float", "name": "rate", "low": 0.001, "high": 1.0, "log": True}
LAYERS: JSON = {"type": "int", "name": "layers", "low": 1, "high": 4}
KIND: JSON = {"type": "categorical", "name": "kind", "choices": ["adam", "sgd"]}
BATCH: JSON = {"type": "ordinal", "name": "batch", "values": [16, 64]}
FIRST = [RATE, LAYERS, KIND, BATCH]
NARROW_RATE = RATE | {"low": 0.01, "high": 0.1}
DROPOUT: JSON = {"type": "float", "name": "dropout", "low": 0.0, "high": 0.5}
# A narrower and a wider range, other choices, a value in between, a new and a retired parameter.
SECOND = [
    DROPOUT,
    KIND | {"choices": ["lion", "adam"]},
    NARROW_RATE,
    BATCH | {"values": [16, 32, 64]},
]
SECOND_VALUES: JSON = {"defaults": {"dropout": 0.25}, "retired": {"layers": 2}}


def change(study: Study, space: Sequence[JSON], **values: Mapping[str, Any]) -> Study:
    request = SpaceRequest(space, **values)
    return change_study(actor=COMMAND, named=named(study), changes={}, space=request)


def run_trial(study: Study, value: float, fixed: Mapping[str, Any] | None = None) -> Trial:
    return tell_trial(study, ask_trial(study, fixed).number, value)


def trials_of(study: Study) -> list[Trial]:
    return list(Trial.objects.filter(study_id=study.id).select_related("study").order_by("number"))


def fits(study: Study, trial: Trial, *, but: str = "") -> bool:
    """Whether a trial has a value of now for each parameter."""
    current = named(study).one().current
    params = {name: value for name, value in trial.params.items() if name != but}
    return trial.has_all_params and not current.space.faults(params)


def test_trials_of_all_states_and_both_schemas_follow() -> None:
    study = build_study(space=FIRST, sampler="random", direction="minimize")
    best = {"rate": 0.5, "layers": 4, "kind": "sgd", "batch": 64}
    running = ask_trial(study, {"layers": 3})
    add_trials(
        actor=COMMAND,
        named=named(study),
        new=[
            NewTrial(best, TrialResult(state=TrialState.COMPLETE, values=[0.0])),
            NewTrial(best, priority=1),
            NewTrial({"kind": "sgd"}),
        ],
    )
    changed = change(study, SECOND, **SECOND_VALUES)
    assert changed.best_params == {**best, "dropout": 0.25}
    assert list(differences(changed)) == []
    assert [each.space_version for each in trials_of(study)] == [1, 1, 1, 1]

    # The queue is handed out as requested; what is left open is drawn from the new space.
    told = tell_trial(study, running.number, 1.0)
    assert told.params["layers"] == 3
    queued = ask_trial(study)
    assert queued.params == {**best, "dropout": 0.25}
    partial = ask_trial(study)
    own = {name: partial.params[name] for name in ("kind", "dropout", "layers")}
    assert own == {"kind": "sgd", "dropout": 0.25, "layers": 2}
    assert fits(study, partial, but="kind")
    new = ask_trial(study)
    assert fits(study, new)
    assert new.params["layers"] == 2
    assert [each.space_version for each in (told, queued, partial, new)] == [1, 2, 2, 2]
    assert list(differences(changed)) == []
    assert [each.params for each in load_optuna_study().trials] == [
        each.params for each in trials_of(study)
    ]


def test_stock_optuna_goes_on_with_a_changed_study() -> None:
    study = build_study(space=FIRST, sampler="tpe", sampler_options={"seed": 1})
    for value in range(12):
        run_trial(study, value)
    change(study, SECOND, **SECOND_VALUES)
    for value in range(3):
        run_trial(study, value)
    sampler = optuna.samplers.TPESampler(n_startup_trials=1, seed=1)
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(load_optuna_study().trials)
    trial = copy.ask()
    assert trial.suggest_float("rate", 0.01, 0.1, log=True) <= 0.1
    assert trial.suggest_float("dropout", 0, 0.5) <= 0.5
    assert trial.suggest_categorical("kind", ["adam", "sgd", "lion"]) in ("adam", "sgd", "lion")
    assert trial.suggest_categorical("batch", [16, 32, 64]) in (16, 32, 64)
    space = optuna.search_space.intersection_search_space(copy.get_trials(deepcopy=False)[:-1])
    assert set(space) == {"rate", "layers", "kind", "batch", "dropout"}


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("tpe", {"n_startup_trials": 2, "seed": 3}),
        ("cmaes", {"popsize": 4, "with_margin": True, "seed": 3}),
        ("nsgaii", {"population_size": 4, "seed": 3}),
        ("qmc", {"seed": 3}),
        ("auto", {"seed": 3}),
        ("grid", {"n_values": 3, "seed": 3}),
    ],
)
def test_suggestions_are_valid_after_each_change(sampler: str, options: JSON) -> None:
    study = build_study(space=FIRST, sampler=sampler, sampler_options=options)
    wider = [RATE | {"low": 0.0001, "high": 10.0}, LAYERS | {"low": 0, "high": 9}, *SECOND[1:2]]
    steps: list[tuple[Sequence[JSON], JSON]] = [
        (SECOND, SECOND_VALUES),
        (wider, {"retired": {"dropout": 0.5, "batch": 32}}),
        ([NARROW_RATE, KIND, DROPOUT], {"retired": {"layers": 0}}),
    ]
    for _ in range(10):
        ask_and_score(study)
    for space, values in steps:
        study = change(study, space, **values)
        for _ in range(9):
            trial = ask_trial(study)
            assert fits(study, trial), trial.params
            assert trial.space_version == study.search_space_version
            tell_trial(study, trial.number, score(trial))
    assert list(differences(study)) == []
    found = session_registry.of(named(study).one())
    found.sync()
    current = named(study).one().current
    learnt = [current.as_learnt(each.internal_params) is not None for each in trials_of(study)]
    states = [trial.state.name for trial in found.stored_trials()]
    assert states == ["COMPLETE" if is_learnt else "FAIL" for is_learnt in learnt]
    assert 9 <= states.count("COMPLETE") < len(states)


@pytest.mark.parametrize(
    "sampler", ["random", "tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "qmc", "auto"]
)
def test_conditions_hold_after_each_change(sampler: str) -> None:
    momentum: JSON = {"type": "float", "name": "momentum", "low": 0.0, "high": 0.9}
    study = build_study(
        space=[RATE, KIND, momentum | {"when": {"kind": ["sgd"]}}],
        sampler=sampler,
        sampler_options={"seed": 3},
    )
    more = KIND | {"choices": ["lion", "nesterov", "sgd"]}
    narrow = momentum | {"low": 0.5, "when": {"kind": ["nesterov", "sgd"]}}
    steps: list[tuple[Sequence[JSON], JSON]] = [
        ([NARROW_RATE, more, narrow], {}),
        ([narrow, more, LAYERS], {"defaults": {"layers": 1}, "retired": {"rate": 0.05}}),
    ]
    for _ in range(8):
        ask_and_score(study)
    for space, values in steps:
        study = change(study, space, **values)
        for _ in range(7):
            trial = ask_trial(study)
            assert fits(study, trial), trial.params
            has_momentum = trial.params["kind"] in ("nesterov", "sgd")
            assert ("momentum" in trial.params) == has_momentum
            tell_trial(study, trial.number, score(trial))
    assert list(differences(study)) == []
    stored = [each.params for each in load_optuna_study().trials]
    assert stored == [each.params for each in trials_of(study)]


def score(trial: Trial) -> float:
    return float(trial.params["rate"])


def ask_and_score(study: Study) -> None:
    trial = ask_trial(study)
    tell_trial(study, trial.number, score(trial))


def test_plan_of_the_earlier_space_is_not_served() -> None:
    study = build_study(space=FIRST, sampler="random")
    session = session_registry.of(study)
    plan = Plan.draw(session, 1)
    change(study, [NARROW_RATE, LAYERS, KIND, BATCH])
    with pytest.raises(SessionOutdated), transaction.atomic():
        serve(session, plan, AskRequest(COMMAND), 1)
    plan.close()
    assert ask_trial(study).number == 0


def test_fixed_value_of_the_new_space_is_accepted_by_an_old_session() -> None:
    study = build_study(space=FIRST, sampler="random")
    ask_trial(study)
    with pytest.raises(InvalidFixedValues):
        ask_trial(study, {"rate": 2.0})
    change(study, [RATE | {"high": 5.0}, LAYERS, KIND, BATCH])
    assert ask_trial(study, {"rate": 2.0}).params["rate"] == 2.0


def test_trial_outside_of_the_space_is_not_retried_by_itself() -> None:
    study = build_study(space=FIRST, sampler="random", max_retries=3)
    outside = ask_trial(study, {"kind": "sgd"})
    inside = ask_trial(study, {"kind": "adam"})
    change(study, [RATE, LAYERS, KIND | {"choices": ["adam"]}, BATCH])
    wish = TrialResult(state=TrialState.FAIL, retry=True)
    failed = [
        domain.tell(actor=COMMAND, named=named(study), number=each.number, result=wish)
        for each in (outside, inside)
    ]
    assert [each.retried_as for each in failed] == [None, 2]
    why = "its parameters are outside of the study's search space, which has changed"
    assert failed[0].retry_refused == why


def test_points_are_avoided_in_the_space_of_now() -> None:
    steps = {"type": "float", "name": "s", "low": 0.2, "high": 0.4, "step": 0.1}
    study = build_study(space=[steps, KIND], sampler="brute_force")
    for value in range(6):
        run_trial(study, value)
    assert named(study).one().state_reason == "space_exhausted"
    with pytest.raises(StudyCompleted):
        change_state(actor=COMMAND, named=named(study), to=StudyState.ACTIVE)
    change(study, [steps | {"low": 0.1, "high": 0.3}, KIND | {"choices": ["sgd", "lion"]}])
    change_state(actor=COMMAND, named=named(study), to=StudyState.ACTIVE)
    new = [run_trial(study, 0).params for _ in range(4)]
    assert sorted((round(each["s"], 1), each["kind"]) for each in new) == [
        (0.1, "lion"),
        (0.1, "sgd"),
        (0.2, "lion"),
        (0.3, "lion"),
    ]
    assert named(study).one().state_reason == "space_exhausted"


def test_cmaes_starts_anew_with_a_changed_space() -> None:
    options = {"popsize": 4, "seed": 1}
    study = build_study(space=[RATE, DROPOUT], sampler="cmaes", sampler_options=options)
    for _ in range(14):
        ask_and_score(study)
    assert trials_of(study)[-1].system_attrs["cma:generation"] > 1
    change(study, [RATE | {"high": 5.0}, DROPOUT])
    ask_and_score(study)
    assert trials_of(study)[-1].system_attrs["cma:generation"] == 0
    assert all(each.study_attrs is None or not each.study_attrs for each in trials_of(study))
    for _ in range(8):
        ask_and_score(study)
    assert trials_of(study)[-1].system_attrs["cma:generation"] > 0
    assert list(differences(study)) == []
