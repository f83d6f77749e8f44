from pathlib import Path

import pytest
from rest_framework.test import APIClient

from tests.play import add, create_study, start, tell
from tests.trials.transfer.moving import N_TRIALS, delete, documents, export


@pytest.fixture
def file(api: APIClient) -> bytes:
    """A study with a trial in each state and a retry, which is not stored any more."""
    create_study(api, direction="minimize", constraints=["c"], max_retries=1, pruner="none")
    tell(api, start(api), "complete", values=1, constraints={"c": 0.5})
    tell(api, start(api, lease_seconds=60), "fail", retry=True, reason="why")
    tell(api, start(api), "prune")
    start(api, worker_id="w", lease_seconds=60)
    add(api, {"params": {"x": 0.25}})
    add(api, {"params": {"x": 0.5}, "state": "FAIL"})
    file = export(api)
    assert len(documents(file)) == N_TRIALS + 2
    delete(api)
    return file


@pytest.fixture(params=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no storage yet."""
    return (
        f"sqlite:///{tmp_path}/stock.db" if request.param == "sqlite" else f"{tmp_path}/stock.log"
    )
