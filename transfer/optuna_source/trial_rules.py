"""The rules by which a trial of stock Optuna becomes one that the service can store.

Each rule changes the trial's line, in which times are datetimes and numbers may be infinite.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial

from optuna_bridge.constraints import constraint_attrs, constraints_of
from optuna_bridge.enums import TrialState
from transfer.file.format import Document
from transfer.optuna_source.oddities import (
    OLD_NUMBER,
    OLD_VALUES,
    AdoptionRefused,
    Oddities,
    Rule,
)
from trials.api.fields import MAX_STEP
from tuner_project.json_values import finite_or_text
from tuner_project.rest.parsers import MAX_DEPTH

LEFT_RUNNING = "left RUNNING in the storage that it was imported from"
_NOT_JSON = "it has an attribute with NaN, Infinity, NUL or a lone surrogate"
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")  # in a text, by PostgreSQL
_LARGEST = 1e300  # stands for an infinite constraint
# The attributes by which stock Optuna's retries refer to other trials.
_FAILED_TRIAL, _RETRY_HISTORY = "failed_trial", "retry_history"


@dataclass(frozen=True)
class TrialRules:
    """What the rules need to know of the study.

    Attributes:
        n_objectives: The number of its objectives.
        constraints: The names of its constraints, sorted.
        numbers: The new numbers of its trials, by the old ones.
        keeps_running: Whether RUNNING trials remain so.
        now: The time of the import.
        oddities: Collects what the rules did.
    """

    n_objectives: int
    constraints: Sequence[str]
    numbers: Mapping[int, int]
    keeps_running: bool
    now: datetime
    oddities: Oddities

    def apply(self, line: Document) -> None:
        """Apply all rules to the line of a trial, in order."""
        for rule in _RULES:
            for applied, reason in rule(self, line):
                self.oddities.note(applied, f"trial {line['number']}: {reason}")

    def renumbered(self, number: Any) -> Any:
        """Return the new number of a trial; what is none remains."""
        return self.numbers.get(number, number) if isinstance(number, int) else number


Applied = Iterator[tuple[Rule, str]]


def constraint_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of all constraints of the trials, sorted.

    Raises:
        AdoptionRefused: Optuna's older list of constraints is none.
    """
    names: set[str] = set()
    for trial in trials:
        try:
            names |= constraints_of(trial.system_attrs).keys()
        except TypeError:
            where = f"trial {trial.number}: /system_attrs/constraints"
            raise AdoptionRefused(f"{where}: expected a list of numbers") from None
    return sorted(names)


def _number(rules: TrialRules, line: Document) -> Applied:
    """Renumber a trial after a gap, and what its attributes say of other trials."""
    old = line["number"]
    line["number"] = rules.numbers[old]
    if old != line["number"]:
        line["user_attrs"] = {OLD_NUMBER: old} | line["user_attrs"]
        yield Rule.GAP, f"the study has no trial {line['number']}"
    attrs = line["system_attrs"]
    if _FAILED_TRIAL in attrs:
        attrs[_FAILED_TRIAL] = rules.renumbered(attrs[_FAILED_TRIAL])
    if isinstance(history := attrs.get(_RETRY_HISTORY), list):
        attrs[_RETRY_HISTORY] = [rules.renumbered(each) for each in history]


def _running(rules: TrialRules, line: Document) -> Applied:
    """Fail a trial that was left RUNNING, at the time of its start."""
    if line["state"] == TrialState.RUNNING and not rules.keeps_running:
        line["state"], line["reason"] = TrialState.FAIL.value, LEFT_RUNNING
        line["datetime_complete"] = line["datetime_start"]
        yield Rule.RUNNING, "it is RUNNING"


def _values(rules: TrialRules, line: Document) -> Applied:
    """Keep the values that a state excludes as a user attribute; without values, none COMPLETE."""
    state, values = line["state"], line["values"]
    is_whole = values is not None and len(values) == rules.n_objectives
    is_whole = is_whole and not any(value is None or math.isnan(value) for value in values)
    may_have_values = state in (TrialState.COMPLETE, TrialState.PRUNED)
    if (may_have_values and is_whole) or (values is None and state != TrialState.COMPLETE):
        return
    line["values"] = None
    if values is not None:
        line["user_attrs"] = {OLD_VALUES: values} | line["user_attrs"]
    if state == TrialState.COMPLETE:
        line["state"] = TrialState.FAIL.value
        yield Rule.INCOMPLETE, "/values: a COMPLETE trial has one for each objective"
    else:
        yield Rule.VALUES, f"/values: a {state} trial has none"


