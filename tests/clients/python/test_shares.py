"""Links to a study, made and revoked by the client."""

from datetime import UTC, datetime, timedelta

import pytest

import tuner


def test_study_is_shared_and_the_link_revoked(remote: tuner.Study) -> None:
    link = remote.share(days=2)
    left = link.expires_at - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left < timedelta(days=2, minutes=1)
    assert link.url is not None
    key = link.url.partition("#")[2]
    service = remote.client.transport.settings.url
    with tuner.Client(service, token=key) as reader, pytest.raises(tuner.Forbidden):
        reader.get_study(remote.name)  # of which the page shows a part only

    [listed] = remote.shares()
    assert (listed.id, listed.expires_at, listed.url) == (link.id, link.expires_at, None)
    assert listed.last_used_at is not None
    remote.revoke_share(link.id)
    assert remote.shares() == []
    with pytest.raises(tuner.NotFound):
        remote.revoke_share(10**6)
