"""The studies of a stock Optuna storage as the lines of a file."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from django.conf import settings
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from studies.search_space import SearchSpace
from trials.foreign import (
    AdoptionRefused,
    aware,
    checked_name,
    constraint_names,
    constraints_of,
    params_of,
    search_space_of,
)
from trials.transfer.format import (
    FORMAT,
    Document,
    encoded,
    end_line,
    moment,
    number,
    renumbered,
)


@dataclass(frozen=True)
class Kinds:
    """The sampler and the pruner of a study, as Optuna stores neither; None: the default."""

    sampler: str | None = None
    pruner: str | None = None


DEFAULT_KINDS = Kinds()


def storage_lines(
    url: str, *, name: str | None = None, kinds: Kinds = DEFAULT_KINDS
) -> Iterator[bytes]:
    """The study of a name, or all, of the storage at a URL, or in the file of a journal.

    Raises `AdoptionRefused`, with the reason in one line: the storage cannot be read, or a study
    cannot be represented exactly as it is.
    """
    with _opened(url) as storage:
        names = [name] if name is not None else optuna.get_all_study_names(storage)
        if not names:
            raise AdoptionRefused("the storage has no study")
        for each in names:
            try:
                study = optuna.load_study(study_name=each, storage=storage)
            except KeyError:
                raise AdoptionRefused(f'the storage has no study "{each}"') from None
            try:
                yield from _lines(study, kinds)
            except AdoptionRefused as error:
                raise AdoptionRefused(f'study "{each}": {error}') from None


@contextmanager
def _opened(url: str) -> Iterator[BaseStorage]:
    """The storage, in which nothing is created."""
    path = url.removeprefix("sqlite:///")
    is_journal = "://" not in url
    if (is_journal or path != url) and not Path(path).is_file():
        raise AdoptionRefused(f"there is no file {path}")
    try:
        if is_journal:
            yield _journal(path)
            return
        storage = _database(url)
        try:
            yield storage
        finally:
            storage.scoped_session.remove()
            storage.engine.dispose()
    except (SQLAlchemyError, OptunaError) as error:
        raise _unreadable(error) from None


def _database(url: str) -> RDBStorage:
    # psycopg is the driver that is installed here.
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    try:
        return RDBStorage(url, skip_table_creation=True)
    except (ImportError, RuntimeError, ValueError) as error:
        raise _unreadable(error) from None


def _journal(path: str) -> JournalStorage:
    try:
        return JournalStorage(JournalFileBackend(path))
    except (KeyError, TypeError, ValueError):
        raise AdoptionRefused(f"the storage cannot be read: {path} is no journal") from None


def _unreadable(error: BaseException) -> AdoptionRefused:
    while error.__cause__ is not None:
        error = error.__cause__
    reason = " ".join(str(error).split())
    return AdoptionRefused(f"the storage cannot be read: {reason:.500}")


def _lines(study: optuna.Study, kinds: Kinds) -> Iterator[bytes]:
    trials = study.get_trials(deepcopy=False)
    space, names = search_space_of(trials), constraint_names(trials)
    yield _encoded(_study_line(study, trials, space, names, kinds), "the study")
    numbers = {trial._trial_id: trial.number for trial in trials}
    notes = renumbered(study._storage.get_study_system_attrs(study._study_id), numbers.get)
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
        detail = f"{what} has an attribute with NaN or Infinity, which JSON has not"
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
        "study_name": checked_name(study.study_name),
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
        "values": trial.values and [number(value) for value in trial.values],
        "params": params,
        "intermediate_values": {
            str(step): number(value) for step, value in sorted(trial.intermediate_values.items())
        },
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "constraints": constraints_of(trial, names) or None,
        "datetime_start": moment(aware(trial.datetime_start)),
        "datetime_complete": moment(aware(trial.datetime_complete)),
    }
