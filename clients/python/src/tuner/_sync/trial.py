"""A trial that this worker evaluates."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tuner._sync.tasks import Ticker
from tuner._wire.library import httpx, seconds_until
from tuner._wire.requests import (
    Request,
    are_finite,
    as_step,
    as_values,
    finite_or_none,
    present,
)
from tuner._worker.outcomes import describe_failure, ends_trial_only, raise_pruned
from tuner._worker.suggestions import Suggestions, value_of
from tuner._worker.termination import sigterm_raises
from tuner.answers import FrozenTrial, HeartbeatReply, ReportReply
from tuner.errors import LeaseLost, StudyStopped, TunerError
from tuner.space import Distribution, SearchSpace

if TYPE_CHECKING:
    from tuner._sync.study import Study

_log = logging.getLogger("tuner")

BEATS_PER_LEASE = 3
MIN_LEASE = 0.3
GIVE_BACK_SECONDS = 10.0  # schedulers kill a process some time after SIGTERM


class Trial(Suggestions):
    """A running trial, and what can be said of it.

    In a `with` block its lease is renewed in the background. The block ends the trial: as PRUNED
    after `Pruned` or `StudyStopped`, as FAIL after another exception, which is retried as
    `max_retries` of the study allows; SIGTERM and Ctrl-C give it back to the queue.

    Attributes:
        study: the study that it belongs to.
        trial_id: its number within the study.
        params: the parameters to evaluate.
        result: the finished trial, once it was told.
        raises: whether `report` raises the advice to stop; `optimize` sets it to False.
        catch: exceptions that do not leave the `with` block.
        on_finish: called once the result is told.
    """

    def __init__(
        self, study: "Study", offer: Mapping[str, Any], worker_id: str, answer: httpx.Response
    ) -> None:
        self.study = study
        self.trial_id: int = offer["trial_id"]
        self.params: dict[str, Any] = offer["params"]
        self.user_attrs: dict[str, Any] = offer["user_attrs"]
        self.intermediate_values = {
            int(step): value for step, value in offer["intermediate_values"].items()
        }
        self.attempt: int = offer["attempt"]
        self.retry_of: int | None = offer["retry_of"]
        self.reoffers: int = offer["reoffers"]
        self.is_reoffered: bool = offer["reoffered"]
        self.result: FrozenTrial | None = None
        self._holder = {"study_id": offer["study_id"], "worker_id": worker_id}
        self.raises = True
        self.catch: tuple[type[Exception], ...] = ()
        self.on_finish: Callable[[], None] | None = None
        self._lease = _lease_of(offer, answer)
        self._lost: LeaseLost | None = None
        self._reply = HeartbeatReply(None, should_stop=False)
        self._new_attrs: dict[str, Any] = {}
        self._constraints: dict[str, float] = {}
        self._ticker: Ticker | None = None
        self._signals = ExitStack()

    @property
    def number(self) -> int:
        """The trial's number within its study: Optuna's name of `trial_id`."""
        return self.trial_id

    @property
    def next_step(self) -> int:
        """The step to go on with: 0, or after a restart the one behind the last reported."""
        return max(self.intermediate_values, default=-1) + 1

    @property
    def distributions(self) -> SearchSpace:
        """The search space of the study."""
        return self.study.space

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints set so far."""
        return dict(self._constraints)

    def _suggest(self, name: str, distribution: Distribution) -> Any:
        return value_of(name, distribution, self.params, self.study.space, self.study.name)

    # While it runs ----------------------------------------------------------------------------

    def report(
        self,
        value: float | Mapping[int, float],
        step: int | None = None,
        *,
        attrs: Mapping[str, Any] | None = None,
        raises: bool | None = None,
    ) -> ReportReply:
        """Report an intermediate value, and renew the lease.

        Args:
            value: the value; NaN and infinity are reported as null. Or several: `{step: value}`.
            step: of the value; an epoch or a fold.
            attrs: user attributes to add to the trial.
            raises: False raises none of these, but returns a reply that says so. By default True
                in a loop; in `optimize`, whose objectives call `should_prune`, only `LeaseLost` is
                raised.

        Raises:
            Pruned: the pruner advises to stop.
            StudyStopped: the study was ended, and its results are not needed any more.
            LeaseLost: the trial was ended without this worker.
        """
        many = value if isinstance(value, Mapping) else {step: value}
        numbers = {as_step(at): finite_or_none(each) for at, each in many.items()}
        body = {"values": {str(at): number for at, number in numbers.items()}}
        try:
            reply = self._report({**body, **self._take_attrs(attrs)})
        except LeaseLost as lost:
            if raises is not False:
                raise
            reply = ReportReply(None, should_stop=True, reason=lost.detail)
        self.intermediate_values.update(numbers)
        self._reply = reply
        if self.raises if raises is None else raises:
            self._raise_advice(reply)
        return reply

    def _report(self, body: Mapping[str, Any]) -> ReportReply:
        if self._lost is not None:  # as a heartbeat has found
            raise self._lost
        return ReportReply.read((self._send("report", body)).json())

    def should_prune(self) -> bool:
        """Tell whether the last report or heartbeat advised to stop."""
        return self._reply.should_stop or getattr(self._reply, "should_prune", False)

    @property
    def reply(self) -> HeartbeatReply:
        """The service's last answer: that of a report, or of a heartbeat that says to stop."""
        return self._reply

    @property
    def lost(self) -> LeaseLost | None:
        """Why the trial is no longer this worker's, as the last heartbeat was answered; or None."""
        return self._lost

    def heartbeat(self, *, attrs: Mapping[str, Any] | None = None) -> HeartbeatReply:
        """Renew the lease; in a `with` block it happens in the background.

        Raises:
            LeaseLost: the trial was ended without this worker.
        """
        answer = self._send("heartbeat", self._take_attrs(attrs))
        reply = HeartbeatReply.read(answer.json())
        if reply.should_stop:
            self._reply = reply
        return reply

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute; it is sent with the next report, heartbeat or result."""
        self.user_attrs[key] = value
        self._new_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Set the value of a constraint, satisfied up to 0; it is sent with the result."""
        self._constraints[key] = float(value)

    # How it ends ------------------------------------------------------------------------------

    def complete(
        self,
        values: Any,
        *,
        attrs: Mapping[str, Any] | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> FrozenTrial:
        """Tell the value of the objective, or the values of several.

        A value that is NaN or infinite is a failed evaluation: the trial ends as FAIL.

        Raises:
            LeaseLost: the trial was ended without this worker, and not by a lease that expired:
                a late result is accepted while the next attempt waits in the queue.
        """
        numbers = as_values(values)
        if not are_finite(numbers):
            return self.fail(f"the objective returned {numbers!r}", attrs=attrs)
        self._constraints.update({key: float(each) for key, each in (constraints or {}).items()})
        body = {"values": numbers, **present(constraints=self._constraints or None)}
        return self._finish("complete", {**body, **self._take_attrs(attrs)})

    def prune(
        self, reason: str | None = None, *, attrs: Mapping[str, Any] | None = None
    ) -> FrozenTrial:
        """End the trial as PRUNED; its value is the last reported one.

        Constraints are sent if all those of the study were set: a pruned trial may leave them out.
        """
        is_complete = sorted(self._constraints) == sorted(self.study.info.constraints or [])
        constraints = self._constraints if is_complete else None
        body = present(reason=reason, constraints=constraints or None)
        return self._finish("prune", {**body, **self._take_attrs(attrs)})

    def fail(
        self,
        reason: str | None = None,
        *,
        retry: bool = False,
        infeasible: bool = False,
        attrs: Mapping[str, Any] | None = None,
    ) -> FrozenTrial:
        """End the trial as FAIL.

        Args:
            reason: what went wrong.
            retry: queue its parameters again, as `max_retries` of the study allows.
            infeasible: the parameters cannot be evaluated, which samplers learn from.
            attrs: user attributes to add to the trial.
        """
        flags = present(retry=retry or None, infeasible=infeasible or None, reason=reason)
        return self._finish("fail", {**flags, **self._take_attrs(attrs)})

    def give_back(self, reason: str = "given back by its worker") -> None:
        """Give the trial back to the queue, if the service answers soon; else its lease expires."""
        try:
            body = {"retry": True, "reason": reason}
            self._finish("fail", body, deadline=GIVE_BACK_SECONDS)
        except TunerError as error:
            _log.warning("trial %s could not be given back: %s", self.trial_id, error)

    def __enter__(self) -> "Trial":
        self._signals.enter_context(sigterm_raises())
        if self._lease is not None and self.result is None:
            pause = self._lease / BEATS_PER_LEASE
            self._ticker = Ticker(self._beat, pause)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if self.result is None:
                self._tell_end(error)
        except LeaseLost as lost:
            _log.warning("trial %s: %s", self.trial_id, lost)
        finally:
            if self._ticker is not None:
                self._ticker.stop()
            self._signals.close()
        return error is None or ends_trial_only(error) or isinstance(error, self.catch)

    def _tell_end(self, error: BaseException | None) -> None:
        """Tell the end of an evaluation that has told none itself."""
        if error is None:
            _log.warning("trial %s was left without a result", self.trial_id)
            self.fail("the evaluation ended without a result")
        elif isinstance(error, LeaseLost):
            raise error
        elif ends_trial_only(error):
            self.prune(str(error) or None)
        elif isinstance(error, Exception) and not isinstance(error, TunerError):
            self.fail(describe_failure(error), retry=True)
        else:  # interrupted, or the service does not answer
            self.give_back(describe_failure(error))

    # Requests ---------------------------------------------------------------------------------

    def _beat(self) -> float | None:
        """Renew the lease and return the seconds until the next time; None once it is lost.

        Whatever the answer is, the evaluation goes on until its next report: a service that is
        away for a while costs no trial.
        """
        if self.result is not None or self._lease is None:
            return None
        pause = self._lease / BEATS_PER_LEASE
        try:
            answer = self._send("heartbeat", {}, deadline=pause)
        except LeaseLost as lost:
            self._lost = lost
            return None
        except TunerError as error:
            _log.warning("heartbeat of trial %s: %s", self.trial_id, error)
            return pause
        reply = HeartbeatReply.read(answer.json())
        if reply.should_stop:
            self._reply = reply
        return pause

    def _send(
        self, action: str, body: Mapping[str, Any], *, deadline: float | None = None
    ) -> httpx.Response:
        path = self.study.path("trials", str(self.trial_id), action)
        request = Request("POST", path, {**self._holder, **body})
        return self.study.transport.send(request, deadline=deadline)

    def _finish(
        self, action: str, body: Mapping[str, Any], *, deadline: float | None = None
    ) -> FrozenTrial:
        answer = self._send(action, body, deadline=deadline)
        return self.note_result(answer.json())

    def note_result(self, answer: Mapping[str, Any]) -> FrozenTrial:
        """Remember the finished trial of an answer."""
        is_first = self.result is None
        self.result = FrozenTrial.read(answer)
        if is_first and self.on_finish is not None:
            self.on_finish()
        return self.result

    def as_item(self, values: Any) -> dict[str, Any]:
        """Return the trial's result as an item of a batch."""
        numbers = as_values(values)
        outcome = (
            {"values": numbers, **present(constraints=self._constraints or None)}
            if are_finite(numbers)
            else {"state": "FAIL", "reason": f"the objective returned {numbers!r}"}
        )
        return {"trial_id": self.trial_id, **self._holder, **outcome, **self._take_attrs(None)}

    def _take_attrs(self, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the user attributes that the service does not know yet, as a key of a body."""
        for key, value in (attrs or {}).items():
            self.set_user_attr(key, value)
        new, self._new_attrs = self._new_attrs, {}
        return {"user_attrs": new} if new else {}

    def _raise_advice(self, reply: ReportReply) -> None:
        if reply.should_stop:
            raise StudyStopped(reply.reason or "the study was ended")
        if reply.should_prune:
            raise_pruned(reply.reason or "the pruner advises to stop")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process: a copy is not in a `with` block."""
        return {**self.__dict__, "_ticker": None, "_signals": None, "on_finish": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = {**state, "_signals": ExitStack()}


def _lease_of(offer: Mapping[str, Any], answer: httpx.Response) -> float | None:
    """Return the seconds of a trial's lease, by the clock of the service; None: it has none."""
    expiry = offer["lease_expires_at"]
    if expiry is None:
        return None
    return max(MIN_LEASE, seconds_until(datetime.fromisoformat(expiry), answer))
