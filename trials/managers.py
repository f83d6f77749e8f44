"""The two doors through which trials are written, and the queries by which they are read.

Each write sends its signal inside the transaction, so that Optuna's schema follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, models

from studies.errors import StudyNotFound
from studies.models import TALLIES, DirectWriteRefused, Study
from trials.errors import TrialNotFound
from trials.signals import trials_added, trials_changed

if TYPE_CHECKING:
    from trials.models import Trial


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

    def numbered(self, number: int) -> "Trial":
        """The trial of this number; raises `TrialNotFound`."""
        trial = self.filter(number=number).first()
        if trial is None:
            raise TrialNotFound(f"the study has no trial {number}")
        return trial

    def page(self, *, limit: int, offset: int, state: str | None = None) -> Self:
        """A page by number, with steps; of all trials it costs the same at any offset."""
        trials = self.with_steps().order_by("number")
        if state is not None:
            return trials.filter(state=state)[offset : offset + limit]
        return trials.filter(number__gte=offset)[:limit]

    def with_steps(self) -> Self:
        """With intermediate values, read in the same statement."""
        steps = (
            self.model._meta.get_field("intermediate_value_set")
            .related_model.objects.filter(trial=models.OuterRef("pk"))
            .order_by("step")
        )
        return self.annotate(
            steps=ArraySubquery(steps.values("step")),
            step_values=ArraySubquery(steps.values("value")),
        )


@dataclass(frozen=True)
class Reservation:
    """Numbers and ids for new trials of a study, whose row stays locked until the commit."""

    first_number: int
    revision: int
    ids: Sequence[int]
    now: datetime  # the database's clock


_RESERVE = """
UPDATE studies_study
   SET next_number = next_number + %(n)s, revision = revision + 1, {tallies}
 WHERE id = %(study)s
RETURNING next_number - %(n)s, revision,
          (SELECT array_agg(nextval('optuna.trials_trial_id_seq'))
             FROM generate_series(1, %(n)s)),
          statement_timestamp()
"""

# A trial is on the front while no other beats it: by being at least as good in every objective
# and better in one or, with one objective, by being as good and earlier. Only pairs with a new
# trial need a look.
_SETTLE_FRONT = """
WITH front AS MATERIALIZED (
    SELECT id, number, values, internal_params FROM trials_trial
     WHERE study_id = %(study)s AND on_front
), new AS MATERIALIZED (
    SELECT * FROM front WHERE id = ANY(%(new)s)
), pairs AS (
    SELECT a.values AS a_values, a.number AS a_number, b.id, b.values, b.number
      FROM new AS a JOIN front AS b ON a.id <> b.id
    UNION ALL
    SELECT a.values, a.number, b.id, b.values, b.number
      FROM front AS a JOIN new AS b ON a.id <> b.id
), beaten AS (
    UPDATE trials_trial SET on_front = false WHERE id IN (
        SELECT id FROM pairs
         WHERE CASE WHEN a_values = values THEN cardinality(values) = 1 AND a_number < number
               ELSE NOT EXISTS (
                   SELECT FROM unnest(a_values, values, %(signs)s::float8[]) AS v(a, b, sign)
                    WHERE v.a * v.sign > v.b * v.sign)
               END)
    RETURNING id
), best AS (
    SELECT * FROM front WHERE id NOT IN (SELECT id FROM beaten) ORDER BY number LIMIT 1
)
UPDATE studies_study
   SET best_number = best.number, best_values = best.values,
       best_internal_params = best.internal_params, revision = %(revision)s, {tallies}
  FROM best WHERE studies_study.id = %(study)s
"""
_SETTLE = "UPDATE studies_study SET revision = %(revision)s, {tallies} WHERE id = %(study)s"


class TrialManager(models.Manager.from_queryset(TrialQuerySet)):  # type: ignore[misc]
    """Trial's manager, whose `add` and `change` are the only writers of trials."""

    def reserve(self, study: Study, states: Mapping[str, int]) -> Reservation:
        """Take numbers and ids for new trials, `states` counting them by state.

        One statement that is also the lock: numbers, ids and commits come in the same order.
        """
        arguments = {"study": study.id, "n": sum(states.values())}
        with connection.cursor() as cursor:
            cursor.execute(_RESERVE.format(tallies=_tallies(states)), arguments)
            row = cursor.fetchone()
        if row is None:
            raise StudyNotFound.named(study.name)  # deleted since it was read
        return Reservation(*row)

    def add(
        self, trials: Sequence["Trial"], steps: Sequence[tuple["Trial", int, float]] = ()
    ) -> None:
        """Insert trials of one study, numbered by `reserve`, with their (trial, step, value)."""
        self._unguarded.bulk_create(trials)
        self._insert_steps(steps)
        trials_added.send(sender=self.model, trials=list(trials))

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
        self._unguarded.bulk_update(trials, _CHANGEABLE)
        self._insert_steps(steps)
        self._settle(study, trials, was, revision)
        trials_changed.send(sender=self.model, trials=list(trials))

    @property
    def _unguarded(self) -> models.QuerySet[Any]:
        return models.QuerySet(self.model)

    def _insert_steps(self, steps: Sequence[tuple["Trial", int, float]]) -> None:
        if steps:
            model = self.model._meta.get_field("intermediate_value_set").related_model
            rows = [model(trial=trial, step=step, value=value) for trial, step, value in steps]
            models.QuerySet(model).bulk_create(rows)

    def _settle(
        self, study: Study, trials: Sequence["Trial"], was: Sequence[str], revision: int
    ) -> None:
        """Bring the study's tallies, and its best trial or front, up to date."""
        moves: dict[str, int] = {}
        for trial, before in zip(trials, was, strict=True):
            moves[before] = moves.get(before, 0) - 1
            moves[trial.state] = moves.get(trial.state, 0) + 1
        candidates = [trial.id for trial in trials if trial.on_front]
        statement = _SETTLE_FRONT if candidates else _SETTLE
        arguments: dict[str, Any] = {
            "study": study.id,
            "revision": revision,
            "new": candidates,
            "signs": [1 if each == "minimize" else -1 for each in study.directions],
        }
        with connection.cursor() as cursor:
            cursor.execute(statement.format(tallies=_tallies(moves)), arguments)


_CHANGEABLE = [
    "state",
    "values",
    "datetime_start",
    "datetime_complete",
    "user_attrs",
    "system_attrs",
    "on_front",
    "revision",
]


def _tallies(moves: Mapping[str, int]) -> str:
    """SQL that adds to the study's count of each state."""
    return ", ".join(f"{TALLIES[state]} = {TALLIES[state]} + {n:d}" for state, n in moves.items())
