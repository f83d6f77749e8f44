"""The export of trials as CSV, for spreadsheets and data frames."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import get_valid_filename

from console.trials.chosen_columns import ATTRIBUTE, CONSTRAINT, PARAMETER, ChosenColumn
from studies.models import Study
from trials.models import Trial
from trials.models.querysets import TrialQuerySet
from trials.queries.chunks import chunks_of
from tuner_project.db.database import release_connection

# A spreadsheet interprets a text that begins with one of these as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\u2212", "\u2795", "\u2796")
# Controls, formats, private use, unassigned, and marks without width, as variation selectors.
INVISIBLE = ("Cc", "Cf", "Co", "Cn", "Mn")
# The fillers of Hangul and the blank of Braille are letters and a symbol, but show nothing.
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
_PREFIXES = {ATTRIBUTE: "user_attrs", CONSTRAINT: "constraints"}
_NO_REPEAT: dict[str, int | None] = dict.fromkeys(("group", "index", "seed"))


def csv_response(
    study: Study, trials: TrialQuerySet, chosen: Sequence[ChosenColumn] = ()
) -> StreamingHttpResponse:
    """Stream trials of a study by number, read in chunks while they are sent.

    Chosen user attributes and constraints have a column each.
    """
    extra = [each for each in chosen if each.kind != PARAMETER]
    lines = _lines(study, trials, extra)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    filename = get_valid_filename(f"{study.name[:100]}-trials.csv")
    response["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    return response


def _lines(study: Study, trials: TrialQuerySet, extra: Sequence[ChosenColumn]) -> Iterator[str]:
    yield _csv([[*_head(study), *(f"{_PREFIXES[each.kind]}_{each.name}" for each in extra)]])
    trials = trials.defer(None).defer("system_attrs", "study_attrs")
    for chunk in chunks_of(study, trials):
        release_connection()  # a slow client holds none
        yield _csv([*_row(trial), *(_extra(trial, each) for each in extra)] for trial in chunk)
    release_connection()


def _head(study: Study) -> list[str]:
    return [
        "number",
        "state",
        *_value_heads(study),
        *(f"params_{parameter['name']}" for parameter in study.search_space),
        "datetime_start",
        "datetime_complete",
        "duration_seconds",
        "worker_id",
        "reason",
        "user_attrs",
        *(() if study.repeats is None else ("repeat_group", "repeat_index", "repeat_seed")),
    ]


def _value_heads(study: Study) -> list[str]:
    """Return the heads of the values, as Optuna's `Study.trials_dataframe()` names them."""
    if not study.is_multi_objective:
        return ["_".join(["value", *(study.metric_names or ())])]
    names = study.metric_names or range(len(study.directions))
    return [f"values_{name}" for name in names]


def _row(trial: Trial) -> list[Any]:
    params = trial.params
    no_values: list[Any] = [None] * len(trial.study.directions)
    return [
        trial.number,
        trial.state,
        *(trial.values or no_values),
        *(_param(params, parameter["name"]) for parameter in trial.study.search_space),
        _iso_time(trial.datetime_start),
        _iso_time(trial.datetime_complete),
        trial.duration_seconds,
        escape_formula(trial.worker_id),
        escape_formula(trial.reason),
        json.dumps(trial.user_attrs, ensure_ascii=False),
        *(() if trial.study.repeats is None else (trial.repeat or _NO_REPEAT).values()),
    ]


def _extra(trial: Trial, column: ChosenColumn) -> Any:
    """Return a user attribute or the value of a constraint."""
    if column.kind == CONSTRAINT:
        return (trial.constraints_by_name or {}).get(column.name)
    value = trial.user_attrs.get(column.name)
    if isinstance(value, list | dict):
        return escape_formula(json.dumps(value, ensure_ascii=False))
    return None if value is None else _param(trial.user_attrs, column.name)


def _param(params: dict[str, Any], name: str) -> Any:
    """Return a number or text unchanged (except for formulas), and any other choice as JSON."""
    if name not in params:
        return None
    value = params[name]
    if isinstance(value, str):
        return escape_formula(value)
    return json.dumps(value) if value is None or isinstance(value, bool) else value


def escape_formula(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would interpret as a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if _begins_like_formula(text) else text


def _begins_like_formula(text: str) -> bool:
    """Return whether a spreadsheet may interpret the text as a formula.

    Some skip blanks and invisible characters before it, or take other signs for those of formulas:
    typographic ones, and those that compatibility normalization (NFKC) replaces.
    """
    first = next((each for each in text if not _is_skipped(each)), "")
    return text.startswith(FORMULA) or unicodedata.normalize("NFKC", first).startswith(FORMULA)


def _is_skipped(character: str) -> bool:
    is_invisible = unicodedata.category(character) in INVISIBLE or character in FILLERS
    return character.isspace() or is_invisible


def _iso_time(value: datetime | None) -> str:
    return "" if value is None else value.astimezone(UTC).isoformat()


def _csv(rows: Iterable[list[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
