"""The CPU time of a trial: the service's, and PostgreSQL's."""

import statistics
from collections.abc import Mapping, Sequence

from bench.load import Load
from bench.report import Row, Section, spread
from bench.servers import POSTGRESQL, SERVICE

_MOST_MILLISECONDS = {"random": 2.5}  # of the service
_OF_POSTGRESQL = {"random": 1.3}

Loads = Mapping[str, Sequence[Load]]  # by sampler


def cpu_of_trials(ours: Loads, raw: Loads) -> Section:
    section = Section(
        "CPU time of a trial",
        "Milliseconds of CPU time for an ask and its tell, of the runs above with one worker; "
        "median (least to most) of the rounds. A server is all its processes. Where a row does "
        "not say of what, the ratio is the milliseconds.",
    )
    for sampler, loads in ours.items():
        service = _milliseconds(loads, SERVICE)
        section.rows.append(
            Row(
                f"the service, {sampler}",
                statistics.median(service),
                _MOST_MILLISECONDS.get(sampler),
                at_most=True,
                figures=spread(service, "ms"),
            )
        )
    for sampler, loads in ours.items():
        if POSTGRESQL in loads[0].servers_cpu:  # else it is on another machine
            service, database = (_milliseconds(loads, each) for each in (SERVICE, POSTGRESQL))
            target = _OF_POSTGRESQL.get(sampler)
            section.rows += [
                _ratio(f"the service, {sampler}, of PostgreSQL", service, database, target),
                _ratio(
                    f"PostgreSQL, {sampler}, of raw Optuna's",
                    database,
                    _milliseconds(raw[sampler], POSTGRESQL),
                ),
            ]
    return section


def _milliseconds(loads: Sequence[Load], server: str) -> list[float]:
    return [load.cpu_of_trial(server) * 1e3 for load in loads]


def _ratio(work: str, these: list[float], others: list[float], target: float | None = None) -> Row:
    ratio = statistics.median(these) / statistics.median(others)
    figures = f"{spread(these, 'ms')}; {spread(others, 'ms')}"
    return Row(work, ratio, target, at_most=True, figures=figures)
