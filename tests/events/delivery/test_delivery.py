"""What is delivered when: retries, the end of a webhook, and receivers that hold others up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from events.delivery import claims
from events.delivery.claims import claim_due
from events.delivery.deliverer import Deliverer
from events.delivery.outcomes import LONGEST_PAUSE, pause_after, store_outcome
from events.delivery.sending import Outcome
from events.enums import DeliveryState
from events.models import Delivery, Webhook
from tests.support import ROOT
from tests.support.api_client import STUDY_URL, create_study, start_trial, trial_action
from tests.support.events import WEBHOOKS, create_webhook, let_pass
from tests.support.optuna_oracle import optuna_url
from tests.support.receivers import Receiver, running_receiver, unused_port

pytestmark = pytest.mark.usefixtures("allow_this_machine")


def deliver() -> str:
    """Deliver until nothing is due, and return what the command complains of."""
    complaints = StringIO()
    call_command("deliver_events", stderr=complaints)
    return complaints.getvalue()


def webhook() -> Webhook:
    return Webhook.objects.get()


def states() -> list[tuple[str, int]]:
    """The state of each delivery, and its attempts."""
    return list(Delivery.objects.order_by("id").values_list("state", "attempts"))


def fail_trial(api: APIClient, study: str = "search") -> None:
    trial_action(api, start_trial(api, study), "fail", study)


def test_events_are_delivered_once(api: APIClient, receiver: Receiver) -> None:
    create_webhook(api, receiver.url)
    create_study(api)
    fail_trial(api)
    assert (deliver(), deliver()) == ("", "")
    assert sorted(receiver.types) == ["study.created", "trial.failed"]
    assert states() == [("DELIVERED", 1)] * 2
    assert webhook().last_success_at is not None


def test_webhook_gets_the_events_and_studies_that_it_is_for(
    api: APIClient, receiver: Receiver
) -> None:
    create_webhook(api, receiver.url, studies="a*.b", events=["trial.failed"])
    for name in ("a.b", "a one.b", "ab", "xa.b", "a.bx", "A.b"):
        create_study(api, name=name)
        fail_trial(api, name)
    deliver()
    names = sorted(each.json["data"]["study_name"] for each in receiver.received)
    assert names == ["a one.b", "a.b"]
    assert set(receiver.types) == {"trial.failed"}


def test_events_from_before_a_webhook_are_not_sent(api: APIClient, receiver: Receiver) -> None:
    create_study(api)
    create_webhook(api, receiver.url)
    deliver()
    assert receiver.received == []


def test_deleted_study_sends_nothing_more(api: APIClient, receiver: Receiver) -> None:
    create_webhook(api, receiver.url)
    create_study(api)
    assert api.delete(STUDY_URL).status_code == 204
    deliver()
    assert (receiver.received, states()) == ([], [])


def test_ping_is_delivered(api: APIClient, receiver: Receiver) -> None:
    created = create_webhook(api, receiver.url)
    for _ in range(3):  # one at a time
        assert api.post(f"{WEBHOOKS}/{created['id']}/ping").status_code == 202
    deliver()
    [received] = receiver.received
    assert received.json["type"] == "webhook.ping"
    assert received.json["data"] == {"webhook_id": created["id"], "name": "alerts"}
    assert received.headers["webhook-signature"].startswith("v1,")


# Failures ---------------------------------------------------------------------------------


def test_failed_message_is_sent_again_with_its_id(api: APIClient, receiver: Receiver) -> None:
    receiver.status = 500
    create_webhook(api, receiver.url, events=["study.created"])
    create_study(api)
    complaint = 'webhook "alerts": study.created was not delivered, attempt 1: the answer was 500\n'
    assert deliver() == complaint
    assert (deliver(), len(receiver.received)) == ("", 1)  # not at once
    assert (webhook().n_failures, webhook().last_failure) == (1, "the answer was 500")
    receiver.status = 200
    let_pass(7)
    assert deliver() == ""
    first, second = receiver.received
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert states() == [("DELIVERED", 2)]
    assert (webhook().n_failures, webhook().failing_since, webhook().retry_at) == (0, None, None)
    assert webhook().last_failure == "the answer was 500"  # with its time, for people


def test_pauses_double_up_to_an_hour() -> None:
    for n, seconds in ((1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (1000, 3600)):
        for _ in range(20):
            assert seconds <= pause_after(n).total_seconds() <= 1.2 * seconds
    assert LONGEST_PAUSE == 3600


def test_other_messages_wait_while_a_webhook_fails(api: APIClient, receiver: Receiver) -> None:
    receiver.status = 503
    create_webhook(api, receiver.url, events=["trial.failed"])
    create_study(api)
    for _ in range(9):
        fail_trial(api)
    deliver()
    assert len(receiver.received) == claims.OF_WEBHOOK  # as many as were under way
    let_pass(4000)
    deliver()
    assert len(receiver.received) == claims.OF_WEBHOOK + 1
    receiver.status = 200
    let_pass(4000)
    deliver()
    assert {each["state"] for each in Delivery.objects.values("state")} == {"DELIVERED"}
    assert len({each.message_id for each in receiver.received}) == 9


def test_webhook_that_fails_for_a_day_is_disabled(api: APIClient, receiver: Receiver) -> None:
    receiver.status = 500
    create_webhook(api, receiver.url, events=["trial.failed"])
    create_study(api)
    fail_trial(api)
    for _ in range(23):
        deliver()
        let_pass(3600)
    deliver()
    assert webhook().enabled
    fail_trial(api)
    let_pass(3601)
    deliver()
    stored = webhook()
    assert not stored.enabled
    reason = "disabled, since all attempts of a day have failed: the answer was 500"
    assert (stored.disabled_reason, stored.retry_at) == (reason, None)
    assert {state for state, _ in states()} == {"FAILED"}
    entry = AuditEntry.objects.filter(kind="webhook").latest("id")
    assert (entry.actor_kind, entry.action, entry.subject) == ("service", "changed", "alerts")
    assert entry.details == {"enabled": False, "reason": reason}
    n = len(receiver.received)
    fail_trial(api)
    let_pass(10**6)
    deliver()
    assert len(receiver.received) == n
    # Enabled again, it gets what happens from then on.
    receiver.status = 200
    changed = api.patch(f"{WEBHOOKS}/{stored.pk}", {"enabled": True}).json()
    assert (changed["enabled"], changed["disabled_reason"], changed["n_failures"]) == (
        True,
        None,
        0,
    )
    fail_trial(api)
    deliver()
    assert len(receiver.received) == n + 1


def test_failure_long_after_another_one_does_not_disable(
    api: APIClient, receiver: Receiver
) -> None:
    """Between them there was no attempt: the study was deleted, or nothing delivered."""
    receiver.status = 500
    create_webhook(api, receiver.url)
    create_study(api)
    deliver()
    assert api.delete(STUDY_URL).status_code == 204
    let_pass(10**6)
    create_study(api)
    deliver()
    assert (webhook().enabled, webhook().n_failures) == (True, 1)
    receiver.status = 200
    let_pass(7)
    assert (deliver(), states()) == ("", [("DELIVERED", 2)])


def test_test_message_is_sent_at_once_to_a_receiver_that_has_failed(
    api: APIClient, receiver: Receiver
) -> None:
    receiver.status = 500
    created = create_webhook(api, receiver.url)
    create_study(api)
    deliver()
    receiver.status = 200
    assert api.post(f"{WEBHOOKS}/{created['id']}/ping").status_code == 202
    assert (deliver(), receiver.types) == ("", ["study.created", "webhook.ping"])
    assert (webhook().n_failures, webhook().retry_at) == (0, None)


def test_message_that_is_never_taken_ends_alone(api: APIClient, receiver: Receiver) -> None:
    """Others of the webhook are delivered, so it is not disabled."""
    create_webhook(api, receiver.url)
    create_study(api)
    fail_trial(api)
    [poison, other] = claim_due(2, busy=[])
    store_outcome(poison, Outcome(500))
    let_pass(86_400)
    store_outcome(other, Outcome(200))
    [again] = claim_due(2, busy=[])
    assert again.pk == poison.pk
    store_outcome(again, Outcome(500))
    assert webhook().enabled
    assert states() == [("FAILED", 2), ("DELIVERED", 1)]


def test_receiver_that_is_gone_is_disabled_at_once(api: APIClient, receiver: Receiver) -> None:
    receiver.status = 410
    create_webhook(api, receiver.url)
    create_study(api)
    deliver()
    assert not webhook().enabled
    assert "the answer was 410" in webhook().disabled_reason


def test_receiver_that_cannot_be_reached_is_a_failure(api: APIClient) -> None:
    create_webhook(api, f"http://127.0.0.1:{unused_port()}/")
    create_study(api)
    assert "attempt 1: ConnectionRefusedError" in deliver()


def test_receiver_that_has_become_private_is_not_called(
    api: APIClient, receiver: Receiver, settings: Any
) -> None:
    create_webhook(api, receiver.url)
    create_study(api)
    settings.WEBHOOK_ALLOWED_HOSTS = []
    assert "127.0.0.1 is at an address that is not public" in deliver()
    assert receiver.received == []


def test_messages_are_sent_to_a_corrected_url_at_once(api: APIClient, receiver: Receiver) -> None:
    created = create_webhook(api, f"http://127.0.0.1:{unused_port()}/")
    create_study(api)
    assert "ConnectionRefusedError" in deliver()
    changed = api.patch(f"{WEBHOOKS}/{created['id']}", {"url": receiver.url})
    assert changed.status_code == 200
    assert (deliver(), receiver.types) == ("", ["study.created"])


def test_corrected_url_has_a_day_of_its_own(api: APIClient, receiver: Receiver) -> None:
    receiver.status = 500
    created = create_webhook(api, f"http://127.0.0.1:{unused_port()}/")
    create_study(api)
    deliver()
    let_pass(90_000)
    assert api.patch(f"{WEBHOOKS}/{created['id']}", {"url": receiver.url}).status_code == 200
    assert "attempt 2: the answer was 500" in deliver()
    assert (webhook().enabled, webhook().n_failures, states()) == (True, 1, [("PENDING", 2)])
    receiver.status = 200
    let_pass(15)
    assert (deliver(), states()) == ("", [("DELIVERED", 3)])


@pytest.mark.parametrize("status", [410, 500])
def test_failure_at_the_url_before_does_not_count(
    api: APIClient, receiver: Receiver, status: int
) -> None:
    created = create_webhook(api)
    create_study(api)
    [delivery] = claim_due(1, busy=[])
    assert api.patch(f"{WEBHOOKS}/{created['id']}", {"url": receiver.url}).status_code == 200
    store_outcome(delivery, Outcome(status))
    assert (webhook().enabled, webhook().n_failures) == (True, 0)
    assert (deliver(), receiver.types) == ("", ["study.created"])


@pytest.mark.parametrize("end", ["delete", "disable"])
def test_outcome_of_a_webhook_that_is_no_more_is_dropped(api: APIClient, end: str) -> None:
    created = create_webhook(api)
    create_study(api)
    [delivery] = claim_due(1, busy=[])
    url = f"{WEBHOOKS}/{created['id']}"
    if end == "delete":
        assert api.delete(url).status_code == 204
    else:
        assert api.patch(url, {"enabled": False}).status_code == 200
    store_outcome(delivery, Outcome(200))
    assert not Delivery.objects.filter(state=DeliveryState.DELIVERED).exists()


# Several at a time ------------------------------------------------------------------------


def test_slow_receiver_does_not_delay_others(api: APIClient, receiver: Receiver) -> None:
    with running_receiver(seconds=2) as slow:
        create_webhook(api, slow.url, name="slow")
        create_webhook(api, receiver.url)
        create_study(api)
        for _ in range(11):
            fail_trial(api)
        with Deliverer(threads=8) as deliverer:
            began = time.monotonic()
            while len(receiver.received) < 13:  # with study.failing
                deliverer.start()
                deliverer.collect(0.05)
            assert time.monotonic() - began < 1.9
            assert len(slow.received) <= claims.OF_WEBHOOK


def test_failing_receivers_come_after_others_for_a_minute(api: APIClient) -> None:
    """Those that do not answer take a thread for ten seconds each."""
    for name in ("dead", "also dead"):
        create_webhook(api, name=name)
    create_study(api)
    for delivery in claim_due(9, busy=[]):
        store_outcome(delivery, Outcome(error="no answer within 10 s"))
    let_pass(30)
    create_webhook(api, name="healthy")
    create_study(api, name="other")
    assert [each.webhook.name for each in claim_due(1, busy=[])] == ["healthy"]
    let_pass(60)
    create_study(api, name="a third one")
    assert "dead" in claim_due(1, busy=[])[0].webhook.name


def test_delivery_that_was_claimed_is_not_claimed_again(api: APIClient) -> None:
    create_webhook(api)
    create_study(api)
    assert len(claim_due(9, busy=[])) == 1
    assert claim_due(9, busy=[]) == []
    let_pass(claims.CLAIM + 1)  # the process that claimed it was killed
    assert [each.attempts for each in claim_due(9, busy=[])] == [2]


def test_busy_webhooks_are_left_out(api: APIClient) -> None:
    created = create_webhook(api)
    create_study(api)
    assert claim_due(9, busy=[created["id"]]) == []


@contextmanager
def deliverers(n: int) -> Iterator[list["subprocess.Popen[str]"]]:
    url = optuna_url("public").replace("postgresql+psycopg:", "postgresql:")
    environment = os.environ | {"DATABASE_URL": url, "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}
    command = [sys.executable, "manage.py", "deliver_events", "--every", "0.1"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.mark.django_db(transaction=True)
def test_two_processes_send_each_message_once_and_end_when_told(
    api: APIClient, receiver: Receiver
) -> None:
    create_webhook(api, receiver.url, events=["trial.failed"])
    create_study(api, sampler="random")
    with deliverers(2) as processes:
        for _ in range(40):
            fail_trial(api)
        end = time.monotonic() + 60
        while Delivery.objects.exclude(state="DELIVERED").exists() and time.monotonic() < end:
            time.sleep(0.1)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in processes] == [0, 0]
    assert len({each.message_id for each in receiver.received}) == len(receiver.received) == 40


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "3601", "x"])
def test_invalid_pauses_are_refused(db: None, seconds: str) -> None:
    with pytest.raises(CommandError, match="--every"):
        call_command("deliver_events", f"--every={seconds}")
