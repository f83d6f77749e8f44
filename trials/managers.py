"""The two doors through which trials are written, and the queries by which they are read.

Each write sends its signal inside the transaction, so that Optuna's schema follows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models
from django.db.models.expressions import RawSQL

from studies.errors import StudyNotFound
from studies.models import DirectWriteRefused, Study
from trials import statements
from trials.errors import TrialNotFound
from trials.signals import trials_added, trials_changed
from tuner_project.prepared import Parameter, PreparedQuery, pipelined

if TYPE_CHECKING:
    from trials.models import Trial


# In SQL, since to put the ORM's subqueries together takes longer than to run them.
_STEPS = (
    "ARRAY(SELECT {column} FROM trials_intermediatevalue "
    "WHERE trial_id = trials_trial.id ORDER BY step)"
)


class GuardedQuerySet(models.QuerySet[Any]):
    """Refuses the writes that would leave Optuna's schema behind."""

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused(
            "trials are written by Trial.objects.add() and change(), and deleted with their study"
        )

    create = bulk_create = update = bulk_update = delete = _refused
    get_or_create = update_or_create = _refused


class StepQuerySet(GuardedQuerySet):
    """Intermediate values."""


class TrialQuerySet(GuardedQuerySet):
    """Trials."""

    def page(self, *, limit: int, offset: int, state: str | None = None) -> Self:
        """A page by number, with steps; of all trials it costs the same at any offset."""
        trials = self.with_steps().order_by("number")
        if state is not None:
            return trials.filter(state=state)[offset : offset + limit]
        return trials.filter(number__gte=offset)[:limit]

    def with_steps(self) -> Self:
        """With intermediate values, read in the same statement."""
        return self.annotate(
            steps=RawSQL(_STEPS.format(column="step"), ()),  # noqa: S611
            step_values=RawSQL(_STEPS.format(column="value"), ()),  # noqa: S611
        )


@dataclass(frozen=True)
class Reservation:
    """Numbers and ids for new trials of a study, whose row stays locked until the commit."""

    first_number: int
    revision: int
    ids: Sequence[int]
    now: datetime  # the database's clock


class TrialManager(models.Manager.from_queryset(TrialQuerySet)):  # type: ignore[misc]
    """Trial's manager, whose `add` and `change` are the only writers of trials."""

    def numbered(self, study: Study, number: int) -> "Trial":
        """The study's trial of this number, with its steps; raises `TrialNotFound`."""
        trial = self._numbered.first(study=study.id, number=number)
        if trial is None:
            raise TrialNotFound(f"the study has no trial {number}")
        trial.study = study
        return trial

    @cached_property
    def _numbered(self) -> PreparedQuery["Trial"]:
        these = {"study_id": Parameter("study"), "number": Parameter("number")}
        return PreparedQuery(lambda: self.filter(**these).with_steps())

    def reserve(self, study: Study, states: Mapping[str, int]) -> Reservation:
        """Take numbers and ids for new trials, `states` counting them by state.

        One statement that is also the lock: numbers, ids and commits come in the same order.
        """
        row = statements.reserve(study.id, states)
        if row is None:
            raise StudyNotFound.named(study.name)  # deleted since it was read
        return Reservation(*row)

    def add(
        self, trials: Sequence["Trial"], steps: Sequence[tuple["Trial", int, float]] = ()
    ) -> None:
        """Insert trials of one study, numbered by `reserve`, with their (trial, step, value)."""
        with pipelined():
            statements.insert(trials)
            statements.insert_steps(steps)
            trials_added.send(sender=self.model, trials=list(trials), with_steps=bool(steps))

    def change(
        self,
        study: Study,
        trials: Sequence["Trial"],
        was: Sequence[str],
        steps: Sequence[tuple["Trial", int, float]] = (),
    ) -> None:
        """Store what changed on trials of one study, which the caller has locked.

        `was` are the trials' states before, and `steps` the new (trial, step, value).
        """
        revision = study.revision + 1
        for trial in trials:
            trial.revision = revision
        moves = Counter(trial.state for trial in trials)
        moves.subtract(was)
        on_front = [trial.id for trial in trials if trial.on_front]
        with pipelined():
            statements.update(trials)
            statements.insert_steps(steps)
            statements.settle(study, revision, moves, on_front)
            trials_changed.send(sender=self.model, trials=list(trials), with_steps=bool(steps))
