"""How an ask's time grows with the finished trials, and what the sampler itself takes."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
from django.db import connection
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from tqdm import tqdm

from bench.fill import filled_study, one_objective, two_objectives
from bench.peers import Peer, stock_sampler
from bench.report import Row, Section, milliseconds
from bench.space import DISTRIBUTIONS, objectives
from studies.models import Study
from trials import domain
from trials.domain import Outcome
from trials.histories import histories
from trials.models import State

# Our sampler's share of stock TPE's time, by objectives, joint model, and finished trials.
_SHARES = {
    (1, True): {1000: 0.5, 5000: 0.33, 10_000: 0.25},
    (2, False): {10_000: 0.15},
}
_OF_A_RANDOM_ASK = 1.2
_WARM_UP = 8  # asks, so that each process of the service has read the study


@dataclass
class Latencies:
    """p50 of an ask in seconds, by who was asked and how many trials were finished."""

    by_name: dict[str, dict[int, float]] = field(default_factory=dict)

    def put(self, name: str, size: int, seconds: float) -> None:
        self.by_name.setdefault(name, {})[size] = seconds


def ask_latency(
    port: int, optuna_url: str, sizes: list[int], n_asks: int, bar: tqdm
) -> tuple[Section, Latencies]:
    """Asks over HTTP, of stock Optuna over the same tables, and of stock Optuna in memory."""
    section = Section(
        "An ask as the study grows",
        f"p50 of {n_asks} asks of one worker over HTTP, each told before the next; the service's "
        f"processes have read the study in {_WARM_UP} asks before. Optuna in memory: the same "
        "trials and options, one process. The limit is the sampler's allowed share of Optuna in "
        f"memory + {_OF_A_RANDOM_ASK} times our `random` ask.",
    )
    latencies = Latencies()
    for size in sizes:
        bar.set_description(f"asks at {size} trials")
        p50 = {}
        for sampler in ("random", "tpe"):
            study = filled_study(f"ask-{sampler}-{size}", size, sampler=sampler)
            peer = Peer("ours", str(port), study.name, sampler)
            p50[sampler] = _p50_of_asks(peer, n_asks)
            latencies.put(f"ours, {sampler}", size, p50[sampler])
        in_memory = in_memory_study(study)
        memory = statistics.median(_stock_asks(in_memory, 1, n_asks))
        latencies.put("Optuna in memory, tpe", size, memory)
        if size <= 1000:  # stock Optuna reads all trials, one parameter a row
            raw = Peer("raw", optuna_url, study.name, "tpe")
            latencies.put("Optuna on PostgreSQL, tpe", size, _p50_of_asks(raw, n_asks))
        share = _SHARES[1, True].get(size, 1.0)
        limit = share * memory + _OF_A_RANDOM_ASK * p50["random"]
        figures = (
            f"tpe {p50['tpe'] * 1e3:.3g} ms; random {p50['random'] * 1e3:.3g} ms; "
            f"in memory {memory * 1e3:.3g} ms; allowed share {share:g}"
        )
        work = f"ask, tpe, at {size:,} trials, of its limit"
        section.rows.append(Row(work, p50["tpe"] / limit, 1.0, at_most=True, figures=figures))
        bar.update()
    return section, latencies


def sampler_alone(sizes: list[int], n_asks: int, bar: tqdm) -> Section:
    section = Section(
        "TPE alone",
        f"p50 of {n_asks} draws in one process, ours and stock in turn over the same trials. Ours "
        "includes the statement that reads what is new; stock is `Study.ask` over "
        "`InMemoryStorage`. A trial is told between two draws, off the clock. Joint: "
        "`multivariate` true.",
    )
    for n_objectives in (1, 2):
        for is_joint in (True, False):
            for size in sizes:
                bar.set_description(f"tpe alone at {size} trials")
                section.rows.append(_alone(n_objectives, is_joint, size, n_asks))
                bar.update()
    return section


def _alone(n_objectives: int, is_joint: bool, size: int, n_asks: int) -> Row:
    values = one_objective if n_objectives == 1 else two_objectives
    name = f"alone-{n_objectives}-{is_joint}-{size}"
    study = filled_study(name, size, values=values, multivariate=is_joint)
    in_memory = in_memory_study(study, multivariate=is_joint)
    ours, stock = [], []
    for _ in range(n_asks):
        stock += _stock_asks(in_memory, n_objectives, 1)
        ours.append(_our_draw(study))
    target = _SHARES.get((n_objectives, is_joint), {}).get(size, 1.0)
    model = "joint" if is_joint else "each parameter by itself"
    plural = "objective" if n_objectives == 1 else "objectives"
    return Row(
        f"{n_objectives} {plural}, {model}, {size:,} trials, of stock",
        statistics.median(ours) / statistics.median(stock),
        target,
        at_most=True,
        figures=f"ours {milliseconds(ours)}; stock {milliseconds(stock)}",
    )


def _our_draw(study: Study) -> float:
    """Seconds of a draw; afterwards one more trial is told."""
    this = Study.objects.filter(pk=study.pk)
    begun = time.perf_counter()
    draft = histories.of(study).sample()
    seconds = time.perf_counter() - begun
    draft.is_over = True
    trial = domain.ask(studies=this)
    values = objectives(trial.params, len(study.directions))
    outcome = Outcome(state=State.COMPLETE, values=values)
    domain.tell(studies=this, number=trial.number, outcome=outcome)
    return seconds


def in_memory_study(study: Study, **options: Any) -> optuna.Study:
    """The study's trials in stock Optuna's memory."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    copy = optuna.create_study(
        directions=[StudyDirection[each.upper()] for each in study.directions],
        sampler=stock_sampler("tpe", **options),
    )
    rows = study.trials.order_by("number").values_list("internal_params", "values")
    copy.add_trials(
        create_trial(
            state=TrialState.COMPLETE,
            params=study.space.to_external(internal_params),
            distributions=DISTRIBUTIONS,
            values=values,
        )
        for internal_params, values in rows
    )
    connection.close()
    return copy


def _stock_asks(study: optuna.Study, n_objectives: int, n: int) -> list[float]:
    asks = []
    for _ in range(n):
        begun = time.perf_counter()
        trial = study.ask(DISTRIBUTIONS)
        asks.append(time.perf_counter() - begun)
        study.tell(trial, objectives(trial.params, n_objectives))
    return asks


def _p50_of_asks(peer: Peer, n: int) -> float:
    ask = peer.connect()
    for _ in range(_WARM_UP):
        ask()()
    asks = []
    for _ in range(n):
        begun = time.perf_counter()
        tell = ask()
        asks.append(time.perf_counter() - begun)
        tell()
    return statistics.median(asks)


def timed(call: Callable[[], Any], n: int) -> list[float]:
    """Seconds of each of n calls."""
    seconds = []
    for _ in range(n):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return seconds
