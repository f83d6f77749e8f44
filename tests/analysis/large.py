"""Studies of many trials, made within seconds: only our own tables know the trials."""

from django.db import connection

from studies.models import Study
from tests.play import JSON
from tests.trials.helpers import new_study

SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 64},
    {"type": "categorical", "name": "c", "choices": ["a", "b", "c"]},
]
# The first trials of several objectives are the front, and then come worse ones at random. Of one
# objective, all values are random.
_TRIALS = """
INSERT INTO trials_trial (
    id, study_id, number, state, "values", internal_params, datetime_start, datetime_complete,
    worker_id, lease_expires_at, reason, violation, priority, should_prune, is_retry_wanted,
    attempt, user_attrs, system_attrs, on_front, revision
) SELECT
    (SELECT coalesce(max(id), 0) FROM trials_trial) + number + 1, %(study)s, number, state,
    CASE WHEN state <> 'COMPLETE' THEN NULL
         WHEN %(objectives)s = 1 THEN ARRAY[random()]
         WHEN number < %(front)s THEN ARRAY[number::float8 / %(front)s, -number::float8 / %(front)s]
         ELSE ARRAY[1 + random(), 1 + random()] END,
    ARRAY[random(), 10 ^ (-4 * random()), 1 + floor(64 * random()), floor(3 * random())],
    now() + number * interval '1 second',
    CASE WHEN state <> 'RUNNING' THEN now() + (number + random()) * interval '1 second' END,
    'worker ' || number %% 50, CASE WHEN state = 'RUNNING' THEN now() + interval '1 hour' END,
    CASE WHEN state = 'FAIL' THEN repeat('why ', 100) || number ELSE '' END,
    0, 0, false, false, 1, '{"host": "a"}', '{}',
    state = 'COMPLETE' AND %(objectives)s > 1 AND number < %(front)s, number + 1
  FROM (SELECT number, CASE WHEN number < %(n)s THEN 'COMPLETE'
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


def large_study(
    name: str, n: int, *, objectives: int = 1, front: int = 0, others: int = 0
) -> Study:
    """A study of n completed trials, of as many others that failed, and as many that run.

    Each completed one has reported a step, and the first one 5,000.
    """
    direction = "minimize" if objectives == 1 else ["minimize"] * objectives
    study = new_study(name, space=SPACE, direction=direction, pruner="median")
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
