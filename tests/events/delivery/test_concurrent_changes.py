"""What is delivered, and what is not lost, while rows are deleted or locked by others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from rest_framework.test import APIClient

from events.delivery.deliverer import Deliverer
from events.domain.webhooks import change_webhook, delete_webhook
from events.models import Delivery, Webhook
from studies.models import NamedStudy
from tests.support.api_client import complete, create_study, start_trial, trial_action
from tests.support.database import call_and_close_connection, wait_for_lock_waiters
from tests.support.events import create_webhook, event_types, let_pass
from tests.support.receivers import Receiver
from tests.support.study_builders import COMMAND

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("allow_this_machine"),
]

SECONDS = 10  # until something that waits is given up


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def test_failure_is_stored_while_a_webhook_is_being_deleted(
    api: APIClient, pool: ThreadPoolExecutor
) -> None:
    created = create_webhook(api, events=["trial.failed"])
    create_webhook(api, events=["trial.failed"], name="kept")
    create_study(api, sampler="random")
    trial = start_trial(api)
    with transaction.atomic():
        delete_webhook(actor=COMMAND, webhook_id=created["id"])
        telling = pool.submit(call_and_close_connection, trial_action, api, trial, "fail")
        wait_for_lock_waiters(1)
    telling.result(SECONDS)
    assert event_types(api) == ["study.created", "trial.failed"]
    assert list(Delivery.objects.values_list("webhook__name", flat=True)) == ["kept"]


def test_event_of_the_moment_of_disabling_is_not_sent_later(
    api: APIClient, receiver: Receiver, pool: ThreadPoolExecutor
) -> None:
    created = create_webhook(api, receiver.url, events=["trial.failed"])
    create_study(api, sampler="random")
    trial = start_trial(api)

    def switch(is_enabled: bool) -> None:
        changes = {"enabled": is_enabled}
        change_webhook(actor=COMMAND, webhook_id=created["id"], changes=changes)

    with transaction.atomic():
        trial_action(api, trial, "fail")
        pool.submit(call_and_close_connection, switch, False).result(SECONDS)
    switch(True)
    call_command("deliver_events")
    assert receiver.received == []


def test_locked_study_does_not_hold_up_deliveries(
    api: APIClient, receiver: Receiver, pool: ThreadPoolExecutor
) -> None:
    """Its own postponed event comes once it can be written."""
    create_webhook(api, receiver.url, events=["study.new_best"])
    create_study(api, sampler="random", direction="minimize")
    for value in (2, 1):
        complete(api, "search", start_trial(api), value)
    let_pass(61)
    with transaction.atomic():
        NamedStudy("search").locked()
        delivering = pool.submit(call_and_close_connection, call_command, "deliver_events")
        delivering.result(SECONDS)
        assert len(receiver.received) == 1
    call_command("deliver_events")
    assert [each.json["data"]["trial_id"] for each in receiver.received] == [0, 1]


def test_outcome_that_could_not_be_stored_is_stored_later(
    api: APIClient, receiver: Receiver, pool: ThreadPoolExecutor
) -> None:
    """So the message is not sent again once the database answers."""
    for name in ("one", "two"):
        create_webhook(api, receiver.url, name=name)
    create_study(api)
    with Deliverer() as deliverer:
        assert deliverer.start() == 2
        with transaction.atomic():
            list(Webhook.objects.select_for_update())
            refused = pool.submit(call_and_close_connection, collect_impatiently, deliverer)
            with pytest.raises(OperationalError):
                refused.result(SECONDS)
        stored = [attempt for _ in range(2) for attempt in deliverer.collect(SECONDS)]
        assert (len(stored), deliverer.is_idle) == (2, True)
    assert {each.state for each in Delivery.objects.all()} == {"DELIVERED"}
    assert len(receiver.received) == 2


def collect_impatiently(deliverer: Deliverer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        while not deliverer.is_idle:
            deliverer.collect(SECONDS)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
