"""Conversion of a stock Optuna study to the lines of an exported file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from django.conf import settings
from optuna.trial import FrozenTrial

from optuna_bridge.accessors import study_system_attrs, trial_id
from optuna_bridge.search_space import SearchSpace
from transfer.file.format import FORMAT, Document, encoded, end_line, moment, renumbered
from transfer.file.reading import BadLine
from transfer.optuna_source.optuna_mapping import (
    AdoptionRefused,
    aware,
    constraint_names,
    constraints_of,
    params_of,
    search_space_of,
)
from tuner_project.json_values import finite_or_text

Lines = Iterator[bytes]


@dataclass(frozen=True)
class Kinds:
    """The sampler and the pruner of a study, which Optuna does not store; None is the default."""

    sampler: str | None = None
    pruner: str | None = None


DEFAULT_KINDS = Kinds()


@contextmanager
def refusals(prefix: str = "") -> Iterator[None]:
    """Convert a `BadLine` in a stock study to `AdoptionRefused`, naming trials instead of lines."""
    try:
        yield
    except BadLine as error:
        where = "" if error.line == 1 else f"trial {error.line - 2}: "
        raise AdoptionRefused(f"{prefix}{where}{error.text}") from None
    except AdoptionRefused as error:
        raise AdoptionRefused(f"{prefix}{error}") from None


def study_lines(study: optuna.Study, kinds: Kinds = DEFAULT_KINDS) -> Lines:
    """Yield a stock study as the lines of a file.

    Raises:
        AdoptionRefused: The study cannot be represented in the format.
    """
    trials = study.get_trials(deepcopy=False)
    space, names = search_space_of(trials), constraint_names(trials)
    yield _encoded(_study_line(study, trials, space, names, kinds), "the study")
    numbers = {trial_id(trial): trial.number for trial in trials}
    notes = renumbered(study_system_attrs(study), numbers.get)
    for trial in trials:
        line = _trial_line(trial, space, names)
        if trial.number == 0:
            line["study_attrs"] = notes or None
        yield _encoded(line, f"trial {trial.number}")
    yield encoded(end_line(study.study_name, len(trials)))


def _encoded(line: Document, what: str) -> bytes:
    try:
        return encoded(line)
    except ValueError:
        detail = f"{what} has an attribute with NaN or Infinity, which JSON does not allow"
        raise AdoptionRefused(detail) from None


def _study_line(
    study: optuna.Study,
    trials: list[FrozenTrial],
    space: SearchSpace,
    names: list[str],
    kinds: Kinds,
) -> Document:
    directions = [direction.name.lower() for direction in study.directions]
    begun = [trial.datetime_start for trial in trials if trial.datetime_start]
    return {
        "kind": "study",
        "format": FORMAT,
        "study_name": study.study_name,
        "direction": directions if len(directions) > 1 else directions[0],
        "search_space": space.parameters,
        "sampler": kinds.sampler or settings.DEFAULT_SAMPLER,
        "pruner": kinds.pruner or settings.DEFAULT_PRUNER,
        "constraints": names,
        "user_attrs": study.user_attrs,
        "state": "ACTIVE",
        "datetime_start": moment(aware(min(begun, default=None))),
    }


def _trial_line(trial: FrozenTrial, space: SearchSpace, names: list[str]) -> Document:
    params: Mapping[str, Any] = params_of(trial, space)
    return {
        "kind": "trial",
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values and [finite_or_text(value) for value in trial.values],
        "params": params,
        "intermediate_values": {
            str(step): finite_or_text(value)
            for step, value in sorted(trial.intermediate_values.items())
        },
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "constraints": constraints_of(trial, names) or None,
        "datetime_start": moment(aware(trial.datetime_start)),
        "datetime_complete": moment(aware(trial.datetime_complete)),
    }
