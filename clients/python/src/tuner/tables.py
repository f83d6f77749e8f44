"""Trials as a table of pandas."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tuner.answers import FrozenTrial

if TYPE_CHECKING:
    import pandas


def to_dataframe(trials: Iterable[FrozenTrial], n_objectives: int) -> "pandas.DataFrame":
    """Return a row for each trial: number, state, values, times, parameters, attributes.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("dataframe() needs pandas: pip install pandas") from error
    return pandas.DataFrame([_row(trial, n_objectives) for trial in trials])


def _row(trial: FrozenTrial, n_objectives: int) -> dict[str, Any]:
    nothing: list[Any] = [None] * n_objectives
    values = trial.values or nothing
    return {
        "number": trial.trial_id,
        **({"value": values[0]} if n_objectives == 1 else _prefixed("values", enumerate(values))),
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "duration_seconds": trial.duration_seconds,
        **_prefixed("params", trial.params.items()),
        **_prefixed("user_attrs", (trial.user_attrs or {}).items()),
        **_prefixed("constraints", (trial.constraints or {}).items()),
        "state": trial.state,
    }


def _prefixed(prefix: str, items: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    return {f"{prefix}_{key}": value for key, value in items}
