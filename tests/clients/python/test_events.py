"""Events and webhooks by the Python client."""

import pytest

import tuner


def test_events_are_read_and_followed(study: tuner.Study) -> None:
    study.ask().fail("out of memory")
    first, second = study.events()
    assert (first.number, first.type, second.type) == (1, "study.created", "trial.failed")
    assert second.timestamp.tzinfo is not None
    assert second.data["reason"] == "out of memory"
    assert [event.number for event in study.events(1)] == [2]
    assert list(study.events(2)) == []
    with pytest.raises(tuner.ApiError, match="cursor_ahead"):
        list(study.events(3))


def test_followed_events_end_with_the_study(study: tuner.Study) -> None:
    followed = iter(study.events(follow=True, every=0.01))
    assert next(followed).type == "study.created"
    study.ask().fail()
    assert next(followed).type == "trial.failed"
    study.complete()
    assert [event.type for event in followed] == ["study.completed"]


def test_webhooks_are_managed(study: tuner.Study) -> None:
    client = study.client
    created = client.create_webhook("alerts", "https://example.org/x", events=["trial.failed"])
    assert created.secret is not None
    (listed,) = client.webhooks()
    assert (listed.secret, listed.events) == (None, ["trial.failed"])
    assert listed == client.get_webhook(created.id)
    assert client.rotate_webhook_secret(created.id).secret != created.secret
    assert client.ping_webhook(created.id).name == "alerts"
    assert client.update_webhook(created.id, enabled=False).enabled is False
    client.delete_webhook(created.id)
    with pytest.raises(tuner.NotFound):
        client.get_webhook(created.id)
    with pytest.raises(tuner.Invalid, match="not public"):
        client.create_webhook("alerts", "http://127.0.0.1/")
