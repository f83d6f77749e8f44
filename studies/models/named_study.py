"""Studies by name, which is how clients address them."""

from dataclasses import dataclass

from access.actors import Actor
from studies.errors import StudyNotFound
from studies.models.study import Study
from tuner_project.db.prepared import Parameter, PreparedQuery

_ONE = PreparedQuery(lambda: Study.objects.filter(name=Parameter("name")))
_LOCKED = PreparedQuery(
    lambda: Study.objects.filter(name=Parameter("name")).select_for_update(
        no_key=True, of=("self",)
    ),
    afterwards={"now": "clock_timestamp()"},
)


@dataclass(frozen=True)
class NamedStudy:
    """A study by name, read when it is needed: by `one()`, or locked by `locked()`."""

    name: str

    def one(self) -> Study:
        """Read the study.

        Raises:
            StudyNotFound: there is none of this name.
        """
        return self._read(_ONE)

    def locked(self) -> Study:
        """Read the study, and lock it against other writers until the transaction ends.

        The row is the study's write lock: it is taken before any row of a trial, and trials can
        still be inserted. `now` of the result is the database's time when it was locked.

        Raises:
            StudyNotFound: there is none of this name.
        """
        return self._read(_LOCKED)

    def _read(self, query: PreparedQuery[Study]) -> Study:
        study = query.first(name=self.name)
        if study is None:
            raise StudyNotFound.named(self.name)
        return study


def check_seen(name: str, actor: Actor) -> None:
    """Raise `StudyNotFound` where an actor does not see studies of this name."""
    if not actor.sees(name):
        raise StudyNotFound.named(name)
