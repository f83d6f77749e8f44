"""Look-up of studies by name, which identifies them in the API."""

from dataclasses import dataclass

from access.actors import Actor
from studies.errors import StudyNotFound
from studies.models.study import Study
from tuner_project.db.prepared import Parameter, PreparedQuery
from tuner_project.db.statements import Sent

_ONE = PreparedQuery(lambda: Study.objects.filter(name=Parameter("name")))
_LOCKED = PreparedQuery(
    lambda: Study.objects.filter(name=Parameter("name")).select_for_update(
        no_key=True, of=("self",)
    ),
    afterwards={"now": "clock_timestamp()"},
)


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
        return SentStudy(self.name, _ONE.send(name=self.name))

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
        return SentStudy(self.name, _LOCKED.send(name=self.name))


@dataclass(frozen=True)
class SentStudy:
    """A study whose query was sent; to read it waits for the result."""

    name: str
    query: Sent[Study]

    def study(self) -> Study:
        """Return the study; raises `StudyNotFound`."""
        study = self.query.first()
        if study is None:
            raise StudyNotFound.named(self.name)
        return study


def check_seen(name: str, actor: Actor) -> None:
    """Raise `StudyNotFound` if an actor may not see studies with this name."""
    if not actor.sees(name):
        raise StudyNotFound.named(name)
