"""The trials of the service that trials of Ray Tune evaluate."""

import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

from tuner._sync.held_trial import BEATS_PER_LEASE
from tuner._sync.study import Study
from tuner._sync.tasks import Ticker
from tuner._sync.trial import Trial
from tuner._wire.library import read_json
from tuner._wire.requests import Request
from tuner.errors import LeaseLost, TunerError

_log = logging.getLogger("tuner")


@dataclass(frozen=True)
class Names:
    """What names a trial, and its holder, in the API: what Tune saves of it."""

    trial_id: int
    study_id: int
    worker_id: str


@dataclass
class TuneTrial:
    """A trial that this process holds for Tune."""

    names: Names
    trial: Trial
    reported_step: int | None = None
    advice: str | None = None  # why to stop
    is_stopped: bool = False  # on this advice

    def report(self, value: float, step: int) -> None:
        """Report the value of a step once, and note the service's advice."""
        if step == self.reported_step:
            return
        self.reported_step = step
        reply = self.trial.report(value, step=step, raises=False)
        if reply.should_stop or reply.should_prune:
            self.advice = reply.reason or "advised by the service"

    def renew(self) -> None:
        """Renew the lease. While the service is away, the evaluation goes on."""
        try:
            reply = self.trial.heartbeat()
        except LeaseLost as lost:
            self.advice = lost.detail
        except TunerError as error:
            _log.warning("heartbeat of trial %s: %s", self.trial.trial_id, error)
        else:
            if reply.should_stop:
                self.advice = reply.reason or "the study was ended"


def ask(study: Study, worker_id: str) -> TuneTrial:
    """Return a new trial, or raise at once why there is none."""
    request = Request("POST", study.path("trials", "suggest"), {"worker_id": worker_id})
    answer = study.transport.send(request, deadline=0)
    offer = read_json(answer)
    names = Names(offer["trial_id"], offer["study_id"], worker_id)
    return TuneTrial(names, Trial(study, offer, worker_id, answer))


def find(study: Study, names: Names) -> TuneTrial:
    """Return a trial that an earlier process held."""
    request = Request("GET", study.path("trials", str(names.trial_id)))
    answer = study.transport.send(request)
    offer = {**read_json(answer), "study_id": names.study_id, "reoffered": True}
    return TuneTrial(names, Trial(study, offer, names.worker_id, answer))


def start_heartbeat(
    owner: object, held: Mapping[str, TuneTrial], lease_seconds: float | None
) -> "weakref.finalize[[], object]":
    """Renew the leases in the background, for as long as their owner lives; returns what ends it.

    Args:
        owner: of the trials.
        held: the trials, which change meanwhile.
        lease_seconds: of the study; None: there is nothing to renew.
    """
    if lease_seconds is None:
        return weakref.finalize(owner, lambda: None)
    pause = lease_seconds / BEATS_PER_LEASE

    def beat() -> float:
        for each in list(held.values()):
            each.renew()
        return pause

    return weakref.finalize(owner, Ticker(beat, pause).stop)
