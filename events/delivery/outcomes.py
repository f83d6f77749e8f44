"""What follows from an attempt: the delivery is done, is tried again, or the webhook is disabled.

A delivery is tried again for a day, after pauses that double up to an hour. While the last attempt
of a webhook has failed, its other deliveries wait with it: one at a time is tried. After a day in
which none succeeded, the webhook is disabled.
"""

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from access.actors import SERVICE
from events.delivery.sending import Outcome
from events.domain.webhooks import disable, record_disabled
from events.enums import DeliveryState
from events.models import Delivery, Webhook

RETRIED_FOR = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds
# Without an attempt for so long there was nothing to send, or no process that delivers: failures
# from before say nothing of the receiver now.
INTERRUPTED_AFTER = timedelta(seconds=4 * LONGEST_PAUSE)


def pause_after(n: int) -> timedelta:
    """Return the pause after n failures in a row: doubled each time, and up to a fifth longer."""
    seconds = min(FIRST_PAUSE * 2 ** min(n - 1, 20), LONGEST_PAUSE)
    return timedelta(seconds=seconds * random.uniform(1, 1.2))  # noqa: S311


@transaction.atomic
def store_outcome(delivery: Delivery, outcome: Outcome) -> None:
    """Store the outcome of an attempt; do nothing if the delivery was deleted or ended meanwhile.

    The webhook is locked before the delivery, as its deletion does.
    """
    locked = Webhook.objects.select_for_update(no_key=True)
    webhook = locked.filter(pk=delivery.webhook_id).first()
    pending = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING)
    if webhook is None or not pending.exists():
        return
    now = timezone.now()
    if outcome.is_success:
        webhook.n_failures, webhook.failing_since, webhook.retry_at = 0, None, None
        webhook.last_success_at = now
        pending.update(state=DeliveryState.DELIVERED, ended_at=Now(), error="")
    elif webhook.url == delivery.webhook.url:  # else it is tried at the new one
        _fail(webhook, delivery, outcome, now)
    webhook.save()


def _fail(webhook: Webhook, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    if webhook.last_failure_at is None or now - webhook.last_failure_at > INTERRUPTED_AFTER:
        webhook.n_failures, webhook.failing_since = 0, None
    webhook.n_failures += 1
    webhook.failing_since = webhook.failing_since or now
    webhook.retry_at = now + pause_after(webhook.n_failures)
    webhook.last_failure_at, webhook.last_failure = now, str(outcome)
    pending = Delivery.objects.filter(pk=delivery.pk)
    if now - (delivery.first_attempt_at or now) >= RETRIED_FOR or outcome.is_gone:
        pending.update(state=DeliveryState.FAILED, ended_at=Now(), error=str(outcome))
    else:
        retry_at = now + pause_after(delivery.attempts)
        pending.update(next_attempt_at=retry_at, error=str(outcome))
    if outcome.is_gone:
        disable(webhook, "disabled, since its receiver is gone: the answer was 410")
    elif now - webhook.failing_since >= RETRIED_FOR:
        disable(webhook, f"disabled, since all attempts of a day have failed: {outcome}")
    if not webhook.enabled:
        record_disabled(SERVICE, webhook)
