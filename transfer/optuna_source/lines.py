"""Conversion of a stock Optuna study to the lines of an exported file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import optuna
from django.conf import settings
from optuna.trial import FrozenTrial

from optuna_bridge.accessors import study_system_attrs, trial_id
from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS, METRIC_NAMES, TRANSIENT_ATTRIBUTES
from transfer.file.format import FORMAT, Document, encoded, end_line, moment, renumbered
from transfer.file.line import BadLine
from transfer.file.lines import usable_metric_names
from transfer.optuna_source.oddities import AdoptionRefused, Oddities, Rule
from transfer.optuna_source.search_space import SourceSpace
from transfer.optuna_source.storage import aware, trials_of
from transfer.optuna_source.trial_rules import TrialRules, as_json, constraint_names
from tuner_project.json_values import finite_or_text, same_json

Lines = Iterator[bytes]
# The rules after which the parameters that a sampler noted for later may not fit the space.
_SPACE_RULES = (Rule.RANGE, Rule.BOUND, Rule.CHOICES, Rule.REPEATED, Rule.OUTSIDE)


@dataclass(frozen=True)
class SourceOptions:
    """What Optuna does not store, and what is made of it.

    Attributes:
        sampler: The study's sampler; None is the default.
        pruner: The study's pruner; None is the default.
        keeps_running: Whether RUNNING trials remain so; else they fail.
        aware: Converts Optuna's naive datetimes.
        times_rule: What there is to say about each trial with times.
    """

    sampler: str | None = None
    pruner: str | None = None
    keeps_running: bool = False
    aware: Callable[[datetime], datetime] = field(default=aware)
    times_rule: Rule | None = None


_NOT_JSON = "the study has an attribute with NaN, Infinity, NUL or a lone surrogate"
DEFAULTS = SourceOptions()


@contextmanager
def refusals(study: optuna.Study) -> Iterator[None]:
    """Convert the errors of a stock study to `AdoptionRefused`, naming trials instead of lines.

    Trials have the numbers that they have in the storage.

    Optuna does not validate what it stores: reading an attribute may fail in any place.
    """
    try:
        yield
    except BadLine as error:
        where = "" if error.line == 1 else f"trial {trials_of(study)[error.line - 2].number}: "
        raise AdoptionRefused(f"{where}{error.text}") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise AdoptionRefused(f"it cannot be read: {reason:.200}") from None


def study_lines(
    study: optuna.Study, name: str, options: SourceOptions, oddities: Oddities
) -> Lines:
    """Yield a stock study as the lines of a file, under a name.

    Args:
        study: The study.
        name: The name in the lines.
        options: What the study does not say itself.
        oddities: Collects what the study has that cannot be stored as it is.

    Raises:
        AdoptionRefused: The study cannot be read, or cannot be represented in the format.
    """
    trials = trials_of(study)
    numbers = {trial.number: position for position, trial in enumerate(trials)}
    if options.times_rule is not None:
        _note_times(trials, options.times_rule, oddities)
    space = SourceSpace.of(trials, oddities)
    rules = TrialRules(
        n_objectives=len(study.directions),
        constraints=constraint_names(trials),
        numbers=numbers,
        keeps_running=options.keeps_running,
        now=datetime.now(UTC),
        oddities=oddities,
    )
    yield _encoded(_study_line(study, name, trials, space, rules, options))
    notes = _study_attrs(study, trials, oddities)
    for trial, params in zip(trials, space.params, strict=True):
        line = _trial_line(trial, params, options, oddities)
        rules.apply(line)
        yield _encoded(_as_document(line) | {"study_attrs": notes})
        notes = None
    yield encoded(end_line(name, len(trials)))


def _note_times(trials: list[FrozenTrial], rule: Rule, oddities: Oddities) -> None:
    for trial in trials:
        if trial.datetime_start or trial.datetime_complete:
            oddities.note(rule, f"trial {trial.number}: {rule}")


def _encoded(line: Document) -> bytes:
    try:
        return encoded(line)
    except ValueError as error:
        raise AdoptionRefused(f"it cannot be written as JSON: {error}") from None


def _study_line(
    study: optuna.Study,
    name: str,
    trials: list[FrozenTrial],
    space: SourceSpace,
    rules: TrialRules,
    options: SourceOptions,
) -> Document:
    directions = [direction.name.lower() for direction in study.directions]
    begun = [trial.datetime_start for trial in trials if trial.datetime_start]
    return {
        "kind": "study",
        "format": FORMAT,
        "study_name": name,
        "direction": directions if len(directions) > 1 else directions[0],
        "search_space": space.description,
        "sampler": options.sampler or settings.DEFAULT_SAMPLER,
        "pruner": options.pruner or settings.DEFAULT_PRUNER,
        "constraints": rules.constraints,
        "user_attrs": _user_attrs(study, rules.oddities),
        "metric_names": _metric_names(study, rules.oddities),
        "state": "ACTIVE",
        "datetime_start": moment(options.aware(min(begun))) if begun else None,
    }


def _user_attrs(study: optuna.Study, oddities: Oddities) -> Document:
    attrs: Document = dict(study.user_attrs)  # a copy at each access
    for key, value in attrs.items():
        attrs[key] = as_json(value)
        if attrs[key] is not value:
            oddities.note(Rule.USER_ATTRIBUTES, _NOT_JSON)
    return attrs


def _metric_names(study: optuna.Study, oddities: Oddities) -> list[str] | None:
    names: Any = study_system_attrs(study).get(METRIC_NAMES)
    usable = usable_metric_names(names, len(study.directions))
    if names is not None and usable is None:
        oddities.note(Rule.METRIC_NAMES, str(Rule.METRIC_NAMES))
    return usable


def _study_attrs(
    study: optuna.Study, trials: list[FrozenTrial], oddities: Oddities
) -> Document | None:
    """Return the attributes that samplers set on the study, which go with the first trial."""
    numbers = {trial_id(trial): position for position, trial in enumerate(trials)}
    notes = renumbered(study_system_attrs(study), numbers.get)
    notes.pop(METRIC_NAMES, None)
    for key in [key for key, value in notes.items() if as_json(value) is not value]:
        del notes[key]
        oddities.note(Rule.SYSTEM_ATTRIBUTES, _NOT_JSON)
    if notes and not trials:
        oddities.note(Rule.STUDY_ATTRIBUTES, "the study has attributes of samplers and no trials")
    return notes or None


def _trial_line(
    trial: FrozenTrial, params: dict[str, Any], options: SourceOptions, oddities: Oddities
) -> Document:
    """Return the line of a trial as it is, with datetimes and any numbers."""
    system_attrs = dict(trial.system_attrs)
    fixed = system_attrs.get(FIXED_PARAMS)
    is_waiting = trial.state.name == TrialState.WAITING
    if is_waiting and fixed is not None and not same_json(fixed, params):
        system_attrs[FIXED_PARAMS] = params
    if any(oddities.counts[rule] for rule in _SPACE_RULES):
        for key in [key for key in system_attrs if key.startswith(TRANSIENT_ATTRIBUTES)]:
            del system_attrs[key]
    start, complete = trial.datetime_start, trial.datetime_complete
    return {
        "kind": "trial",
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values,
        "params": params,
        "intermediate_values": dict(sorted(trial.intermediate_values.items())),
        "user_attrs": trial.user_attrs,
        "system_attrs": system_attrs,
        "datetime_start": start and options.aware(start),
        "datetime_complete": complete and options.aware(complete),
    }


def _as_document(line: Document) -> Document:
    """Return a trial's line in the terms of JSON."""
    values, steps = line["values"], line["intermediate_values"]
    return line | {
        "values": values and [finite_or_text(value) for value in values],
        "intermediate_values": {str(step): finite_or_text(value) for step, value in steps.items()},
        "datetime_start": moment(line["datetime_start"]),
        "datetime_complete": moment(line["datetime_complete"]),
    }
