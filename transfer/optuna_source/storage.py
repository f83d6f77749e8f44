"""Reading of stock Optuna's storages: databases and journals."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from transfer.optuna_source.optuna_mapping import AdoptionRefused


def stored_studies(storage: BaseStorage, name: str | None) -> Iterator[optuna.Study]:
    """Yield the study with a name, or all studies of a storage.

    Raises:
        AdoptionRefused: There is no such study.
    """
    names = [name] if name is not None else optuna.get_all_study_names(storage)
    if not names:
        raise AdoptionRefused("the storage has no study")
    for each in names:
        try:
            yield optuna.load_study(study_name=each, storage=storage)
        except KeyError:
            raise AdoptionRefused(f'the storage has no study "{each}"') from None


@contextmanager
def opened_storage(url: str) -> Iterator[BaseStorage]:
    """Open an existing storage during the block, without creating files or tables.

    Raises:
        AdoptionRefused: The storage does not exist or cannot be read.
    """
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
    # SQLAlchemy's default driver, psycopg2, is not installed.
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
    except Exception as error:  # noqa: BLE001  (Optuna does not validate the journal's content)
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
