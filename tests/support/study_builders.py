"""Builders of studies and trials: through the domain, or by SQL where there are many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain import Definition, create_study
from studies.models import NamedStudy, Study
from tests.support import JSON
from trials import domain
from trials.domain import TrialResult
from trials.models import Trial
from trials.models.reservation import Reservation
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry

COMMAND = Actor.command("tests")  # where a test calls a use case itself

MIXED_SPACE: list[JSON] = [
    {"type": "float", "name": "learning_rate", "low": 0.0001, "high": 0.1, "log": True},
    {"type": "float", "name": "min_score", "low": 0.6, "high": 0.9, "step": 0.05},
    {"type": "int", "name": "batch_size", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "optimizer", "choices": ["adam", "sgd", "rmsprop"]},
]
LARGE_SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 64},
    {"type": "categorical", "name": "c", "choices": ["a", "b", "c"]},
]


def build_study(name: str = "search", *, space: Any = MIXED_SPACE, **definition: Any) -> Study:
    names = Study.LIFE
    life = {key: definition.pop(key) for key in names if key in definition}
    wanted = Definition(name=name, search_space=space, life=life, **definition)
    study, created = create_study(actor=COMMAND, definition=wanted, load_if_exists=False)
    assert created
    return study


def named(study: Study) -> NamedStudy:
    return NamedStudy(study.name)


# A few trials -----------------------------------------------------------------------------


def ask_trial(study: Study, fixed: Mapping[str, Any] | None = None) -> Trial:
    return domain.ask(actor=COMMAND, named=named(study), fixed=fixed)


def tell_trial(
    study: Study,
    number: int,
    *values: float,
    state: TrialState = TrialState.COMPLETE,
    steps: Mapping[int, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Trial:
    result = TrialResult(
        state=state,
        values=list(values) or None,
        intermediate_values=steps or {},
        user_attrs=attrs or {},
    )
    return domain.tell(actor=COMMAND, named=named(study), number=number, result=result)


def store_on_trial(
    study: Study,
    number: int,
    *,
    steps: Mapping[int, float] | None = None,
    system_attrs: Mapping[str, Any] | None = None,
) -> Trial:
    """Store intermediate values and system attributes of a RUNNING trial."""
    with transaction.atomic():
        locked = named(study).locked()
        trial = Trial.objects.get_by_number(locked, number)
        trial.system_attrs = trial.system_attrs | dict(system_attrs or {})
        new = [(trial, step, value) for step, value in (steps or {}).items()]
        Trial.objects.change(locked, [trial], was=[TrialState(trial.state)], steps=new)
    return trial


def internal_params_of(trials: Sequence[Trial]) -> list[list[float | None]]:
    return [trial.internal_params for trial in trials]


def synced_session(study: Study) -> SamplerSession:
    """The study's sampler session of this process, up to date."""
    session = session_registry.of(study)
    session.sync()
    return session


def session_trials(
    session: SamplerSession,
) -> list[tuple[int, str, list[float] | None, dict[int, float]]]:
    """What a sampler sees of each trial."""
    return [
        (trial.number, trial.state.name, trial.values, trial.intermediate_values)
        for trial in session.get_all_trials(0)
    ]


# Many trials ------------------------------------------------------------------------------


def add_trial_rows(study: Study, rows: Sequence[JSON]) -> None:
    """Add trials of these fields; `took` is how long one ran."""
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, Counter(row["state"] for row in rows))
        Trial.objects.add([_trial(study, reserved, index, **row) for index, row in enumerate(rows)])


def _trial(
    study: Study, reserved: Reservation, index: int, took: timedelta | None = None, **row: Any
) -> Trial:
    given = {"internal_params": [0.5], "datetime_start": reserved.now, **row}
    if took is not None:
        given["datetime_complete"] = reserved.now + took
    return Trial.reserved(reserved, index, study=study, **given)


def add_running_trials(study: Study, n: int) -> None:
    row = {"state": TrialState.RUNNING, "internal_params": [0.01, 0.6, 16, 0]}
    add_trial_rows(study, [row] * n)


