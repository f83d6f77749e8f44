"""A trial that this worker holds: what it was given, its lease, its requests."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tuner._async.tasks import AsyncTicker
from tuner._wire.library import httpx, seconds_until
from tuner._wire.requests import Request, encode
from tuner._worker.suggestions import Suggestions, value_of
from tuner.answers import FrozenTrial, HeartbeatReply
from tuner.errors import Invalid, LeaseLost
from tuner.space import Distribution, SearchSpace

if TYPE_CHECKING:
    from tuner._async.study import AsyncStudy

_log = logging.getLogger("tuner")

BEATS_PER_LEASE = 3
MIN_LEASE = 0.3


class AsyncHeldTrial(Suggestions):
    """What `AsyncTrial` builds on.

    Attributes:
        study: the study that it belongs to.
        trial_id: its number within the study.
        params: the parameters to evaluate.
        repeat: of a study with repeats, which one of its point it is: `group`, `index`, and the
            `seed` for the evaluation's random numbers; otherwise None.
        result: the finished trial, once the service has its result.
    """

    def __init__(
        self, study: "AsyncStudy", offer: Mapping[str, Any], worker_id: str, answer: httpx.Response
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
        self.repeat: dict[str, int] | None = offer.get("repeat")
        self.reoffers: int = offer["reoffers"]
        self.is_reoffered: bool = offer["reoffered"]
        self.result: FrozenTrial | None = None
        self._holder = {"study_id": offer["study_id"], "worker_id": worker_id}
        self._lease = _lease_of(offer, answer)
        self._lost: LeaseLost | None = None
        self._reply = HeartbeatReply(None, should_stop=False)
        self._new_attrs: dict[str, Any] = {}
        self._constraints: dict[str, float] = {}
        self._asked_at = time.monotonic()
        self._ticker: AsyncTicker | None = None
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

    # Its lease --------------------------------------------------------------------------------

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

    async def heartbeat(self, *, attrs: Mapping[str, Any] | None = None) -> HeartbeatReply:
        """Renew the lease; in a `with` block it happens in the background.

        Raises:
            LeaseLost: the trial was ended without this worker.
        """
        reply = HeartbeatReply.read(await self._send("heartbeat", {}, attrs=attrs or {}))
        if reply.should_stop:
            self._reply = reply
        return reply

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute; it is sent with the next report, heartbeat or result.

        Raises:
            TypeError, ValueError: it has no form in JSON.
        """
        encode({key: value})  # refused here, where it is set, and not with the result
        self.user_attrs[key] = value
        self._new_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Set the value of a constraint, satisfied up to 0; it is sent with the result.

        One that the study does not declare is kept as a user attribute, so that it is not lost.
        """
        if key in (self.study.info.constraints or ()):
            self._constraints[key] = float(value)
            return
        self.study.warn_once(
            f'study "{self.study.name}" has no constraint "{key}": it is kept as the user '
            f'attribute "constraint.{key}"; declare it by `constraints=["{key}"]` of `create_study`'
        )
        self.set_user_attr(f"constraint.{key}", float(value))

    async def beat(self) -> float | None:
        """Renew the lease and return the seconds until the next time; None if there is none.

        Whatever the answer is, the evaluation goes on until its next report: a service that is
        away for a while costs no trial.
        """
        if self.result is not None or self._lease is None:
            return None
        pause = self._lease / BEATS_PER_LEASE
        try:
            reply = HeartbeatReply.read(await self._send("heartbeat", {}, seconds=pause))
        except LeaseLost as lost:
            self._lost = lost
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease must be renewed
            _log.warning("heartbeat of trial %s: %r", self.trial_id, error)
            return pause / BEATS_PER_LEASE
        if reply.should_stop:
            self._reply = reply
        return pause

    def seconds_to_beat(self) -> float | None:
        """Return the seconds until the lease is to be renewed for the first time; None: never."""
        if self._lease is None or self.result is not None:
            return None
        return max(0.0, self._asked_at + self._lease / BEATS_PER_LEASE - time.monotonic())

    # Requests ---------------------------------------------------------------------------------

    async def _send(
        self,
        action: str,
        body: Mapping[str, Any],
        *,
        attrs: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> Any:
        """Send a request about the trial and return the JSON of its answer.

        Args:
            action: the last part of its path.
            body: beside who holds the trial.
            attrs: user attributes to set; with them those are sent that were set before. None
                sends none, as a background request should.
            seconds: in which it must be answered; by default those of the transport.
        """
        for key, value in (attrs or {}).items():
            self.set_user_attr(key, value)
        new = {} if attrs is None else dict(self._new_attrs)
        request = Request(
            "POST",
            self.study.path("trials", str(self.trial_id), action),
            {**self._holder, **body, **({"user_attrs": new} if new else {})},
            is_patient=seconds is None,
        )
        transport = self.study.transport
        try:
            answer = await transport.json(request, deadline=seconds, timeout=seconds)
        except (Invalid, TypeError, ValueError) as error:
            if not isinstance(error, Invalid) or error.is_about("user_attrs"):
                self._forget(new)  # else no later request could tell the trial's end
            raise
        self._forget(new)
        return answer

    def _forget(self, attrs: Mapping[str, Any]) -> None:
        """Send these user attributes no more: the service knows them, or refuses them."""
        for key, value in attrs.items():
            if self._new_attrs.get(key) is value:
                del self._new_attrs[key]

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
