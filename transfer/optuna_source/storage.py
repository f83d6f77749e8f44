"""Reading of stock Optuna's storages: databases and journals."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from transfer.optuna_source.oddities import AdoptionRefused, Rule

_FIRST_WITH_UTC = 5  # the major version of Optuna that stores times in UTC
_OF_READING = (ValueError, TypeError, LookupError, AssertionError, RecursionError)
_TIMES = ("datetime_start", "datetime_complete")


def aware(moment: datetime) -> datetime:
    """Convert Optuna's datetime to an aware one in UTC; Optuna returns naive local times."""
    return moment.astimezone(UTC)


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """Return a study's trials by number, between which numbers may be missing.

    Raises:
        AdoptionRefused: Optuna cannot read them; it does not validate what it reads.
    """
    try:
        return sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)
    except (*_OF_READING, SQLAlchemyError, OptunaError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise AdoptionRefused(f"its trials cannot be read: {reason:.200}") from None


@dataclass(frozen=True)
class OptunaSource:
    """An open storage.

    Attributes:
        storage: The storage, as stock Optuna reads it.
        zone: The time zone in which its database has naive times, which Optuna reads as UTC.
        times_rule: What there is to say about each trial with times.
    """

    storage: BaseStorage
    zone: ZoneInfo | None = None
    times_rule: Rule | None = None

    def names(self, name: str | None) -> list[str]:
        """Return one name, or those of all studies.

        Raises:
            AdoptionRefused: There is no such study, or none at all, or they cannot be read: Optuna
                reads the attributes of all studies with their names.
        """
        try:
            names: list[str] = optuna.get_all_study_names(self.storage)
        except _OF_READING as error:
            raise _unreadable(error) from None
        if name is not None and name not in names:
            raise AdoptionRefused(f'the storage has no study "{name}"')
        if not names:
            raise AdoptionRefused("the storage has no study")
        return names if name is None else [name]

    def study(self, name: str) -> optuna.Study:
        """Return the study with a name; raises `AdoptionRefused` if it is gone."""
        try:
            return optuna.load_study(study_name=name, storage=self.storage)
        except KeyError:
            raise AdoptionRefused("the storage has no such study any more") from None

    def aware(self, moment: datetime) -> datetime:
        """Convert a time that Optuna has read to an aware one in UTC."""
        read = aware(moment)
        return read if self.zone is None else read.replace(tzinfo=self.zone).astimezone(UTC)


@contextmanager
def opened_source(url: str, time_zone: str | None = None) -> Iterator[OptunaSource]:
    """Open an existing storage during the block, without creating files or tables.

    Args:
        url: The URL of a database, or the path of a journal file.
        time_zone: The name of the zone of local times; None means that they are read as UTC.

    Raises:
        AdoptionRefused: The storage does not exist or cannot be read, or there is no such zone.
    """
    zone = None if time_zone is None else _zone(time_zone)
    try:
        if "://" not in url:
            yield _journal(url, zone)
            return
        storage = _database(url)
        try:
            is_local = _is_of_local_times(storage)
            yield OptunaSource(storage, zone if is_local else None, _times_rule(zone, is_local))
        finally:
            storage.scoped_session.remove()
            storage.engine.dispose()
    except (SQLAlchemyError, OptunaError) as error:
        raise _unreadable(error) from None


def _times_rule(zone: ZoneInfo | None, is_local: bool) -> Rule | None:
    if is_local:
        return Rule.LOCAL_TIME if zone is None else None
    return None if zone is None else Rule.TIME_IN_UTC


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        detail = f'there is no time zone "{name}": expected a name such as Europe/Berlin'
        raise AdoptionRefused(detail) from None


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


def _is_of_local_times(storage: RDBStorage) -> bool:
    """Return whether an Optuna before 5 made the tables."""
    with storage.engine.connect() as connection:
        version = connection.execute(text("SELECT library_version FROM version_info")).scalar()
    major = re.match(r"\d+", str(version))
    return major is not None and int(major[0]) < _FIRST_WITH_UTC


class _ZonedJournal(JournalFileBackend):
    """A journal whose times without an offset, of an Optuna before 5, are those of a zone."""

    def __init__(self, path: str, zone: ZoneInfo | None) -> None:
        super().__init__(path)
        self._zone = zone or UTC
        self.has_local_times = False

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        for log in super().read_logs(log_number_from):
            for key in _TIMES:
                if isinstance(log, dict) and isinstance(log.get(key), str):
                    moment = datetime.fromisoformat(log[key])
                    self.has_local_times |= moment.tzinfo is None
                    log[key] = moment.replace(tzinfo=moment.tzinfo or self._zone).isoformat()
            yield log


def _journal(path: str, zone: ZoneInfo | None) -> OptunaSource:
    _check_is_there(path)
    backend = _ZonedJournal(path, zone)
    try:
        has_logs = any(True for _ in backend.read_logs(0))
        if has_logs or Path(path).stat().st_size == 0:
            storage = JournalStorage(backend)
            return OptunaSource(storage, times_rule=_times_rule(zone, backend.has_local_times))
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
    reason = " ".join((str(error) or type(error).__name__).split())
    return AdoptionRefused(f"the storage cannot be read: {reason:.500}")
