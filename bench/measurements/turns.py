"""Waits for the database: how many a request has, and what they cost over a network."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import optuna
from django.db import connection
from tqdm import tqdm

from access.domain.tokens import create_token
from access.scopes import Scope
from bench import load
from bench.fill import ACTOR, filled_study
from bench.peers import Peer
from bench.relay import ROUND_TRIP, Relay, relay, target_of
from bench.report import Row, Section, milliseconds, spread
from bench.servers import Ground, environment_on, for_optuna
from bench.service import Client, running_service, study_path, trials_path
from bench.sizes import Sizes
from bench.space import SPACE

_FINISHED = 100  # trials of the studies, so that `tpe` models them
_WARM_UP = 8
_ASK, _TELL, _REPORT, _ONE = 3, 2, 3, 1  # the most turns of a request
_SHARE_OF_RAW = 1 / 14
_WORKER = "a worker"
_SAMPLERS = ("random", "tpe")

Both = tuple[list[int], list[int]]  # the turns of asks, and of their tells


class _Places(NamedTuple):
    """The service, and Optuna's own database, behind one relay."""

    relay: Relay
    port: int
    raw_url: str


def measure(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    turns = Section(
        "Waits for the database",
        f"Turns of a request: how often it waits for PostgreSQL, counted by a relay between them "
        f"(bench/turn_counter.py); median (least to most) of {sizes.turns}, one after the other, "
        f"{_WARM_UP} before not counted. Of studies with {_FINISHED} finished trials, by a service "
        "of one process that requires no token. The ratio is the number of turns. Raw Optuna is "
        "behind the same relay, on studies of its own.",
    )
    with _behind_relay(ground) as places:
        bar.set_description("turns")
        raw = {sampler: _of_raw(places, sampler, sizes.turns) for sampler in _SAMPLERS}
        bar.update()
        for sampler in _SAMPLERS:
            turns.rows += _asks_and_tells(places, sampler, raw[sampler], sizes.turns)
        with Client(places.port) as client:
            turns.rows += _others(places.relay, client, sizes.turns)
        bar.update()
        latency = _latency(places, sizes, bar)
    return [turns, latency]


@contextmanager
def _behind_relay(ground: Ground) -> Iterator[_Places]:
    raw_url = ground.new_database("behind_relay")
    with relay(*target_of(ground.url)) as through:
        environment = environment_on(through.url(ground.url))
        with running_service(environment | {"WEB_WORKERS": "1", "ACCESS_LOG": "false"}) as service:
            yield _Places(through, service.port, for_optuna(through.url(raw_url)))


# Turns -------------------------------------------------------------------------------------


def _turns(through: Relay, action: Callable[[], Any]) -> tuple[int, Any]:
    through.reset()
    result = action()
    return through.turns(), result


def _asks_and_tells(places: _Places, sampler: str, raw: Both, n: int) -> Iterator[Row]:
    path = trials_path(filled_study(f"turns-{sampler}", _FINISHED, sampler=sampler).name)
    _, key = create_token(actor=ACTOR, name=f"turns of {sampler}", scope=Scope.WORKER)
    connection.close()
    worker = {"worker_id": _WORKER}
    for suffix, token, named in (
        ("", "", {}),
        (", with worker_id", "", worker),
        (", with worker_id and token", key, worker),
    ):
        with Client(places.port, token) as client:
            asks, tells = _of_ours(places.relay, client, path, named, n)
        most_of_ask, most_of_tell = (None, None) if token else (_ASK, _TELL)
        yield _row(f"ask, {sampler}{suffix}", asks, most_of_ask, raw[0])
        yield _row(f"tell, {sampler}{suffix}", tells, most_of_tell, raw[1])


def _of_ours(through: Relay, client: Client, path: str, worker: dict[str, str], n: int) -> Both:
    turns: Both = [], []
    for _ in range(_WARM_UP + n):
        asked, trial = _turns(through, partial(client.post, f"{path}/suggest", worker))
        result = {"values": 1e6, "study_id": trial["study_id"], **worker}
        tell = partial(client.post, f"{path}/{trial['trial_id']}/complete", result)
        turns[0].append(asked)
        turns[1].append(_turns(through, tell)[0])
    return turns[0][_WARM_UP:], turns[1][_WARM_UP:]


def _of_raw(places: _Places, sampler: str, n: int) -> Both:
    ask = _new_raw(places, f"turns-{sampler}", sampler).connect()
    turns: Both = [], []
    for _ in range(_WARM_UP + n):
        asked, tell = _turns(places.relay, ask)
        turns[0].append(asked)
        turns[1].append(_turns(places.relay, tell)[0])
    return turns[0][_WARM_UP:], turns[1][_WARM_UP:]


def _others(through: Relay, client: Client, n: int) -> Iterator[Row]:
    """Reports, heartbeats and what is read."""
    for pruner in ("none", "hyperband"):
        trial = _running(client, f"turns-{pruner}", pruner)
        report = partial(_report, client, trial, count())
        yield _row(f"report, pruner {pruner}", _repeated(through, report, n), _REPORT)
    heartbeat = partial(client.post, f"{trial}/heartbeat", {"worker_id": _WORKER})
    yield _row("heartbeat", _repeated(through, heartbeat, n), _ONE)
    study = study_path("turns-random")
    for work, path in (
        ("GET of a study", study),
        ("GET of a trial", f"{study}/trials/0"),
        ("GET of the best trial", f"{study}/best"),
    ):
        yield _row(work, _repeated(through, partial(client.get, path), n), _ONE)


def _running(client: Client, name: str, pruner: str) -> str:
    """The path of a running trial with a lease."""
    client.create_study(
        name=name, search_space=SPACE, sampler="random", pruner=pruner, lease_seconds=600
    )
    trial = client.post(f"{trials_path(name)}/suggest", {"worker_id": _WORKER})
    return f"{trials_path(name)}/{trial['trial_id']}"


def _report(client: Client, trial: str, steps: Iterator[int]) -> None:
    report = {"step": next(steps), "value": 1.0, "worker_id": _WORKER}
    client.post(f"{trial}/report", report)


def _repeated(through: Relay, action: Callable[[], Any], n: int) -> list[int]:
    return [_turns(through, action)[0] for _ in range(_WARM_UP + n)][_WARM_UP:]


def _row(work: str, turns: Sequence[int], most: float | None, raw: Sequence[int] = ()) -> Row:
    figures = [f"ours {spread(turns, 'turns')}"]
    if raw:
        figures.append(f"raw Optuna {spread(raw, 'turns')}")
    return Row(work, statistics.median(turns), most, at_most=True, figures="; ".join(figures))


# Latency -----------------------------------------------------------------------------------


def _latency(places: _Places, sizes: Sizes, bar: tqdm) -> Section:
    section = Section(
        "With a database at a distance",
        f"p50 of ask + p50 of tell, `random`, of one worker, when each turn takes "
        f"{ROUND_TRIP * 1e3:g} ms more: the relay delays each direction by half of it, and takes "
        f"0.2 ms of its own. Median (least to most) of {sizes.rounds} rounds of {sizes.turns} "
        f"trials, in turn, {_WARM_UP} before not counted.",
    )
    asks: dict[str, list[float]] = {"ours": [], "raw": []}
    tells: dict[str, list[float]] = {"ours": [], "raw": []}
    for turn in range(sizes.rounds):
        for way, new_peer in (("ours", _new_ours), ("raw", _new_raw)):
            bar.set_description(f"at a distance, {way}")
            played = load.run([new_peer(places, f"distant-{turn}")], _WARM_UP + sizes.turns)
            asks[way].append(statistics.median(played.asks[_WARM_UP:]))
            tells[way].append(statistics.median(played.tells[_WARM_UP:]))
            bar.update()
    both = {way: [sum(each) for each in zip(asks[way], tells[way], strict=True)] for way in asks}
    ratio = statistics.median(both["ours"]) / statistics.median(both["raw"])
    figures = "; ".join(
        f"{way} {spread(both[way], 'ms', 1e3)}: ask {milliseconds(asks[way])}, "
        f"tell {milliseconds(tells[way])}"
        for way in both
    )
    section.rows.append(Row("ask + tell, of raw Optuna", ratio, _SHARE_OF_RAW, True, figures))
    return section


def _new_ours(places: _Places, name: str) -> Peer:
    with Client(places.port) as client:
        client.create_study(name=name, search_space=SPACE, sampler="random", pruner="none")
    return Peer("ours", str(places.port), name, "random")


def _new_raw(places: _Places, name: str, sampler: str = "random") -> Peer:
    optuna.create_study(study_name=name, storage=places.raw_url)
    return Peer("raw", places.raw_url, name, sampler)