def add_finished_trials(
    study: Study, n: int, *, internal_params: Sequence[float] = (0.01, 0.75, 32, 1)
) -> None:
    """Add n finished trials, the last tenth of them failed; none becomes the best."""
    states = [TrialState.COMPLETE] * (n - n // 10) + [TrialState.FAIL] * (n // 10)
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, Counter(states))
        trials = [
            Trial.reserved(
                reserved,
                i,
                study=study,
                state=state,
                values=[i / 7] if state == TrialState.COMPLETE else None,
                internal_params=list(internal_params),
                datetime_start=reserved.now,
                datetime_complete=reserved.now,
            )
            for i, state in enumerate(states)
        ]
        Trial.objects.add(trials[:100])
        # As the autovacuum would: else the checks of foreign keys go on with the plans that the
        # session made for empty tables, and take 20 s.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE trials_trial, optuna.trials")
        Trial.objects.add(trials[100:])


# Very many trials, which only our own tables know -----------------------------------------

# The first trials of several objectives are the front, and then come worse ones at random. Of one
# objective, the values are nine steps of x and c, so that forests of importance have small trees.
_TRIALS = """
INSERT INTO trials_trial (
    id, study_id, number, state, "values", internal_params, datetime_start, datetime_complete,
    worker_id, lease_expires_at, reason, violation, priority, should_prune, is_retry_wanted,
    attempt, user_attrs, system_attrs, on_front, revision
) SELECT
    (SELECT coalesce(max(id), 0) FROM trials_trial) + number + 1, %(study)s, number, state,
    CASE WHEN state <> 'COMPLETE' THEN NULL
         WHEN %(objectives)s = 1 THEN ARRAY[(1 + floor(3 * x) + 3 * c) / 7]
         WHEN number < %(front)s THEN ARRAY[number::float8 / %(front)s, -number::float8 / %(front)s]
         ELSE ARRAY[1 + random(), 1 + random()] END,
    ARRAY[x, 10 ^ (-4 * random()), 1 + floor(64 * random()), c],
    now() + number * interval '1 second',
    CASE WHEN state <> 'RUNNING' THEN now() + (number + random()) * interval '1 second' END,
    'worker ' || number %% 50, CASE WHEN state = 'RUNNING' THEN now() + interval '1 hour' END,
    CASE WHEN state = 'FAIL' THEN repeat('why ', 100) || number ELSE '' END,
    0, 0, false, false, 1, '{"host": "a"}', '{}',
    state = 'COMPLETE' AND %(objectives)s > 1 AND number < %(front)s, number + 1
  FROM (SELECT number, random() AS x, floor(3 * random()) AS c,
               CASE WHEN number < %(n)s THEN 'COMPLETE'
                    WHEN number < %(n)s + %(others)s THEN 'FAIL'
                    ELSE 'RUNNING' END AS state
          FROM generate_series(0, %(n)s + 2 * %(others)s - 1) AS number) AS trials
"""
_STUDY = """
UPDATE studies_study SET n_complete = %(n)s, n_fail = %(others)s, n_failures = %(others)s,
       n_running = %(others)s, next_number = %(n)s + 2 * %(others)s,
       revision = %(n)s + 2 * %(others)s, best_number = 0,
       (best_values, best_internal_params) = (
           SELECT "values", internal_params FROM trials_trial
            WHERE study_id = %(study)s AND number = 0)
 WHERE id = %(study)s
"""
_STEPS = """
INSERT INTO trials_intermediatevalue (trial_id, step, value)
SELECT id, step, random() FROM trials_trial,
       generate_series(1, CASE WHEN number = 0 THEN 5000 ELSE 1 END) AS step
 WHERE study_id = %(study)s AND state = 'COMPLETE'
"""


def build_large_study(
    name: str, n: int, *, objectives: int = 1, front: int = 0, others: int = 0
) -> Study:
    """A study of n completed trials, of as many others that failed, and as many that run.

    Each completed one has reported a step, and the first one 5,000.
    """
    direction = "minimize" if objectives == 1 else ["minimize"] * objectives
    study = build_study(name, space=LARGE_SPACE, direction=direction, pruner="median")
    values = {"study": study.pk, "n": n, "objectives": objectives, "front": front}
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(_TRIALS, values | {"others": others})
        cursor.execute(_STUDY, values | {"others": others})
        # Else the checks of foreign keys go on as the session planned them for empty tables.
        cursor.execute("DISCARD PLANS")
        cursor.execute(_STEPS, values | {"others": others})
        cursor.execute("ANALYZE trials_trial, trials_intermediatevalue, studies_study")
    return Study.objects.get(pk=study.pk)
