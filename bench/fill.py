"""Studies with many trials, written through the domain. Django must be set up."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from django.db import connection, transaction

from access.actors import Actor
from bench.space import SPACE
from optuna_bridge.enums import TrialState
from studies.domain import Definition, create_study
from studies.models import NamedStudy, Study
from trials.models import Trial

ACTOR = Actor.command("bench")
_BATCH = 2000
Values = Callable[[np.random.Generator, int], list[list[float]]]


def one_objective(rng: np.random.Generator, n: int) -> list[list[float]]:
    return rng.random((n, 1)).tolist()


def two_objectives(rng: np.random.Generator, n: int) -> list[list[float]]:
    return rng.random((n, 2)).tolist()


def around_one_front(size: int) -> Values:
    """Two objectives, whose Pareto front are the first `size` trials, however many follow."""

    def values(rng: np.random.Generator, n: int) -> list[list[float]]:
        front = [[i / size, 1 - i / size] for i in range(size)]
        return front + (1 + rng.random((n - size, 2))).tolist()

    return values


def filled_study(
    name: str,
    n: int,
    *,
    sampler: str = "tpe",
    values: Values = one_objective,
    **sampler_options: Any,
) -> Study:
    """A study with n COMPLETE trials at random points, the same ones at each call."""
    rng = np.random.default_rng(0)
    told = values(rng, n)
    n_objectives = len(told[0]) if told else 1
    study, _ = create_study(
        actor=ACTOR,
        definition=Definition(
            name=name,
            search_space=SPACE,
            direction=["minimize"] * n_objectives if n_objectives > 1 else "minimize",
            sampler=sampler,
            sampler_options=sampler_options,
            pruner="none",
        ),
        load_if_exists=False,
    )
    on_front = set(_front(np.array(told)))
    for start in range(0, n, _BATCH):
        batch = told[start : start + _BATCH]
        _add_complete(study, points(rng, len(batch)), batch, on_front)
        if n > _BATCH and (start == 0 or start + _BATCH >= n):
            analyze()
    return Study.objects.get(pk=study.pk)


def analyze() -> None:
    """As the autovacuum would within a minute."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def points(rng: np.random.Generator, n: int) -> list[list[float]]:
    """Random points of the space in Optuna's internal representation, (n, parameters)."""
    columns = []
    for parameter in SPACE:
        if parameter["type"] == "categorical":
            columns.append(rng.integers(len(parameter["choices"]), size=n).astype(float))
        elif parameter["type"] == "int":
            columns.append(rng.integers(parameter["low"], parameter["high"] + 1, n).astype(float))
        elif parameter.get("log"):
            low, high = np.log([parameter["low"], parameter["high"]])
            columns.append(np.exp(rng.uniform(low, high, n)))
        else:
            columns.append(rng.uniform(parameter["low"], parameter["high"], n))
    return np.stack(columns, axis=1).tolist()


def _front(values: np.ndarray) -> list[int]:
    """The positions of the Pareto front of one or two losses; of one, the first best."""
    if values.shape[1] == 1:
        return [int(values[:, 0].argmin())]
    order = np.lexsort((values[:, 1], values[:, 0]))
    lowest = np.minimum.accumulate(values[order, 1])
    is_new = np.append(True, lowest[1:] < lowest[:-1])
    return [int(position) for position in order[is_new]]


@transaction.atomic
def _add_complete(
    study: Study, at: Sequence[Any], told: Sequence[list[float]], on_front: set[int]
) -> None:
    reserved = Trial.objects.reserve(study, {TrialState.RUNNING: len(at)})
    trials = [
        Trial.reserved(
            reserved,
            i,
            study=study,
            state=TrialState.RUNNING,
            internal_params=point,
            datetime_start=reserved.now,
        )
        for i, point in enumerate(at)
    ]
    Trial.objects.add(trials)
    for trial, values in zip(trials, told, strict=True):
        trial.state, trial.values, trial.datetime_complete = (
            TrialState.COMPLETE,
            values,
            reserved.now,
        )
        trial.on_front = trial.number in on_front
    locked = NamedStudy(study.name).locked()
    Trial.objects.change(locked, trials, was=[TrialState.RUNNING] * len(trials))
