"""Ask and tell through the service, and through each of Optuna's storages."""

import json
import time
import warnings
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from bench.floor import Floor, Sample
from bench.service import trials_path
from bench.space import DISTRIBUTIONS, TPE_OPTIONS, objectives

Tell = Callable[[], object]
Ask = Callable[[], Tell]  # an ask returns the tell of its trial


class Peer(NamedTuple):
    """The address that a worker uses, in a form that can be sent to another process."""

    way: str  # ours, raw, proxy, memory or floor
    address: str  # a port, a storage URL, or what the floor needs as JSON
    study: str
    sampler: str

    def connect(self) -> Ask:
        return _WAYS[self.way](self)


def stock_sampler(name: str, **options: Any) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler()
    if name == "gp":
        return optuna.samplers.GPSampler(**options)
    return optuna.samplers.TPESampler(**TPE_OPTIONS | options)


def _through_the_service(peer: Peer) -> Ask:
    """By the standard library's client, which takes little of the time that is measured."""
    connection = HTTPConnection("127.0.0.1", int(peer.address))
    connection.connect()

    def post(path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body)
        url = f"/api/v1{trials_path(peer.study)}/{path}"
        connection.request("POST", url, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 503 and answer["code"] == "study_busy":
            time.sleep(float(response.headers["Retry-After"]))
            return post(path, body)
        if response.status != 200:
            raise RuntimeError(f"{url}: {answer}")
        return answer

    def ask() -> Tell:
        trial = post("suggest")
        values = objectives(trial["params"])
        return lambda: post(f"{trial['trial_id']}/complete", {"values": values})

    return ask


def _through(storage: optuna.storages.BaseStorage, peer: Peer) -> Ask:
    study = optuna.load_study(
        study_name=peer.study,
        storage=storage,
        sampler=stock_sampler(peer.sampler),
        pruner=optuna.pruners.NopPruner(),
    )

    def ask() -> Tell:
        trial = study.ask(DISTRIBUTIONS)
        values = objectives(trial.params)
        return lambda: study.tell(trial, values)

    return ask


def _through_the_database(peer: Peer) -> Ask:
    return _through(optuna.storages.RDBStorage(peer.address), peer)


def _through_the_proxy(peer: Peer) -> Ask:
    warnings.simplefilter("ignore", ExperimentalWarning)  # that the proxy may change
    storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(peer.address))
    return _through(storage, peer)


def _through_memory(peer: Peer) -> Ask:
    """The stored study's finished trials, copied into this process's memory."""
    stored = optuna.load_study(study_name=peer.study, storage=peer.address)
    storage = optuna.storages.InMemoryStorage()
    copy = optuna.create_study(study_name=peer.study, storage=storage, directions=stored.directions)
    copy.add_trials(stored.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    return _through(storage, peer)


def _by_the_floor(peer: Peer) -> Ask:
    url, study, asked, told = json.loads(peer.address)
    return Floor(url, Sample(study, asked, told)).ask


_WAYS = {
    "ours": _through_the_service,
    "raw": _through_the_database,
    "proxy": _through_the_proxy,
    "memory": _through_memory,
    "floor": _by_the_floor,
}
