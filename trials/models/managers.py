"""The manager of trials: the only methods that write them.

Each write sends a signal inside the transaction, by which Optuna's schema is updated.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna_bridge.space.changes import SpaceChange
from optuna_bridge.system_attrs import PARENTS
from studies.enums import Duplicates
from studies.errors import StudyNotFound
from studies.models import FAILURES, INFEASIBLE, Study
from trials.models import front, improvement, repeats
from trials.models.abstract_trial import AbstractTrial
from trials.models.front_writer import FrontWriter
from trials.models.improvement import Improvement, is_result
from trials.models.leases import Lease, LeaseWriter
from trials.models.querysets import T
from trials.models.repeats import Settled
from trials.models.reservation import Reservation
from trials.models.statements import front as front_statements
from trials.models.statements import reserve, rows, space
from trials.models.statements.failure_streak import NO_STREAK, FailureStreak
from trials.signals import (
    space_changed,
    study_attrs_added,
    study_attrs_removed,
    trials_added,
    trials_changed,
)
from tuner_project.db.pipelines import pipelined
from tuner_project.db.statements import Sent


class TrialManager(FrontWriter[T], LeaseWriter[T]):
    """Trial's manager; trials are written only by its methods.

    `add`, `change`, `add_study_attrs` and `remove_study_attrs` also update Optuna's rows. The
    others write what Optuna does not have: leases, the front, and the results of groups.
    """

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
        reserved = reserve.reserve(study.id, moves, n)
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
        return reserve.send_reserve_running(
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
        beaten = None if study is None else self._taken_off(study, trials)
        with pipelined():
            rows.insert(trials)
            rows.insert_steps(steps)
            if study is not None:
                self._update_counters_and_front(
                    study, trials, Counter(), beaten, counted=counted, is_news=are_results
                )
            trials_added.send(
                sender=self.model,
                trials=list(trials),
                with_steps=bool(steps),
                improving=[each for each in trials if each.on_front] if are_results else [],
            )

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
        settled = self._settle(study, trials, was)
        written: list[AbstractTrial] = [*trials, *settled.leaders]
        for trial in written:
            trial.revision = study.revision
        judged: Sequence[AbstractTrial] = settled.leaders
        changed: Sequence[AbstractTrial] = settled.leaders
        results = settled.results
        if study.repeats is None:
            judged = trials
            results = changed = [
                each for each, before in zip(trials, was, strict=True) if is_result(each, before)
            ]
        counted = self._improvement(study, results)
        beaten = self._taken_off(study, judged)
        moves = _moves(trials, was, were_failures)
        waited = "WAITING" in was
        streak = FailureStreak.of(_ended(trials, was))
        with pipelined():
            rows.update(trials, steps, are_started=waited)
            if settled.leaders:
                rows.update_groups(settled.leaders)
            self._update_counters_and_front(study, trials, moves, beaten, streak, counted, judged)
            trials_changed.send(
                sender=self.model,
                trials=list(trials),
                steps=sorted({step for _, step, _ in steps}),
                with_params=waited,
                was=list(was),
                streak=streak,
                improving=[each for each in changed if each.on_front],
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
            rows.update_study_attrs(by_id)
            study_attrs_added.send(sender=self.model, trial_ids=list(by_id))

    def remove_study_attrs(self, study: Study, keys: Sequence[str]) -> None:
        """Remove attributes that samplers set on a locked study."""
        with pipelined():
            rows.remove_study_attrs(study.id, keys)
            study_attrs_removed.send(sender=self.model, study_id=study.id, keys=list(keys))

    def change_space(self, study: Study, change: SpaceChange, defaults: Mapping[str, Any]) -> None:
        """Adapt all trials of a locked study to its search space, which was just changed.

        `defaults` are the values of the new parameters by name. The points to avoid, and the
        parents of generations, which samplers have noted on the study, are found anew.
        """
        space.convert_params(study, change, defaults)
        if study.duplicates == Duplicates.AVOID:
            space.update_hashes(study, study.point_hash)
        space_changed.send(sender=self.model, study=study, change=change)
        stored = self.filter(study_id=study.id, study_attrs__isnull=False)
        attrs = stored.values_list("study_attrs", flat=True)
        parents = {key for each in attrs for key in each if PARENTS.fullmatch(key)}
        if parents:
            self.remove_study_attrs(study, sorted(parents))

    def _improvement(self, study: Study, results: Sequence[AbstractTrial]) -> Improvement | None:
        """Return what a study stores of its budget after trials have finished, in this order."""
        return improvement.after(study, results, self.filter(study_id=study.id, on_front=True))

    def _taken_off(self, study: Study, trials: Sequence[AbstractTrial]) -> list[int] | None:
        """Return the ids of the trials that new ones take off the front, as `take_off_front`."""
        return front.take_off_front(study, trials, self.filter(study_id=study.id, on_front=True))

    def _update_counters_and_front(
        self,
        study: Study,
        trials: Sequence[T],
        moves: Counter[str],
        beaten: Sequence[int] | None,
        streak: FailureStreak = NO_STREAK,
        counted: Improvement | None = None,
        judged: Sequence[AbstractTrial] | None = None,
        is_news: bool = True,
    ) -> None:
        new = [each.id for each in (trials if judged is None else judged) if each.on_front]
        running = [trial for trial in trials if trial.state == "RUNNING"]
        expiries = [trial.lease_expires_at for trial in running if trial.lease_expires_at]
        until = min(expiries, default=None)
        front_statements.update_counters_and_front(
            study, moves, new, beaten, until, streak, counted, is_news=is_news
        )
        if counted is not None:
            study.n_without_improvement, study.improvement_reference = counted
        study.count(moves)
        study.n_consecutive_failures = streak.after(study.n_consecutive_failures)


def _moves(trials: Sequence[AbstractTrial], was: Sequence[str], were_failures: int) -> Counter[str]:
    """Return the changes of a study's counts by changed trials; see `TrialManager.change`."""
    moves = Counter(trial.state for trial in trials)
    moves.subtract(was)
    moves[FAILURES] = sum(trial.is_failure for trial in trials) - were_failures
    moves[INFEASIBLE] = sum(trial.infeasible for trial in trials)
    return moves


def _ended(trials: Sequence[AbstractTrial], was: Sequence[str]) -> list[str]:
    """Return the states in which trials that ran have ended, INFEASIBLE included."""
    return [
        INFEASIBLE if trial.infeasible else trial.state
        for trial, before in zip(trials, was, strict=True)
        if before == "RUNNING" != trial.state  # a report leaves it running
    ]
