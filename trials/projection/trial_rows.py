"""The projection of trials into the rows of Optuna's tables."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.projected_table import OF_STUDY, OF_TRIALS, ProjectedTable
from optuna_bridge.system_attrs import METRIC_NAMES
from studies.models import Study
from trials.models import Trial
from tuner_project.db.prepared import row_of, run


def _stored(value: str) -> str:
    """Return SQL for a number as Optuna stores it: NULL if not finite (`_type_of` says which)."""
    return f"CASE WHEN abs({value}) < 'Infinity' THEN {value} END"


def _type_of(value: str, enum: str, with_nan: bool) -> str:
    nan = f"WHEN {value} = 'NaN' THEN 'NAN' " if with_nan else ""
    return (
        f"(CASE {nan}WHEN {value} = 'Infinity' THEN 'INF_POS' "
        f"WHEN {value} = '-Infinity' THEN 'INF_NEG' ELSE 'FINITE' END)::{SCHEMA}.{enum}"
    )


def _attributes(table: str, field: str) -> ProjectedTable:
    return ProjectedTable(
        table,
        ("trial_id", "key", "value_json"),
        ("trial_id", "key"),
        "SELECT t.id, a.key, a.value::text "
        f"FROM trials_trial AS t, json_each(t.{field}) AS a WHERE {{where}}",
        OF_TRIALS,
    )


TRIALS = ProjectedTable(
    "trials",
    ("trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"),
    ("trial_id",),
    f"SELECT t.id, t.number, t.study_id, t.state::{SCHEMA}.trialstate, "
    "t.datetime_start AT TIME ZONE 'UTC', t.datetime_complete AT TIME ZONE 'UTC' "
    "FROM trials_trial AS t WHERE {where}",
    OF_STUDY,
)
# The parameters of a study's search space. It may have a megabyte, so it is read once, and not for
# each trial.
SPACE_OF_STUDY = (
    "WITH p AS MATERIALIZED ("
    "SELECT parameter->>'name' AS name, distribution, position FROM studies_study AS s, ROWS FROM ("
    "json_array_elements(s.search_space), unnest(s.distributions)) "
    "WITH ORDINALITY AS e(parameter, distribution, position) "
    "WHERE s.id = {study}) "
)
STORED_PARAMS = (
    "SELECT t.id, p.name, t.internal_params[p.position], p.distribution "
    "FROM trials_trial AS t CROSS JOIN p "
    # Optuna keeps the fixed parameters of a queued trial in an attribute until it starts.
    "WHERE t.internal_params[p.position] IS NOT NULL "
    "AND (t.state <> 'WAITING' OR t.system_attrs->'fixed_params' IS NULL) "
    # Ordered, since Optuna orders a trial's parameters by their row ids.
    "AND {where} ORDER BY t.id, p.position"
)
_STUDY_OF_TRIALS = "(SELECT t.study_id FROM trials_trial AS t WHERE {where} LIMIT 1)"
PARAMS = ProjectedTable(
    "trial_params",
    ("trial_id", "param_name", "param_value", "distribution_json"),
    ("trial_id", "param_name"),
    SPACE_OF_STUDY.format(study=_STUDY_OF_TRIALS) + STORED_PARAMS,
    OF_TRIALS,
)
VALUES = ProjectedTable(
    "trial_values",
    ("trial_id", "objective", "value", "value_type"),
    ("trial_id", "objective"),
    f"SELECT t.id, v.position::int - 1, {_stored('v.value')}, "
    f"{_type_of('v.value', 'trialvaluetype', with_nan=False)} "
    "FROM trials_trial AS t, unnest(t.values) WITH ORDINALITY AS v(value, position) "
    "WHERE {where}",
    OF_TRIALS,
)
INTERMEDIATE_VALUES = ProjectedTable(
    "trial_intermediate_values",
    ("trial_id", "step", "intermediate_value", "intermediate_value_type"),
    ("trial_id", "step"),
    f"SELECT t.id, v.step, {_stored('v.value')}, "
    f"{_type_of('v.value', 'trialintermediatevaluetype', with_nan=True)} "
    "FROM trials_trial AS t JOIN trials_intermediatevalue AS v ON v.trial_id = t.id "
    "WHERE {where}",
    OF_TRIALS,
)
USER_ATTRIBUTES = _attributes("trial_user_attributes", "user_attrs")
SYSTEM_ATTRIBUTES = _attributes("trial_system_attributes", "system_attrs")
STUDY_ATTRIBUTES = ProjectedTable(
    "study_system_attributes",
    ("study_id", "key", "value_json"),
    ("study_id", "key"),
    # If several trials set the same key, the first one counts, as in a SamplerSession.
    "SELECT DISTINCT ON (t.study_id, a.key) t.study_id, a.key, a.value::text "
    "FROM trials_trial AS t, json_each(t.study_attrs) AS a "
    # The names of the metrics are the study's own field.
    f"WHERE t.study_attrs IS NOT NULL AND a.key <> '{METRIC_NAMES}' AND {{where}} "
    "ORDER BY t.study_id, a.key, t.number",
    f"{OF_STUDY} AND o.key <> '{METRIC_NAMES}'",
)

TRIAL_TABLES = (
    TRIALS,
    PARAMS,
    VALUES,
    INTERMEDIATE_VALUES,
    USER_ATTRIBUTES,
    SYSTEM_ATTRIBUTES,
    STUDY_ATTRIBUTES,
)

# Tables whose rows never change once they are inserted, unless the search space does.
_NEVER_CHANGED = (PARAMS, STUDY_ATTRIBUTES)

_STORED_KEYS = f"""
SELECT coalesce(array_agg(key), '{{}}') FROM {SCHEMA}.study_system_attributes
 WHERE study_id = %(study)s AND key = ANY(%(keys)s)
