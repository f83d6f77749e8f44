"""Studies in both schemas as they were at an earlier state of our migrations.

Stock Optuna writes its side. Django's side is written through the models as the migrations had
made them by then, to say the same.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import optuna
from django.apps.registry import Apps
from optuna.trial import FrozenTrial, TrialState, create_trial
from rest_framework_api_key.crypto import KeyGenerator

from optuna_bridge.search_space import SearchSpace
from tests.stock import stock_storage

SPACE: list[dict[str, Any]] = [
    {"type": "float", "name": "lr", "low": 1e-05, "high": 0.1, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "categorical", "name": "kind", "choices": ["a", True, 1.5]},
]
SPACE_OF_TODAY = SearchSpace(SPACE)
POINTS: list[dict[str, Any]] = [
    {"lr": 0.001, "n": 3, "kind": "a"},
    {"lr": 0.01, "n": 5, "kind": True},
    {"lr": 1e-05, "n": 9, "kind": 1.5},
    {"lr": 0.1, "n": 1, "kind": "a"},
]
ATTRIBUTES = {"team": "vision", "budget": 1e16}
STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class Past:
    """A study that was played: its outcomes are a state, values and reports of each trial."""

    name: str
    directions: list[Literal["minimize", "maximize"]]
    best: int | None = None
    front: tuple[int, ...] = ()
    outcomes: list[tuple[str, list[float] | None, dict[int, float]]] = field(default_factory=list)


SEARCH = Past(
    "search",
    ["minimize"],
    best=1,
    front=(1,),
    outcomes=[
        ("COMPLETE", [0.5], {1: 0.75, 2: 0.5}),
        ("COMPLETE", [0.25], {}),
        ("PRUNED", None, {1: float("nan"), 2: 1e17}),
        ("FAIL", None, {}),
        ("RUNNING", None, {1: 0.5}),
    ],
)
FRONT = Past(
    "front",
    ["maximize", "minimize"],
    best=0,
    front=(0, 1),
    outcomes=[
        ("COMPLETE", [0.5, 1.0], {}),
        ("COMPLETE", [0.75, 2.0], {}),
        ("COMPLETE", [0.25, 2.0], {}),
    ],
)
EMPTY = Past("empty", ["maximize"])
KEY, PREFIX, HASHED_KEY = KeyGenerator().generate()  # of a worker's token
THEIRS = "theirs"  # which stock Optuna made, and Django does not know
PASTS = (SEARCH, FRONT, EMPTY)


def fill(apps: Apps) -> None:
    """Fill the database, at the state of these historical models."""
    models: dict[str, Any] = {model._meta.label_lower: model for model in apps.get_models()}
    if "access.token" in models:
        models["access.token"].objects.create(name="old", prefix=PREFIX, hashed_key=HASHED_KEY)
    with stock_storage("optuna") as storage:
        theirs = optuna.create_study(storage=storage, study_name=THEIRS)
        theirs.optimize(lambda trial: trial.suggest_float("y", 0, 1), n_trials=2)
        if "studies.study" not in models:
            return
        for past in PASTS:
            study = optuna.create_study(
                storage=storage, study_name=past.name, directions=past.directions
            )
            for key, value in ATTRIBUTES.items():
                study.set_user_attr(key, value)
            columns = _columns(past, study)
            if "trials.trial" in models:
                columns |= _tallies(past, models["trials.trial"])
            row = models["studies.study"].objects.create(**columns)
            if "trials.trial" in models:
                for outcome in past.outcomes:
                    study.add_trial(_trial(len(study.trials), *outcome))
                for trial in study.trials:
                    _store(models, past, row, trial)


def _trial(number: int, state: str, values: list[float] | None, steps: Any) -> FrozenTrial:
    return create_trial(
        state=TrialState[state],
        values=values,
        params=POINTS[number % len(POINTS)],
        distributions=SPACE_OF_TODAY.distributions,
        intermediate_values=steps,
        user_attrs={"host": f"gpu-{number}"},
    )


def _columns(past: Past, study: optuna.Study) -> dict[str, Any]:
    """What all versions of the study's table have."""
    return {
        "id": study._study_id,
        "name": past.name,
        "directions": past.directions,
        "direction_is_list": len(past.directions) > 1,
        "search_space": SPACE,
        "distributions": SPACE_OF_TODAY.distributions_json(),
        "sampler": "tpe",
        "sampler_options": {"seed": None},
        "pruner": "median" if len(past.directions) == 1 else "none",
        "pruner_options": {},
        "user_attrs": ATTRIBUTES,
    }


def _tallies(past: Past, trial_model: Any) -> dict[str, Any]:
    states = [state for state, _, _ in past.outcomes]
    tallies: dict[str, Any] = {f"n_{state.lower()}": states.count(state) for state in STATES}
    tallies |= {"next_number": len(states), "revision": len(states)}
    if past.best is not None:
        tallies |= {
            "best_number": past.best,
            "best_values": past.outcomes[past.best][1],
            "best_internal_params": SPACE_OF_TODAY.to_internal(POINTS[past.best]),
        }
    # Counted by the migration that brought retries, and since.
    if any(field.name == "retried_as" for field in trial_model._meta.get_fields()):
        tallies["n_failures"] = states.count("FAIL")
    return tallies


def _store(models: Any, past: Past, study: Any, trial: FrozenTrial) -> None:
    columns = {
        "id": trial._trial_id,
        "study": study,
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values,
        "internal_params": SPACE_OF_TODAY.to_internal(trial.params),
        "datetime_start": _in_utc(trial.datetime_start),
        "datetime_complete": _in_utc(trial.datetime_complete),
        "user_attrs": trial.user_attrs,
        "on_front": trial.number in past.front,
        "revision": trial.number + 1,
    }
    row = models["trials.trial"].objects.create(**columns)
    for step, value in trial.intermediate_values.items():
        steps = models["trials.intermediatevalue"].objects
        steps.create(trial=row, step=step, value=value)


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
