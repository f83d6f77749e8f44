"""The samplers alone, the service's and stock Optuna's, without HTTP and without a transaction."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

import optuna
from django.db import connection
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from tqdm import tqdm

from bench.fill import ACTOR, filled_study, one_objective, two_objectives
from bench.peers import stock_sampler
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

# The service's share of stock TPE's time, by objectives, joint model and finished trials. With two
# objectives and separate models, stock splits the trials anew for each parameter.
_SHARES = {
    (1, True): {100: 0.4, 1000: 0.35, 5000: 0.33, 10_000: 0.18},
    (1, False): {1000: 0.5, 5000: 0.33, 10_000: 0.25},
    (2, True): {100: 0.4, 1000: 0.4, 5000: 0.33, 10_000: 0.25},
    (2, False): {1000: 0.5, 5000: 0.33, 10_000: 0.15},
}
_HOW = (
    "in one process, the service's and stock Optuna's in turn, over the same trials. The service's "
    "is `Plan.draw`: it includes the statement that reads new trials, and excludes the transaction "
    "that stores the trial. Stock Optuna's is `Study.ask` over `InMemoryStorage`. Between two "
    "draws, one more trial is completed, which is not timed."
)


def tpe(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "TPE alone",
        f"p50 of {sizes.draws} draws {_HOW} Joint: `multivariate` true, the service's default.",
    )
    for (n_objectives, is_joint), shares in _SHARES.items():
        for size in sizes.alone_at:
            bar.set_description(f"tpe alone at {size} trials")
            model = "joint" if is_joint else "each parameter by itself"
            section.rows.append(
                _alone(
                    f"{model}, {size:,} trials",
                    size,
                    sizes.draws,
                    n_objectives=n_objectives,
                    target=shares.get(size),
                    options={"multivariate": is_joint},
                )
            )
            bar.update()
    return [section]


def gp(ground: Ground, sizes: Sizes, bar: tqdm) -> list[Section]:
    section = Section(
        "GP alone",
        f"p50 of {sizes.gp_draws} draws {_HOW} One thread, as the service has it.",
    )
    for size in sizes.gp_at:
        bar.set_description(f"gp alone at {size} trials")
        section.rows.append(_alone(f"{size} trials", size, sizes.gp_draws, sampler="gp"))
        bar.update()
    return [section]


def _alone(
    work: str,
    size: int,
    n: int,
    *,
    sampler: str = "tpe",
    n_objectives: int = 1,
    target: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Row:
    options = options or {}
    study = filled_study(
        f"alone, {sampler}, {n_objectives}, {work}",
        size,
        sampler=sampler,
        values=one_objective if n_objectives == 1 else two_objectives,
        **options,
    )
    in_memory = _in_memory(study, options)
    ours, stock = [], []
    for turn in range(n + 1):
        seconds = _stock_draw(in_memory, n_objectives), _our_draw(study)
        if turn:  # the first reads the study, and imports
            stock.append(seconds[0])
            ours.append(seconds[1])
    connection.close()
    plural = "objective" if n_objectives == 1 else "objectives"
    return Row(
        f"{n_objectives} {plural}, {work}, of stock",
        statistics.median(ours) / statistics.median(stock),
        target,
        at_most=True,
        figures=f"ours {milliseconds(ours)}; stock {milliseconds(stock)}",
    )


def _our_draw(study: Study) -> float:
    """Return the seconds of a draw, and complete one more trial afterwards."""
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


def _in_memory(study: Study, options: Mapping[str, Any]) -> optuna.Study:
    """The study's trials in stock Optuna's memory."""
    copy = optuna.create_study(
        directions=[StudyDirection[each.upper()] for each in study.directions],
        sampler=stock_sampler(study.sampler, **options),
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
