"""The manager of trials: the only methods that write them, and the queries that read them.

Each write sends a signal inside the transaction, by which Optuna's schema is updated.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, NoReturn, Self, TypeVar

from django.db import models
from django.db.models import F, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from optuna_bridge.enums import TrialState
from optuna_bridge.space.changes import SpaceChange
from optuna_bridge.system_attrs import PARENTS
from studies.enums import Duplicates
from studies.errors import StudyNotFound
from studies.models import FAILURES, INFEASIBLE, DirectWriteRefused, Study
from trials.errors import TrialNotFound
from trials.models import front, improvement, leases, repeats, space_statements, write_statements
from trials.models.abstract_trial import AbstractTrial
from trials.models.failure_streak import FailureStreak
from trials.models.improvement import Improvement, is_result
from trials.models.leases import Lease
from trials.models.repeats import Settled
from trials.models.reservation import Reservation
from trials.signals import (
    space_changed,
    study_attrs_added,
    study_attrs_removed,
    trials_added,
    trials_changed,
)
from tuner_project.db.pipelines import pipelined
from tuner_project.db.prepared import Literal, Parameter, PreparedQuery
from tuner_project.db.statements import Sent

GROUPS_AT_A_TIME = 100  # of an imported study

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


class TrialManager(models.Manager.from_queryset(TrialQuerySet), Generic[T]):  # type: ignore[misc]
    """Trial's manager; trials are written only by its methods.

    `add`, `change`, `add_study_attrs` and `remove_study_attrs` also update Optuna's rows. `renew`
    and `hold` write leases, and `restore_front` the front, which Optuna does not have.
    """

    # Reading ---------------------------------------------------------------------------------

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
        return {trial.number: trial for trial in _of(study, trials)}

    def held(self, study: Study, worker_id: str) -> list[T]:
        """Return the running trials that a worker holds, with their steps, ordered by number."""
        return _of(study, self.send_held(study, worker_id))

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
        return _of(study, waiting.order_by("-priority", "number")[:n])

    def waiting_repeats(
        self, study: Study, groups: Collection[int], but: Sequence[T] = ()
    ) -> list[T]:
        """Return the WAITING trials of groups of repeats, by number, but for some."""
        waiting = self.filter(study_id=study.id, repeat_group__in=groups, state="WAITING")
        others = waiting.exclude(number__in=[each.number for each in but])
        return _of(study, others.order_by("number"))

    def expired(self, study: Study) -> list[T]:
        """Return the running trials with expired leases, by number, locked against heartbeats."""
        running = self.filter(study_id=study.id, state="RUNNING", lease_expires_at__lte=study.now)
        return _of(study, running.order_by("number").select_for_update(of=("self",)))

    def silent(self, study: Study, before: datetime) -> list[T]:
        """Return the running trials not seen since a time, by number, locked against heartbeats."""
        seen_at = Coalesce("seen_at", "datetime_start")
        running = self.filter(study_id=study.id, state="RUNNING").annotate(last=seen_at)
        silent = running.filter(last__lte=before).order_by("number")
        return _of(study, silent.select_for_update(of=("self",)))

    def failures(self, study: Study, n: int) -> list[T]:
        """Return the first n trials, by number, that ran, failed and were not retried."""
        failed = self.filter(study_id=study.id, state="FAIL", infeasible=False, retried_as=None)
        failed = failed.exclude(datetime_start=None).with_steps()
        return _of(study, failed.order_by("number")[:n])

    # Writing ---------------------------------------------------------------------------------

    def reserve(
        self,
        study: Study,
        states: Mapping[str, int],
        failures: int | None = None,
        infeasible: int = 0,
    ) -> Reservation:
        """Reserve numbers and ids for new trials; `states` has their number by state.

        The statement also locks the study, so that numbers, ids and commits have the same order.
        `failures` says how many of the FAIL trials count as failures; by default, all do.
        `infeasible` of them are infeasible.
        """
        n = sum(states.values())
        failures = states.get("FAIL", 0) if failures is None else failures
        moves = Counter(states) + Counter({FAILURES: failures, INFEASIBLE: infeasible})
        reserved = write_statements.reserve(study.id, moves, n)
        if reserved is None:
            raise StudyNotFound.named(study.name)  # deleted since it was read
        study.next_number, study.revision = reserved.first_number + n, reserved.revision
        study.count(moves)
        return reserved

    def send_reserve_running(
        self,
        study: Study,
        n: int,
        lease: Lease,
        *,
        n_waiting: int = 0,
        passes_queue: bool = False,
    ) -> Sent[Reservation]:
        """Reserve numbers and ids for n trials to start, if no further check is needed.

        `n_waiting` more are reserved to wait in the queue, since they repeat the points of the n.
        Within `pipelined()` this does not wait for the result. There is none if the study is not
        ACTIVE, its search space has changed, its limits do not allow n trials, trials wait in its
        queue (unless `passes_queue`), its deadline has passed or a lease has expired. `study` is
        not changed, since threads may share it.
        """
        return write_statements.send_reserve_running(
            study, n, lease, n_waiting=n_waiting, passes_queue=passes_queue
        )

    def add(
        self,
        trials: Sequence[T],
        steps: Sequence[tuple[T, int, float]] = (),
        study: Study | None = None,
        *,
        are_results: bool = False,
    ) -> None:
        """Insert trials of one study, numbered by `reserve`, with their (trial, step, value).

        Pass `study` if some of them may be the study's best or on its front: it is updated.
        `are_results` says that the finished ones count for `stop_after_no_improvement`; if not,
        those that come later do.
        """
        counted = None
        if study is not None:
            results = [each for each in trials if is_result(each, None)]
            if study.repeats is not None:
                repeats.mark_front(study, Settled([each for each in trials if each.is_leader]))
            counted = self._improvement(study, results) if are_results else improvement.anew(study)
        beaten = None if study is None else self._take_off_dominated(study, trials)
        with pipelined():
            write_statements.insert(trials)
            write_statements.insert_steps(steps)
            if study is not None:
                self._update_counters_and_front(study, trials, Counter(), beaten, counted=counted)
            trials_added.send(sender=self.model, trials=list(trials), with_steps=bool(steps))

    def change(
        self,
        study: Study,
        trials: Sequence[T],
        was: Sequence[str],
        steps: Sequence[tuple[T, int, float]] = (),
        were_failures: int = 0,
    ) -> None:
        """Store the changes of trials of one study, which the caller has locked.

        `was` has the trials' states before, and `steps` the new and replaced (trial, step, value).
        `were_failures` is the number of those that were counted as failures. The study's counts are
        updated, and the results of groups of repeats.
        """
        study.revision += 1
        settled = self._settled(study, trials, was)
        written: list[AbstractTrial] = [*trials, *settled.leaders]
        for trial in written:
            trial.revision = study.revision
        moves = Counter(trial.state for trial in trials)
        moves.subtract(was)
        moves[FAILURES] = sum(trial.is_failure for trial in trials) - were_failures
        moves[INFEASIBLE] = sum(trial.infeasible for trial in trials)
        waited = "WAITING" in was
        ended = [
            INFEASIBLE if trial.infeasible else trial.state
            for trial, before in zip(trials, was, strict=True)
            if before == "RUNNING"
        ]
        results = settled.results
        if study.repeats is None:
            results = [
                trial for trial, before in zip(trials, was, strict=True) if is_result(trial, before)
            ]
        judged = trials if study.repeats is None else settled.leaders
        counted = self._improvement(study, results)
        beaten = self._take_off_dominated(study, judged)
        with pipelined():
            write_statements.update(trials, steps, are_started=waited)
            if settled.leaders:
                write_statements.update_groups(settled.leaders)
            self._update_counters_and_front(study, trials, moves, beaten, ended, counted, judged)
            trials_changed.send(
                sender=self.model,
                trials=list(trials),
                steps=sorted({step for _, step, _ in steps}),
                with_params=waited,
            )
        if settled.has_lost:
            self.find_front(study)
            self._count_anew(study)

    def add_study_attrs(self, study: Study, attrs: Mapping[int, Mapping[str, Any]]) -> None:
        """Store attributes that samplers set on a locked study, by the number of the trial drawn.

        It is for trials that were added without them, since an attribute may refer to later trials.
        """
        found = self.filter(study_id=study.id, number__in=list(attrs)).values_list("number", "id")
        by_id = {trial_id: attrs[number] for number, trial_id in found}
        with pipelined():
            write_statements.update_study_attrs(by_id)
            study_attrs_added.send(sender=self.model, trial_ids=list(by_id))

    def remove_study_attrs(self, study: Study, keys: Sequence[str]) -> None:
        """Remove attributes that samplers set on a locked study."""
        with pipelined():
            write_statements.remove_study_attrs(study.id, keys)
            study_attrs_removed.send(sender=self.model, study_id=study.id, keys=list(keys))

    def change_space(self, study: Study, change: SpaceChange, defaults: Mapping[str, Any]) -> None:
        """Adapt all trials of a locked study to its search space, which was just changed.

        `defaults` are the values of the new parameters by name. The points to avoid, and the
        parents of generations, which samplers have noted on the study, are found anew.
        """
        space_statements.convert_params(study, change, defaults)
        if study.duplicates == Duplicates.AVOID:
            space_statements.update_hashes(study, study.point_hash)
        space_changed.send(sender=self.model, study=study, change=change)
        stored = self.filter(study_id=study.id, study_attrs__isnull=False)
        attrs = stored.values_list("study_attrs", flat=True)
        parents = {key for each in attrs for key in each if PARENTS.fullmatch(key)}
        if parents:
            self.remove_study_attrs(study, sorted(parents))

    def restore_front(self, study: Study, removed: Sequence[float]) -> None:
        """Find the best trial or the front of a locked study, of which one was removed.

        `removed` are the values of that trial, which has been stored without them.
        """
        released: list[int] = []
        if study.is_multi_objective:
            these = front.feasible(study, self.filter(study_id=study.id))
            rest = these.filter(on_front=True), these.filter(on_front=False)
            released = front.released(study, removed, *rest)
        write_statements.restore_front(study, released)

    def find_front(self, study: Study) -> None:
        """Find the best trial or the front of a locked study among all its trials."""
        write_statements.clear_front(study)
        these = front.feasible(study, self.filter(study_id=study.id))
        released = front.undominated_ids(study, these) if study.is_multi_objective else []
        write_statements.restore_front(study, released)

    def settle_all(self, study: Study) -> None:
        """Set the results of all groups of a locked study whose trials were just written."""
        leaders = self.filter(study_id=study.id, number=F("repeat_group")).order_by("number")
        groups, last = leaders.values_list("number", flat=True), -1
        while part := list(groups.filter(number__gt=last)[:GROUPS_AT_A_TIME]):
            last = part[-1]
            these = self.filter(study_id=study.id, repeat_group__in=part)
            settled = repeats.settle(study, these, _of(study, these.only(*repeats.READ)))
            write_statements.update_groups(settled.leaders)
        self.find_front(study)
        self._count_anew(study)

    def _settled(self, study: Study, trials: Sequence[T], was: Sequence[str]) -> Settled:
        """Set the results of the trials' groups, which reports leave as they are."""
        changed = [
            each
            for each, before in zip(trials, was, strict=True)
            if not each.state == before == "RUNNING"
        ]
        if study.repeats is None or not changed:
            return Settled()
        return repeats.settle(study, self.filter(study_id=study.id), changed)

    def _count_anew(self, study: Study) -> None:
        """Count for `stop_after_no_improvement` from the best value that is left."""
        if improvement.anew(study) is not None:
            study.save(update_fields=Study.PROGRESS)

    def _improvement(self, study: Study, results: Sequence[AbstractTrial]) -> Improvement | None:
        """Return what a study stores of its budget after trials have finished, in this order."""
        return improvement.after(study, results, self.filter(study_id=study.id, on_front=True))

    def _take_off_dominated(
        self, study: Study, trials: Sequence[AbstractTrial]
    ) -> list[int] | None:
        """Compare several new trials with the front, and clear `on_front` where one is dominated.

        Returns the ids of the trials that are no longer on the front; None if the statement that
        updates the study is to compare the one new trial.
        """
        new = [trial for trial in trials if trial.on_front]
        if len(new) < 2:
            return None
        if study.is_multi_objective:
            on_front = self.filter(study_id=study.id, on_front=True)
            return front.take_off_dominated(study, new, on_front)
        for trial in new[:-1]:  # each was better than those before it
            trial.on_front = False
        return None

    def _update_counters_and_front(
        self,
        study: Study,
        trials: Sequence[T],
        moves: Counter[str],
        beaten: Sequence[int] | None,
        ended: Sequence[str] = (),
        counted: Improvement | None = None,
        judged: Sequence[AbstractTrial] | None = None,
    ) -> None:
        new = [each.id for each in (trials if judged is None else judged) if each.on_front]
        running = [trial for trial in trials if trial.state == "RUNNING"]
        expiries = [trial.lease_expires_at for trial in running if trial.lease_expires_at]
        until = min(expiries, default=None)
        streak = FailureStreak.of(ended)
        write_statements.update_counters_and_front(
            study, moves, new, beaten, until, streak, counted
        )
        if counted is not None:
            study.n_without_improvement, study.improvement_reference = counted
        study.count(moves)
        study.n_consecutive_failures = streak.after(study.n_consecutive_failures)

    def renew(
        self,
        study_name: str,
        number: int,
        *,
        study_id: int | None = None,
        worker_id: str | None = None,
    ) -> tuple[datetime | None, str, str, bool, bool] | None:
        """Renew a running trial's lease, without a lock on its study.

        Returns (expiry, study's state, state's reason, its `stop_running`, whether the trial has
        run for `max_trial_seconds`); None if there is no such running trial, or it is of another
        study or worker than those given.
        """
        return leases.renew(study_name, number, study_id, worker_id)

    def hold(self, study: Study, trials: Sequence[T], lease: Lease) -> None:
        """Return running trials of a locked study to their worker, with a lease that starts now.

        If `lease` is `OF_STUDY`, each keeps the length of its last lease.
        """
        leases.hold(study, trials, lease)

    def limit_running(self, study: Study) -> None:
        """Apply a locked study's lease and `max_trial_seconds` to its running trials."""
        running: list[T] = []
        if study.space.is_conditional:
            without = self.filter(study=study, state=TrialState.RUNNING, lease_seconds=None)
            running = list(without.only("internal_params"))
            for trial in running:
                trial.study = study
        leases.limit_running(study, running)

    def find_next_expiry(self, study: Study) -> None:
        """Store on the study when its next lease expires."""
        leases.find_next_expiry(study.id)


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


def _of(study: Study, trials: Iterable[T]) -> list[T]:
    """Return the trials as a list, with `study` set on each."""
    found = list(trials)
    for trial in found:
        trial.study = study
    return found
