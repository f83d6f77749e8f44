"""The creation of a demo study: its workers are played by a clock of their own."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import transaction

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies.domain import create_study
from studies.domain.lifecycle import change_state
from studies.enums import StudyState
from studies.models import NamedStudy, Study
from trials import domain
from trials.demo.catalogue import Demo
from trials.demo.dating import Times, date_back
from trials.demo.logs import log_of
from trials.demo.outcomes import Outcome, Outcomes
from trials.domain.attachments.write_log import write_log
from trials.models import Trial

PAUSE_SECONDS = 1800.0


def seed_demo(demo: Demo, *, actor: Actor) -> tuple[Study, bool]:
    """Create a demo study with all its trials in one transaction.

    Returns:
        The study, and whether it is new.
    """
    with transaction.atomic():
        study, is_new = create_study(actor=actor, definition=demo.definition)
        if is_new:
            play = _Play(demo, NamedStudy(study.name), actor)
            play.run()
            date_back(study, play.times, hours_ago=demo.hours_ago)
            study.refresh_from_db()
    return study, is_new


_Worker = tuple[float, int, tuple[Trial, Outcome] | None]


@dataclass
class _Play:
    """The workers of a demo study, each with the trial that it evaluates.

    Attributes:
        times: When what happened, in seconds from the beginning.
    """

    demo: Demo
    named: NamedStudy
    actor: Actor
    times: Times = field(default_factory=Times)
    _n_told: int = 0

    def run(self) -> None:
        """Play all trials; of those that run at the end, `demo.running` are left running."""
        outcomes = Outcomes(self.demo)
        # By the time at which each worker is free again: (time, worker, what it evaluates).
        free_at: list[_Worker] = [
            (20.0 * worker, worker, None) for worker in range(self.demo.workers)
        ]
        for _ in range(self.demo.n_trials):
            now, worker, held = heapq.heappop(free_at)
            if held is not None:
                now += self._tell(*held, now)
            trial = domain.ask(actor=self.actor, named=self.named, worker_id=f"gpu-{worker}")
            outcome = outcomes.of(trial)
            self.times.started[trial.number] = now
            heapq.heappush(free_at, (now + outcome.seconds, worker, (trial, outcome)))
        last = [(end, held) for end, _, held in sorted(free_at, key=_end) if held is not None]
        n_ended = len(last) - self.demo.running
        for end, held in last[:n_ended]:
            self._tell(*held, end)
        self._leave_running([trial.number for _, (trial, _) in last[n_ended:]])

    def _tell(self, trial: Trial, outcome: Outcome, now: float) -> float:
        """Tell a result; return for how long the study is paused then."""
        domain.tell(actor=self.actor, named=self.named, number=trial.number, result=outcome.result)
        if outcome.result.state == TrialState.FAIL:
            write_log(named=self.named, number=trial.number, text=log_of(trial, outcome))
        self.times.ended[trial.number] = now
        self._n_told += 1
        if self._n_told != self.demo.pause:
            return 0.0
        for state, reason in (
            (StudyState.PAUSED, "maintenance of the cluster"),
            (StudyState.ACTIVE, ""),
        ):
            change_state(actor=self.actor, named=self.named, to=state, reason=reason)
        self.times.states = [now, now + PAUSE_SECONDS]
        return PAUSE_SECONDS

    def _leave_running(self, numbers: list[int]) -> None:
        """Let the running trials have reported for as long as they run."""
        if not self.demo.steps:
            return
        for number in numbers:
            share = (self.times.now - self.times.started[number]) / self.demo.seconds
            n = min(self.demo.steps - 1, max(1, int(share * self.demo.steps)))
            steps: Mapping[int, float] = {step: 0.85 * (1 - 0.8**step) for step in range(1, n + 1)}
            domain.report(named=self.named, number=number, steps=steps)


def _end(worker: _Worker) -> float:
    return worker[0]
