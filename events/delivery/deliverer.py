"""The loop that delivers: it claims what is due, sends it by threads, and stores what came of it.

Only the threads wait for receivers, and only this one uses the database.
"""

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from django.utils import timezone

from events.delivery.claims import claim_due
from events.delivery.messages import Message, headers_of
from events.delivery.outcomes import store_outcome
from events.delivery.sending import Outcome, send
from events.models import Delivery

THREADS = 32


@dataclass(frozen=True)
class Attempt:
    """A delivery that was tried, and the outcome."""

    delivery: Delivery
    outcome: Outcome


class Deliverer:
    """Sends due deliveries, at most THREADS at a time and few of them to one webhook.

    A context manager, whose end waits for the attempts under way and stores their outcomes.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="deliver")
        self._sending: dict[Future[Outcome], Delivery] = {}

    def __enter__(self) -> "Deliverer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown()
        self.collect(0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent."""
        return not self._sending

    def start(self) -> int:
        """Start to send what is due, as far as there are threads, and return how many."""
        busy = Counter(delivery.webhook_id for delivery in self._sending.values())
        free = self._threads - len(self._sending)
        claimed = claim_due(free, busy=busy.keys()) if free else []
        for delivery in claimed:
            self._sending[self._executor.submit(_request(delivery))] = delivery
        return len(claimed)

    def collect(self, seconds: float) -> list[Attempt]:
        """Wait for at most so many seconds until an attempt has ended; store those that have.

        An outcome that the database does not take is kept, and stored by the next call.
        """
        done, _ = wait(self._sending, timeout=seconds, return_when=FIRST_COMPLETED)
        attempts = []
        for future in done:
            attempt = Attempt(self._sending[future], future.result())
            store_outcome(attempt.delivery, attempt.outcome)
            del self._sending[future]
            attempts.append(attempt)
        return attempts


def _request(delivery: Delivery) -> "partial[Outcome]":
    """Return the request of a delivery, which needs no database."""
    webhook, message = delivery.webhook, Message.of(delivery)
    body = message.body(webhook.format)
    return partial(send, webhook.url, headers_of(webhook, message.id, body, timezone.now()), body)