def _times(rules: TrialRules, line: Document) -> Applied:
    """Give a trial the times that its state needs, in their order."""
    state = TrialState(line["state"])
    given = start, complete = line["datetime_start"], line["datetime_complete"]
    if state == TrialState.WAITING:
        needed: tuple[datetime | None, datetime | None] = (None, None)
    elif not state.is_finished:
        needed = (start or rules.now, None)
    else:
        end = complete or start or rules.now
        was_cancelled = state == TrialState.FAIL and not line["intermediate_values"]
        needed = (start or (None if was_cancelled else end), end)
    changes = list(zip(given, needed, strict=True))
    if any(was is None and now is not None for was, now in changes):
        yield Rule.NO_TIMES, f"a {state} trial must have its times"
    if any(was is not None and now is None for was, now in changes):
        yield Rule.SUPERFLUOUS, f"a {state} trial has no such time"
    start, complete = needed
    if start and complete and complete < start:
        complete = start
        yield Rule.TIMES, "/datetime_complete: it is before datetime_start"
    line["datetime_start"], line["datetime_complete"] = start, complete


def _steps(rules: TrialRules, line: Document) -> Applied:
    """Leave out intermediate values that cannot be stored."""
    steps = line["intermediate_values"]
    if steps and line["state"] == TrialState.WAITING:
        line["intermediate_values"] = {}
        yield Rule.SUPERFLUOUS, "a WAITING trial has no intermediate values"
        return
    for step in [step for step in steps if not 0 <= step <= MAX_STEP]:
        del steps[step]
        yield Rule.STEPS, f"/intermediate_values/{step}: expected a step from 0 to {MAX_STEP}"


def _constraints(rules: TrialRules, line: Document) -> Applied:
    """Give a finished trial that has constraints all of them, and finite ones."""
    found = constraints_of(line["system_attrs"])
    wanted = dict(found)
    if found and not TrialState(line["state"]).is_finished:
        wanted = {}
        yield Rule.SUPERFLUOUS, f"a {line['state']} trial has no constraints"
    if wanted and len(wanted) < len(rules.constraints):
        wanted = dict.fromkeys(rules.constraints, 0.0) | wanted
        yield Rule.CONSTRAINTS, "it lacks a constraint that others have"
    infinite = {key: each for key, each in wanted.items() if _is_infinite(each)}
    if infinite:
        # NaN is not satisfied, either.
        wanted |= {key: -_LARGEST if each < 0 else _LARGEST for key, each in infinite.items()}
        yield Rule.UNBOUNDED, "a constraint is not finite"
    if infinite or wanted.keys() != found.keys():
        others = {
            key: value
            for key, value in line["system_attrs"].items()
            if not constraints_of({key: value})
        }
        line["system_attrs"] = others | constraint_attrs(wanted)
    line["constraints"] = {name: wanted[name] for name in rules.constraints if wanted} or None


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _attributes(rules: TrialRules, line: Document) -> Applied:
    """Make attributes JSON that can be stored: without NaN, Infinity, NUL and lone surrogates."""
    for key, value in line["user_attrs"].items():
        finite = as_json(value)
        if finite is not value:
            line["user_attrs"] = line["user_attrs"] | {key: finite}
            yield Rule.USER_ATTRIBUTES, _NOT_JSON
    for key in [key for key, each in line["system_attrs"].items() if as_json(each) is not each]:
        del line["system_attrs"][key]
        yield Rule.SYSTEM_ATTRIBUTES, _NOT_JSON


def as_json(value: Any, depth: int = 0) -> Any:
    """Return a value with NaN and infinities as texts; the same object if nothing changes.

    U+FFFD stands for the characters that cannot be stored, but not in the keys of objects, which
    might become the same.

    Raises:
        AdoptionRefused: It is nested more deeply than a file may be.
    """
    if depth > MAX_DEPTH:
        raise AdoptionRefused("an attribute is nested too deeply")
    if isinstance(value, float):
        return value if math.isfinite(value) else finite_or_text(value)
    if isinstance(value, str):
        return _NOT_STORABLE.sub("\ufffd", value) if _NOT_STORABLE.search(value) else value
    if isinstance(value, list):
        items = [as_json(each, depth + 1) for each in value]
        return value if all(map(operator.is_, items, value)) else items
    if isinstance(value, dict):
        changed = {key: as_json(each, depth + 1) for key, each in value.items()}
        return value if all(map(operator.is_, changed.values(), value.values())) else changed
    return value


_RULES: Sequence[Callable[[TrialRules, Document], Applied]] = (
    _number,
    _running,
    _values,
    _times,
    _steps,
    _constraints,
    _attributes,
)
