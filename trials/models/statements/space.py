"""The SQL statements that adapt trials to a changed search space; only `Trial.objects` runs them.

Their cost grows with the study's trials: they are run for a change of the space only.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from optuna_bridge.space.changes import SpaceChange
from studies.models import Study

_CHUNK = 5000  # trials

_CONVERT = "UPDATE trials_trial SET {changes} WHERE study_id = %(study)s"
# From the old index of a value to the new one; arrays of PostgreSQL begin at 1.
_INDEX = (
    "internal_params[{place:d}] = "
    "(%(indexes_{place:d})s::float8[])[internal_params[{place:d}]::int + 1]"
)
_DEFAULT = "internal_params[{place:d}] = %(default_{place:d})s::float8"
# A queued trial names the values that it will have. The order of its keys is kept.
_FIX = """
UPDATE trials_trial
   SET system_attrs = (
       SELECT json_object_agg(a.key, CASE WHEN a.key <> 'fixed_params' THEN a.value ELSE (
                  SELECT json_object_agg(f.key, f.value)
                    FROM (SELECT key, value FROM json_each(a.value)
                          UNION ALL
                          SELECT key, value FROM json_each(%(defaults)s::json)) AS f) END)
         FROM json_each(system_attrs) AS a)
 WHERE study_id = %(study)s AND state = 'WAITING' AND system_attrs->'fixed_params' IS NOT NULL
"""
_PARAMS = """
SELECT id, internal_params FROM trials_trial WHERE study_id = %(study)s ORDER BY number
"""
_HASHES = """
UPDATE trials_trial AS t SET params_hash = n.params_hash
  FROM unnest(%(ids)s::int[], %(hashes)s::uuid[]) AS n(id, params_hash)
 WHERE t.id = n.id AND t.params_hash IS DISTINCT FROM n.params_hash
"""


def convert_params(study: Study, change: SpaceChange, defaults: Mapping[str, Any]) -> None:
    """Store the parameters of a study's trials as they are in a changed search space."""
    places = {position + 1: indexes for position, indexes in change.indexes.items()}
    first = len(change.stored) - len(change.defaults) + 1
    added = dict(enumerate(change.defaults, first))
    parts = [_INDEX.format(place=place) for place in places]
    parts += [_DEFAULT.format(place=place) for place in added]
    if not parts:
        return
    arguments: dict[str, Any] = {"study": study.id}
    arguments |= {f"indexes_{place}": list(map(float, each)) for place, each in places.items()}
    arguments |= {f"default_{place}": each for place, each in added.items()}
    with connection.cursor() as cursor:
        cursor.execute(_CONVERT.format(changes=", ".join(parts)), arguments)
        if added and study.n_waiting:
            cursor.execute(_FIX, {"study": study.id, "defaults": json.dumps(dict(defaults))})


def update_hashes(study: Study, hash_of: Callable[[Sequence[float | None]], UUID | None]) -> None:
    """Store the hash of each trial's point anew."""
    with connection.cursor() as cursor:
        cursor.execute(_PARAMS, {"study": study.id})
        for rows in _chunks(cursor.fetchall()):
            ids = [trial_id for trial_id, _ in rows]
            hashes = [hash_of(internal_params) for _, internal_params in rows]
            cursor.execute(_HASHES, {"ids": ids, "hashes": hashes})


def _chunks(rows: list[tuple[int, list[float | None]]]) -> Iterator[list[tuple[int, Any]]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]
