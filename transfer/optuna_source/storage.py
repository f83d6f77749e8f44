"""The studies of a stock Optuna storage as the lines of a file, and their import."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from django.conf import settings
from django.db import transaction
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from access.actors import Actor
from optuna_bridge.accessors import study_system_attrs, trial_id
from optuna_bridge.search_space import SearchSpace
from transfer.domain.importing import Conflict, Imported, import_studies
from transfer.file.format import FORMAT, Document, encoded, end_line, moment, number, renumbered
from transfer.file.reading import BadLine
from transfer.optuna_source.optuna_mapping import (
    AdoptionRefused,
    aware,
    constraint_names,
    constraints_of,
    params_of,
    search_space_of,
)

Lines = Iterator[bytes]


@dataclass(frozen=True)
class Kinds:
    """The sampler and the pruner of a study, as Optuna stores neither; None: the default."""

    sampler: str | None = None
    pruner: str | None = None


DEFAULT_KINDS = Kinds()


@transaction.atomic
def import_storage(
    *,
    actor: Actor,
    url: str,
    name: str | None = None,
    kinds: Kinds = DEFAULT_KINDS,
    conflict: Conflict = Conflict.FAIL,
    dry_run: bool = False,
    shown: Callable[[Lines], Lines] = iter,
) -> list[Imported]:
    """Store the study of a name, or all, of the storage at a URL, or in the file of a journal.

    All or none, as `import_studies` does; the lines of each study go through `shown`.

    Raises:
        AdoptionRefused: with the reason in one line. The storage cannot be read, or a study
            cannot be represented exactly as it is.
        StudyExists: the name of one is taken, and a conflict is to fail.
    """
    imported: list[Imported] = []
    with _opened(url) as storage:
        for study in _studies(storage, name):
            with refusals(f'study "{study.study_name}": '):
                lines = shown(study_lines(study, kinds))
                imported += import_studies(
                    actor=actor, lines=lines, conflict=conflict, dry_run=dry_run
                )
    return imported


@contextmanager
def refusals(prefix: str = "") -> Iterator[None]:
    """Refuse what is bad in the lines of a stock study: told by its trials, and not by lines."""
    try:
        yield
    except BadLine as error:
        where = "" if error.line == 1 else f"trial {error.line - 2}: "
        raise AdoptionRefused(f"{prefix}{where}{error.text}") from None
    except AdoptionRefused as error:
        raise AdoptionRefused(f"{prefix}{error}") from None


def study_lines(study: optuna.Study, kinds: Kinds = DEFAULT_KINDS) -> Lines:
    """A stock study as the lines of a file.

    Raises `AdoptionRefused` for what lines cannot say.
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


# The storage ---------------------------------------------------------------------------------


def _studies(storage: BaseStorage, name: str | None) -> Iterator[optuna.Study]:
    names = [name] if name is not None else optuna.get_all_study_names(storage)
    if not names:
        raise AdoptionRefused("the storage has no study")
    for each in names:
        try:
            yield optuna.load_study(study_name=each, storage=storage)
        except KeyError:
            raise AdoptionRefused(f'the storage has no study "{each}"') from None


@contextmanager
def _opened(url: str) -> Iterator[BaseStorage]:
    """The storage, in which nothing is created."""
    try:
        if "://" not in url:
            yield _journal(url)
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
    parsed = make_url(url)
    if parsed.drivername.startswith("sqlite") and parsed.database:
        _check_is_there(parsed.database.removeprefix("file:"))
    try:
        return RDBStorage(url, skip_table_creation=True)
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(error) from None


def _journal(path: str) -> JournalStorage:
    _check_is_there(path)
    backend = JournalFileBackend(path)
    try:
        has_logs = any(True for _ in backend.read_logs(0))
        if has_logs or Path(path).stat().st_size == 0:
            return JournalStorage(backend)
    except Exception as error:  # noqa: BLE001  (Optuna checks nothing of what stands there)
        reason = " ".join(f"{type(error).__name__} {error}".split())
        detail = f"the storage cannot be read: {path} is no journal, or is broken: {reason:.200}"
        raise AdoptionRefused(detail) from None
    raise AdoptionRefused(f"the storage cannot be read: {path} is no journal")


def _check_is_there(path: str) -> None:
    if not Path(path).is_file():
        raise AdoptionRefused(f"there is no file {path}")


def _unreadable(error: BaseException) -> AdoptionRefused:
    while error.__cause__ is not None:
        error = error.__cause__
    reason = " ".join(str(error).split())
    return AdoptionRefused(f"the storage cannot be read: {reason:.500}")


# Lines ---------------------------------------------------------------------------------------


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
