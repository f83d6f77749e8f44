"""The latency of an ask by the number of finished trials, and the sampler's share of it."""

import statistics
import time
from typing import Any

import optuna
from django.db import connection
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from tqdm import tqdm

from bench import load
from bench.fill import ACTOR, filled_study, one_objective, two_objectives
from bench.peers import Peer, stock_sampler
from bench.report import Row, Section, milliseconds
from bench.servers import Ground
from bench.sizes import Sizes
from bench.space import DISTRIBUTIONS, objectives
from optuna_bridge.enums import TrialState
from studies.models import NamedStudy, Study
from trials import domain
from trials.domain import TrialResult
from trials.sampling.plan import Plan
from trials.sampling.session_registry import session_registry

# Our sampler's share of stock TPE's time, by finished trials. With two objectives, stock spends
# most of it on splitting the trials anew for each parameter that is modelled by itself.
_SHARES = {1000: 0.5, 5000: 0.33, 10_000: 0.25}
_SHARES_OF_REPEATED_SPLITS = _SHARES | {10_000: 0.15}
# The share that an ask over HTTP may take.
_SHARES_OF_ASKS = {100: 1.0, 1000: 0.5, 10_000: 0.25}
_OF_A_RANDOM_ASK = 1.2
_WARM_UP = 8  # first asks of a worker, which are not counted
_FEWER = 16  # trials than named: asked and told as the service's processes read the study


def asks_over_http(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    """Asks over HTTP, of stock Optuna over the same tables, and of stock Optuna in memory."""
    section = Section(
        "An ask as the study grows",
        f"p50 of {sizes.asks} asks of one worker over HTTP, each told before the next. Each of "
        f"the service's processes has answered asks of the study before, and {_WARM_UP} asks of "
        "the worker are not counted. Optuna in memory: a process of its own with the same trials "
        "and options. While it is measured a study grows by as many trials. The limit is the "
        f"sampler's allowed share of Optuna in memory + {_OF_A_RANDOM_ASK} times our `random` ask.",
    )
    for size in sizes.asked_at:
        bar.set_description(f"asks at {size} trials")
        p50 = _p50s_at(ground, size, sizes.asks)
        for name, seconds in p50.items():
            section.curves.setdefault(name, {})[size] = seconds
        tpe, random, memory = p50["ours, tpe"], p50["ours, random"], p50["Optuna in memory, tpe"]
        if size in _SHARES_OF_ASKS:
            share = _SHARES_OF_ASKS[size]
            limit = share * memory + _OF_A_RANDOM_ASK * random
            figures = (
                f"tpe {tpe * 1e3:.3g} ms; random {random * 1e3:.3g} ms; in memory "
                f"{memory * 1e3:.3g} ms; allowed share {share:g}; limit {limit * 1e3:.3g} ms"
            )
            work = f"ask, tpe, at {size:,} trials, of its limit"
            section.rows.append(Row(work, tpe / limit, 1.0, at_most=True, figures=figures))
        bar.update()
    return [section]


def _p50s_at(ground: Ground, size: int, n: int) -> dict[str, float]:
    names = {}
    for sampler in ("random", "tpe"):
        names[sampler] = filled_study(f"ask-{sampler}-{size}", size - _FEWER, sampler=sampler).name
    connection.close()
    ground.warm_up(*names.values())
    # What is written through Optuna comes last: the service does not know of it.
    peers = {
        "Optuna in memory, tpe": Peer("memory", ground.optuna_url, names["tpe"], "tpe"),
        "ours, random": Peer("ours", str(ground.port), names["random"], "random"),
        "ours, tpe": Peer("ours", str(ground.port), names["tpe"], "tpe"),
        "Optuna on PostgreSQL, tpe": Peer("raw", ground.optuna_url, names["tpe"], "tpe"),
    }
    return {
        name: statistics.median(load.run([peer], _WARM_UP + n).asks[_WARM_UP:])
        for name, peer in peers.items()
    }


def sampler_alone(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "TPE alone",
        f"p50 of {sizes.draws} draws in one process, the service's and stock Optuna's in turn, "
        "over the same trials. The service's is `Plan.draw`: it includes the statement that reads "
        "new trials, and excludes the transaction that stores the trial. Stock Optuna's is "
        "`Study.ask` over `InMemoryStorage`. Between two draws, one more trial is completed, "
        "which is not timed. Joint: `multivariate` true, the service's default.",
    )
    for n_objectives in (1, 2):
        for is_joint in (True, False):
            for size in sizes.alone_at:
                bar.set_description(f"tpe alone at {size} trials")
                section.rows.append(_alone(n_objectives, is_joint, size, sizes.draws))
                bar.update()
    return [section]


def _alone(n_objectives: int, is_joint: bool, size: int, n: int) -> Row:
    values = one_objective if n_objectives == 1 else two_objectives
    name = f"alone-{n_objectives}-{is_joint}-{size}"
    study = filled_study(name, size, values=values, multivariate=is_joint)
    in_memory = _in_memory(study, multivariate=is_joint)
    ours, stock = [], []
    for turn in range(n + 1):
        seconds = _stock_draw(in_memory, n_objectives), _our_draw(study)
        if turn:  # the first reads the study, and imports
            stock.append(seconds[0])
            ours.append(seconds[1])
    connection.close()
    shares = _SHARES if is_joint or n_objectives == 1 else _SHARES_OF_REPEATED_SPLITS
    model = "joint" if is_joint else "each parameter by itself"
    plural = "objective" if n_objectives == 1 else "objectives"
    return Row(
        f"{n_objectives} {plural}, {model}, {size:,} trials, of stock",
        statistics.median(ours) / statistics.median(stock),
        shares[size],
        at_most=True,
        figures=f"ours {milliseconds(ours)}; stock {milliseconds(stock)}",
    )


def _our_draw(study: Study) -> float:
    """Seconds of a draw; afterwards one more trial is told."""
    named = NamedStudy(study.name)
    begun = time.perf_counter()
    plan = Plan.draw(session_registry.of(study), 1)
    seconds = time.perf_counter() - begun
    plan.close()
    trial = domain.ask(actor=ACTOR, named=named)
    values = objectives(trial.params, len(study.directions))
    result = TrialResult(state=TrialState.COMPLETE, values=values)
    domain.tell(actor=ACTOR, named=named, number=trial.number, result=result)
    return seconds


def _stock_draw(study: optuna.Study, n_objectives: int) -> float:
    begun = time.perf_counter()
    trial = study.ask(DISTRIBUTIONS)
    seconds = time.perf_counter() - begun
    study.tell(trial, objectives(trial.params, n_objectives))
    return seconds


def _in_memory(study: Study, **options: Any) -> optuna.Study:
    """The study's trials in stock Optuna's memory."""
    copy = optuna.create_study(
        directions=[StudyDirection[each.upper()] for each in study.directions],
        sampler=stock_sampler("tpe", **options),
    )
    rows = study.trials.order_by("number").values_list("internal_params", "values")
    copy.add_trials(
        create_trial(
            state=OptunaState.COMPLETE,
            params=study.space.to_external(internal_params),
            distributions=DISTRIBUTIONS,
            values=values,
        )
        for internal_params, values in rows
    )
    return copy
