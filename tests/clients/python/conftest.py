"""Fixtures: clients of the service in this process, and of one over the network."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

import tuner
from tests.support.service import Service


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of the person who runs the tests out of them."""
    for name in ("TUNER_URL", "TUNER_TOKEN", "TUNER_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNER_CONFIG", str(tmp_path / "tuner.toml"))


@pytest.fixture
def _one_connection(db: None) -> Iterator[None]:
    """Let requests leave the test's connection open, as those of Django's test client do."""
    signals = [request_started, request_finished]
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def client(_one_connection: None) -> Iterator[tuner.Client]:
    """A client of the service in this process and this transaction."""
    transport = httpx2.WSGITransport(app=get_wsgi_application())
    worker = uuid.uuid4().hex  # its slots are those of no other test
    with tuner.Client(
        "http://testserver", worker_id=worker, deadline=5, transport=transport
    ) as client:
        yield client


@pytest.fixture
def study(client: tuner.Client) -> tuner.Study:
    """A study with one parameter, to be minimized."""
    space = {"x": tuner.Float(-1, 1)}
    return client.create_study("demo", direction="minimize", sampler="random", space=space)


@pytest.fixture
def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture
def remote(url: str, request: pytest.FixtureRequest) -> Iterator[tuner.Study]:
    """A study of the service over the network, with leases and retries."""
    with tuner.Client(url, deadline=30) as client:
        study = client.create_study(
            request.node.name, direction="minimize", sampler="random",
            space={"x": tuner.Float(-1, 1)}, lease_seconds=60, max_retries=2,
        )  # fmt: skip
        yield study
        study.delete()
