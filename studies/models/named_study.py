"""Look-up of studies by name, which identifies them in the API."""

from dataclasses import dataclass
from typing import Any

from access.actors import Actor
from studies.errors import StudyNotFound
from studies.models.definitions import FIELDS, Definition, definitions
from studies.models.study import Study
from tuner_project.db.prepared import Parameter, PreparedQuery
from tuner_project.db.statements import Sent


class _StudyQuery:
    """A query of a study by its name, of the whole row, or without its definition."""

    def __init__(self, *, is_locking: bool) -> None:
        self._is_locking = is_locking
        afterwards = {"now": "clock_timestamp()"} if is_locking else None
        self.of_all = PreparedQuery(lambda: self._build(), afterwards)
        self.without_definition = PreparedQuery(lambda: self._build().defer(*FIELDS), afterwards)

    def _build(self) -> Any:
        studies = Study.objects.filter(name=Parameter("name"))
        return studies.select_for_update(no_key=True, of=("self",)) if self._is_locking else studies


_ONE = _StudyQuery(is_locking=False)
_LOCKED = _StudyQuery(is_locking=True)


@dataclass(frozen=True)
class NamedStudy:
    """A reference to a study by name, which `one()` reads, and `locked()` reads and locks."""

    name: str

    def one(self) -> Study:
        """Read the study.

        Raises:
            StudyNotFound: There is no study with this name.
        """
        return self.send().study()

    def send(self) -> "SentStudy":
        """Send the query of `one()`; within `pipelined()`, without waiting for its result."""
        return SentStudy.send(self.name, _ONE)

    def locked(self) -> Study:
        """Read the study, and lock it against other writers until the transaction ends.

        The row is the study's write lock: it is locked before any row of a trial. Because it is
        locked FOR NO KEY UPDATE, trials can still be inserted. `now` of the result is the
        database's time at which it was locked.

        Raises:
            StudyNotFound: There is no study with this name.
        """
        return self.send_lock().study()

    def send_lock(self) -> "SentStudy":
        """Send the query of `locked()`; within `pipelined()`, without waiting for its result."""
        return SentStudy.send(self.name, _LOCKED)


@dataclass(frozen=True)
class SentStudy:
    """A study whose query was sent, without its definition if this process knows it."""

    name: str
    query: _StudyQuery
    known: Definition | None
    sent: Sent[Study]

    @classmethod
    def send(cls, name: str, query: _StudyQuery) -> "SentStudy":
        known = definitions.get(name)
        compiled = query.of_all if known is None else query.without_definition
        return cls(name, query, known, compiled.send(name=name))

    def study(self) -> Study:
        """Wait for the study, and return it; raises `StudyNotFound`."""
        study = self.sent.first()
        if study is not None and self.known is not None:
            if self.known.is_of(study):
                self.known.complete(study)
                return study
            study = self.query.of_all.first(name=self.name)  # another one, or changed
        if study is None:
            raise StudyNotFound.named(self.name)
        definitions.add(study)
        return study


def check_seen(name: str, actor: Actor) -> None:
    """Raise `StudyNotFound` if an actor may not see studies with this name.

    A share sees the study with its id only, and not another one that was created with its name
    after it was deleted.
    """
    if actor.study_id is None:
        is_seen = actor.sees(name)
    else:
        is_seen = Study.objects.filter(pk=actor.study_id, name=name).exists()
    if not is_seen:
        raise StudyNotFound.named(name)
