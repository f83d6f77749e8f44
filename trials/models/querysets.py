"""The querysets of trials, which only read, and the queries that the manager has."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, NoReturn, Self, TypeVar

from django.db import models
from django.db.models import Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from studies.models import DirectWriteRefused, Study
from trials.errors import TrialNotFound
from trials.models.abstract_trial import AbstractTrial
from tuner_project.db.prepared import Literal, Parameter, PreparedQuery
from tuner_project.db.statements import Sent

T = TypeVar("T", bound=AbstractTrial)  # in the model's manager: Trial

# Written in SQL, since building the ORM's subqueries takes longer than running them.
_STEPS = (
    "ARRAY(SELECT {column} FROM trials_intermediatevalue "
    "WHERE trial_id = trials_trial.id ORDER BY step)"
)


class GuardedQuerySet(models.QuerySet[Any]):
    """A queryset that refuses writes, since they would not update Optuna's schema."""

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DirectWriteRefused(
            "trials are written by Trial.objects.add() and change(), and deleted with their study"
        )

    create = bulk_create = update = bulk_update = delete = _refused
    get_or_create = update_or_create = _refused


class StepQuerySet(GuardedQuerySet):
    """A queryset of intermediate values."""


class TrialQuerySet(GuardedQuerySet):
    """A queryset of trials."""

    def from_number(self, number: int) -> Self:
        """Return the trials from a number on, in order, with steps; any number costs the same."""
        return self.with_steps().order_by("number").filter(number__gte=number)

    def with_steps(self) -> Self:
        """Read the intermediate values in the same statement."""
        return self.annotate(
            steps=RawSQL(_STEPS.format(column="step"), ()),  # noqa: S611
            step_values=RawSQL(_STEPS.format(column="value"), ()),  # noqa: S611
        )


class TrialReader(models.Manager.from_queryset(TrialQuerySet), Generic[T]):  # type: ignore[misc]
    """The queries of Trial's manager."""

    def get_by_number(self, study: Study, number: int) -> T:
        """Return the study's trial with this number and its steps; raises `TrialNotFound`."""
        return self.send_by_number(study.name, number).trial(study)

    def send_by_number(self, study_name: str, number: int) -> "SentTrial[T]":
        """Send the query of `get_by_number`; within `pipelined()`, without waiting for it."""
        return SentTrial(number, self._by_number.send(study=study_name, number=number))

    @cached_property
    def _by_number(self) -> PreparedQuery[T]:
        studies = Study.objects.filter(name=Parameter("study")).values("id")
        these = {"study_id": Subquery(studies), "number": Parameter("number")}
        return PreparedQuery(lambda: self.filter(**these).with_steps())

    def get_by_numbers(self, study: Study, numbers: Sequence[int]) -> dict[int, T]:
        """Return the study's trials with these numbers and their steps; missing ones are left out.

        The result is a mapping by number.
        """
        trials = self.filter(study_id=study.id, number__in=set(numbers)).with_steps()
        return {trial.number: trial for trial in with_study(study, trials)}

    def held(self, study: Study, worker_id: str) -> list[T]:
        """Return the running trials that a worker holds, with their steps, ordered by number."""
        return with_study(study, self.send_held(study, worker_id))

    def send_held(self, study: Study, worker_id: str) -> Sent[T]:
        """Send the query of `held`; within `pipelined()`, without waiting for its result."""
        return self._held.send(study=study.id, worker=worker_id)

    @cached_property
    def _held(self) -> PreparedQuery[T]:
        these = {"study_id": Parameter("study"), "worker_id": Parameter("worker")}
        # The conditions are those of the partial index, so that it can be used.
        running = self.filter(state=Literal("RUNNING"), **these).exclude(worker_id=Literal(""))
        return PreparedQuery(lambda: running.with_steps().order_by("number"))

    def queue(self, study: Study, n: int, agreeing: Sequence[Q] = ()) -> list[T]:
        """Return the first n WAITING trials, in the order in which they are handed out.

        Only those that satisfy the conditions `agreeing`.
        """
        waiting = self.filter(*agreeing, study_id=study.id, state="WAITING")
        return with_study(study, waiting.order_by("-priority", "number")[:n])

    def waiting_repeats(
        self, study: Study, groups: Collection[int], but: Sequence[T] = ()
    ) -> list[T]:
        """Return the WAITING trials of groups of repeats, by number, but for some."""
        waiting = self.filter(study_id=study.id, repeat_group__in=groups, state="WAITING")
        others = waiting.exclude(number__in=[each.number for each in but])
        return with_study(study, others.order_by("number"))

    def expired(self, study: Study) -> list[T]:
        """Return the running trials with expired leases, by number, locked against heartbeats."""
        running = self.filter(study_id=study.id, state="RUNNING", lease_expires_at__lte=study.now)
        return with_study(study, running.order_by("number").select_for_update(of=("self",)))

    def silent(self, study: Study, before: datetime) -> list[T]:
        """Return the running trials not seen since a time, by number, locked against heartbeats."""
        seen_at = Coalesce("seen_at", "datetime_start")
        running = self.filter(study_id=study.id, state="RUNNING").annotate(last=seen_at)
        silent = running.filter(last__lte=before).order_by("number")
        return with_study(study, silent.select_for_update(of=("self",)))

    def failures(self, study: Study, n: int) -> list[T]:
        """Return the first n trials, by number, that ran, failed and were not retried."""
        failed = self.filter(study_id=study.id, state="FAIL", infeasible=False, retried_as=None)
        failed = failed.exclude(datetime_start=None).with_steps()
        return with_study(study, failed.order_by("number")[:n])


@dataclass(frozen=True)
class SentTrial(Generic[T]):
    """A trial whose query was sent; to read it waits for the result."""

    number: int
    query: Sent[T]

    def trial(self, study: Study) -> T:
        """Return the trial, which is of this study; raises `TrialNotFound`."""
        trial = self.query.first()
        if trial is None or trial.study_id != study.id:  # deleted and created again meanwhile
            raise TrialNotFound.numbered(self.number)
        trial.study = study
        return trial


def with_study(study: Study, trials: Iterable[T]) -> list[T]:
    """Return the trials as a list, with `study` set on each."""
    found = list(trials)
    for trial in found:
        trial.study = study
    return found
