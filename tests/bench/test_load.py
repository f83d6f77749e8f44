"""The load generator plays each trial once, in processes and in threads."""

import json

import psutil
import pytest
from django.db import connection

from bench import load
from bench.floor import sample
from bench.peers import Peer
from studies.models import Study
from tests.support.database import database_url
from tests.support.study_builders import ask_trial, build_study, tell_trial

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study() -> Study:
    return build_study("load", sampler="random")


@pytest.fixture
def peer(study: Study) -> Peer:
    """A worker that writes to the database without a service."""
    url = database_url(connection.settings_dict["NAME"])
    sampled = sample(
        url,
        lambda: (study.id, ask_trial(study).number),
        lambda number: tell_trial(study, number, 1.0),
    )
    return Peer("floor", json.dumps([url, *sampled]), study.name, "random")


@pytest.mark.parametrize("n_processes", [1, 2])
def test_workers_share_trials(study: Study, peer: Peer, n_processes: int) -> None:
    servers = {"this": psutil.Process()}
    played = load.run([peer] * 3, 20, servers, n_processes=n_processes)
    study.refresh_from_db()
    assert study.n_complete == 21  # with the sampled one
    assert len(played.asks) == len(played.tells) == 20
    assert played.trials_per_second > 0
    assert played.workers_cpu > 0
    assert set(played.servers_cpu) == {"this"}


def test_error_of_worker_is_raised(peer: Peer) -> None:
    with pytest.raises(RuntimeError, match="a worker failed:\nTraceback"):
        load.run([peer._replace(address="nonsense")] * 2, 20, n_processes=2)