"""

_THESE = "t.id = ANY(%(trials)s)"
# For an array the planner expects ten rows, and plans the statement again at each execution.
_THIS = "t.id = %(trial)s"

_DELETE_LOST_ATTRIBUTES = (
    f"DELETE FROM {SCHEMA}.{SYSTEM_ATTRIBUTES.name} AS o USING trials_trial AS t "
    f"WHERE o.trial_id = t.id AND {_THESE} AND t.system_attrs->o.key IS NULL"
)

_DELETE_LOST_VALUES = (
    f"DELETE FROM {SCHEMA}.{VALUES.name} AS o USING trials_trial AS t "
    f"WHERE o.trial_id = t.id AND {_THESE} AND t.values IS NULL"
)
_DELETE_STUDY_ATTRIBUTES = f"{STUDY_ATTRIBUTES.delete()} AND key = ANY(%(keys)s)"
_DELETE_FOREIGN_ATTRIBUTES = (
    f"DELETE FROM {SCHEMA}.{SYSTEM_ATTRIBUTES.name} AS o USING trials_trial AS t "
    "WHERE o.trial_id = t.id AND t.study_id = %(study)s AND t.system_attrs->o.key IS NULL",
    f"{STUDY_ATTRIBUTES.delete()} "
    "AND o.key NOT IN (SELECT a.key FROM trials_trial AS t, json_each(t.study_attrs) AS a "
    "WHERE t.study_id = %(study)s AND t.study_attrs IS NOT NULL)",
)


def _one_statement(statements: Sequence[str]) -> str:
    """Combine statements into one; foreign keys between their rows are checked at its end."""
    *first, last = statements
    named = [f"_{position} AS ({statement})" for position, statement in enumerate(first)]
    return f"WITH {', '.join(named)} {last}" if named else last


def add_trial_rows(trials: Sequence[Trial], with_steps: bool) -> None:
    """Write Optuna's rows of new trials, in one statement."""
    tables = [TRIALS, PARAMS, *_tables_of_contents(trials, with_steps)]
    if any(trial.study_attrs for trial in trials):
        tables.append(STUDY_ATTRIBUTES)
    ids = _ids(trials)
    _execute(_insert(tuple(tables), _where(ids)), ids)


def change_trial_rows(trials: Sequence[Trial], steps: Sequence[int], with_params: bool) -> None:
    """Update Optuna's rows of changed trials, in one statement.

    `steps` are the added and replaced steps. `with_params` is set if WAITING trials started: then
    their parameters, and attributes that the sampler set on the study, are inserted.
    """
    tables = [TRIALS, *_tables_of_contents(trials, bool(steps))]
    if with_params:
        tables += [PARAMS, STUDY_ATTRIBUTES]
    ids = _ids(trials)
    if any(trial.has_lost_attrs for trial in trials):
        _execute(_DELETE_LOST_ATTRIBUTES, ids)
    if any(trial.has_lost_values for trial in trials):
        _execute(_DELETE_LOST_VALUES, ids)
    _execute(_upsert(tuple(tables), _where(ids)), ids, steps=list(steps))


def add_study_attribute_rows(trial_ids: Sequence[int]) -> None:
    """Write Optuna's rows of the study attributes that were stored with these trials."""
    _execute(_insert((STUDY_ATTRIBUTES,), _where(trial_ids)), trial_ids)


def remove_study_attribute_rows(study_id: int, keys: Sequence[str]) -> None:
    """Delete Optuna's rows of the study attributes with these keys."""
    run(_DELETE_STUDY_ATTRIBUTES, {"study": study_id, "keys": list(keys)})


def delete_foreign_attributes(study: Study) -> None:
    """Delete Optuna's rows of system attributes that Django's rows of the study do not have."""
    for statement in _DELETE_FOREIGN_ATTRIBUTES:
        run(statement, {"study": study.id})


def new_study_attrs(study: Study, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a sampler's attributes of a locked study that are not stored yet.

    It is for queued trials, which may start out of the order of their numbers: an attribute that
    is already stored must not be replaced by that of a trial with a lower number.
    """
    if not attrs:
        return {}
    row = row_of(_STORED_KEYS, {"study": study.id, "keys": list(attrs)})
    return {key: value for key, value in attrs.items() if key not in (row or [[]])[0]}


def _tables_of_contents(trials: Sequence[Trial], with_steps: bool) -> Iterator[ProjectedTable]:
    """Yield the tables that get rows; an insert without rows would still cost time in each."""
    if any(trial.values for trial in trials):
        yield VALUES
    if with_steps:
        yield INTERMEDIATE_VALUES
    if any(trial.user_attrs for trial in trials):
        yield USER_ATTRIBUTES
    if any(trial.system_attrs for trial in trials):
        yield SYSTEM_ATTRIBUTES


@cache
def _insert(tables: tuple[ProjectedTable, ...], where: str) -> str:
    return _one_statement([table.insert(where) for table in tables])


@cache
def _upsert(tables: tuple[ProjectedTable, ...], where: str) -> str:
    return _one_statement([_change(table, where) for table in tables])


def _change(table: ProjectedTable, where: str) -> str:
    if table is INTERMEDIATE_VALUES:
        return table.upsert(f"{where} AND v.step = ANY(%(steps)s)")
    return table.insert(where) if table in _NEVER_CHANGED else table.upsert(where)


def _where(trial_ids: Sequence[int]) -> str:
    return _THIS if len(trial_ids) == 1 else _THESE


def _ids(trials: Sequence[Trial]) -> list[int]:
    return [trial.id for trial in trials]


def _execute(statement: str, trial_ids: Sequence[int], **arguments: Any) -> None:
    run(statement, {"trials": list(trial_ids), "trial": next(iter(trial_ids), None), **arguments})
