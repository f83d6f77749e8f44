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
    """The study of a name, which is read by the use case that it is passed to."""

    name: str

    def one(self) -> Study:
        """The study; raises `StudyNotFound`."""
        return self._read(_ONE)

    def locked(self) -> Study:
        """The same, locked against other writers until the transaction ends.

        The row is the study's write lock: it is taken before any row of a trial, and children
        can still be inserted. `now` on the result is the database's clock when it was locked.
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
