"""A trial that this worker evaluates."""

import logging
import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from tuner._sync.annotated_trial import AnnotatedTrial
from tuner._sync.tasks import Ticker, sigterm_raises
from tuner._wire.outages import is_outage
from tuner._wire.requests import are_finite, as_step, as_values, finite_or_none, present
from tuner._worker.outcomes import as_reason, describe_failure, ends_trial_only, raise_pruned
from tuner._worker.termination import SECONDS_TO_END
from tuner.answers import FrozenTrial, ReportReply
from tuner.errors import LeaseLost, SpaceMismatch, StudyStopped, TunerError

_log = logging.getLogger("tuner")


class Trial(AnnotatedTrial):
    """A running trial, and what can be said of it.

    In a `with` block its lease is renewed in the background. The block ends the trial: as PRUNED
    after `Pruned` or `StudyStopped`, as FAIL after another exception, which is retried as
    `max_retries` of the study allows; SIGTERM and Ctrl-C give it back to the queue.

    Attributes:
        raises: whether `report` raises the advice to stop; `optimize` sets it to False.
        catch: exceptions that do not leave the `with` block.
        is_left: whether a `with` block of it has ended.
        is_kept_alive: whether its lease is renewed outside a `with` block, too.
        on_finish: called once, when the worker holds the trial no more.
    """

    raises = True
    catch: tuple[type[Exception], ...] = ()
    is_left = False
    is_kept_alive = False
    on_finish: Callable[[], None] | None = None
    _telling: tuple[str, Mapping[str, Any]] | None = None  # the result that is being sent
    _process = 0  # that has entered the `with` block

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
            reply = self._report(body, attrs or {})
        except LeaseLost as lost:
            if raises is not False:
                raise
            reply = ReportReply(None, should_stop=True, reason=lost.detail)
        self.intermediate_values.update(numbers)
        self._reply = reply
        if self.raises if raises is None else raises:
            self._raise_advice(reply)
        return reply

    def _report(self, body: Mapping[str, Any], attrs: Mapping[str, Any]) -> ReportReply:
        if self._lost is not None:  # as a heartbeat has found
            raise self._lost
        return ReportReply.read(self._send("report", body, attrs=attrs))

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
        for key, value in (constraints or {}).items():
            self.set_constraint(key, value)
        body = {"values": numbers, **present(constraints=self._constraints or None)}
        return self._finish("complete", body, attrs)

    def prune(
        self, reason: str | None = None, *, attrs: Mapping[str, Any] | None = None
    ) -> FrozenTrial:
        """End the trial as PRUNED; its value is the last reported one.

        Constraints are sent if all those of the study were set: a pruned trial may leave them out.
        """
        is_complete = sorted(self._constraints) == sorted(self.study.info.constraints or [])
        constraints = self._constraints if is_complete else None
        body = present(reason=as_reason(reason), constraints=constraints or None)
        return self._finish("prune", body, attrs)

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
        body = present(retry=retry or None, infeasible=infeasible or None, reason=as_reason(reason))
        return self._finish("fail", body, attrs)

    def give_back(
        self, reason: str = "given back by its worker", *, seconds: float = SECONDS_TO_END
    ) -> None:
        """Give the trial back to the queue, if the service answers soon; else its lease expires.

        If its result was being sent, and has not been refused, that is sent instead.
        """
        action, body = self._telling or ("fail", {"retry": True, "reason": as_reason(reason)})
        try:
            self._finish(action, body, seconds=seconds)
        except TunerError as error:
            _log.warning("trial %s could not be given back: %s", self.trial_id, error)

    def __enter__(self) -> "Trial":
        self._process = os.getpid()
        self._signals.enter_context(sigterm_raises())
        first = self.seconds_to_beat()
        if first is not None and not self.is_kept_alive:
            self._ticker = Ticker(self.beat, first)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._process != os.getpid():  # a forked child ends: the trial is its parent's
            return False
        try:
            if self.result is None:
                self._tell_end(error)
        except LeaseLost as lost:
            _log.warning("trial %s: %s", self.trial_id, lost)
        finally:
            self.is_left = True
            if self._ticker is not None:
                self._ticker.stop()
            self._signals.close()
        return error is None or ends_trial_only(error) or self._is_caught(error)

    def _is_caught(self, error: BaseException) -> bool:
        """Tell whether an exception is in `catch`: it is logged, since nothing else shows it."""
        if not isinstance(error, self.catch) or isinstance(error, SpaceMismatch):
            return False
        _log.warning("trial %s failed: %r", self.trial_id, error)
        return True

    def _tell_end(self, error: BaseException | None) -> None:
        """Report the end of an evaluation that has reported none itself."""
        if error is None:
            _log.warning("trial %s was left without a result", self.trial_id)
            self.fail("the evaluation ended without a result")
        elif isinstance(error, LeaseLost):
            raise error
        elif ends_trial_only(error):
            self.prune(str(error) or None)
        elif isinstance(error, Exception) and not (
            isinstance(error, TunerError) and is_outage(error)
        ):
            self.fail(describe_failure(error), retry=True)
        else:  # interrupted, or the service does not answer
            self.give_back(describe_failure(error))

    def _finish(
        self,
        action: str,
        body: Mapping[str, Any],
        attrs: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> FrozenTrial:
        self._telling = action, body
        try:
            answer = self._send(action, body, attrs=attrs or {}, seconds=seconds)
        except TunerError as error:
            if not is_outage(error):
                self._telling = None
            if isinstance(error, LeaseLost):
                self.leave()
            raise
        except (TypeError, ValueError):
            self._telling = None
            raise
        return self.note_result(answer)

    def note_result(self, answer: Mapping[str, Any]) -> FrozenTrial:
        """Remember the finished trial of an answer."""
        self.result = FrozenTrial.read(answer)
        self._new_attrs = {}
        self.leave()
        return self.result

    def leave(self) -> None:
        """Free the slot of the trial, which this worker holds no more."""
        on_finish, self.on_finish = self.on_finish, None
        if on_finish is not None:
            on_finish()

    def as_item(self, values: Any) -> dict[str, Any]:
        """Return the trial's result as an item of a batch."""
        numbers = as_values(values)
        outcome = (
            {"values": numbers, **present(constraints=self._constraints or None)}
            if are_finite(numbers)
            else {"state": "FAIL", "reason": f"the objective returned {numbers!r}"}
        )
        attrs = {"user_attrs": self._new_attrs} if self._new_attrs else {}
        return {"trial_id": self.trial_id, **self._holder, **outcome, **attrs}

    def _raise_advice(self, reply: ReportReply) -> None:
        if reply.should_stop:
            raise StudyStopped(reply.reason or "the study was ended")
        if reply.should_prune:
            raise_pruned(reply.reason or "the pruner advises to stop")
