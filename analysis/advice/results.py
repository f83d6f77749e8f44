"""Advice on the results of trials."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.advice.evidence import FEW, Advice, Evidence
from optuna_bridge.space.search_space import Parameter, listed_values
from studies.domain.lifecycle import FAILURES_IN_A_ROW
from studies.enums import Duplicates
from trials.models import Trial

STALE_FACTOR = 10  # times the usual duration
STALE_LEAST = 3600  # seconds
STALE_UNKNOWN = 86_400  # seconds, while no trial has completed
NEAR = 0.02  # fraction of a parameter's range that counts as being at a bound


def nothing_completes(evidence: Evidence) -> Iterator[Advice]:
    """Advise if many trials failed and none has completed."""
    study = evidence.study
    if study.n_fail >= FEW and study.n_complete == 0:
        yield Advice(
            "nothing_completes",
            f"{study.n_fail:,} trials failed and none has completed{_because(evidence)}.",
        )


def many_failures(evidence: Evidence) -> Iterator[Advice]:
    """Advise if many of the latest trials failed."""
    ended = [trial for trial in evidence.recent if trial.state in ("COMPLETE", "PRUNED", "FAIL")]
    failed = sum(trial.state == "FAIL" for trial in ended)
    if evidence.study.n_complete and failed >= 5 and failed > 0.2 * len(ended):
        yield Advice(
            "many_failures",
            f"{failed} of the latest {len(ended)} trials that ended have failed"
            f"{_because(evidence)}.",
        )


def failing(evidence: Evidence) -> Iterator[Advice]:
    """Advise how to end a series of failures."""
    study = evidence.study
    if study.n_consecutive_failures >= FAILURES_IN_A_ROW and study.is_open:
        yield Advice(
            "failing",
            f"the last {study.n_consecutive_failures:,} trials have failed{_because(evidence)}. "
            "Set max_consecutive_failures to pause the study when that happens, and lease_seconds "
            "if workers are lost; if the parameters are the reason, fail trials as infeasible, so "
            "that the sampler learns from it.",
        )


def _because(evidence: Evidence) -> str:
    reasons = Counter(trial.reason for trial in evidence.recent if trial.state == "FAIL")
    reasons.pop("", None)
    if not reasons:
        return ""
    [(reason, n)] = reasons.most_common(1)
    return f', most often ({n} times) because: "{reason:.200}"'


def stale_trials(evidence: Evidence) -> Iterator[Advice]:
    """Advise if leases have expired, or if running trials without a lease have been silent."""
    expired = [
        t
        for t in evidence.running
        if t.lease_expires_at and evidence.seconds_since(t.lease_expires_at) > 0
    ]
    if expired:
        yield Advice(
            "stale_trials",
            f"the leases of {_named(expired)} have run out: the next ask ends them, or the command "
            "expire_trials.",
        )
    silent = [trial for trial in evidence.running if _is_silent(evidence, trial)]
    if silent:
        yield Advice(
            "stale_trials",
            f"{_named(silent)} have no lease, and have shown no sign of life for much longer than "
            "others take: their workers may be gone, and samplers keep away from their points. "
            "End them by `fail-running`; with lease_seconds, which a change of the study also "
            "gives to running trials, that happens by itself.",
        )


def _is_silent(evidence: Evidence, trial: Trial) -> bool:
    """Return whether a trial without a lease was last seen much longer ago than others take."""
    seen_at = trial.seen_at or trial.datetime_start
    if trial.lease_expires_at is not None or seen_at is None:
        return False
    usual = evidence.usual_seconds
    limit = STALE_UNKNOWN if usual is None else max(STALE_FACTOR * usual, STALE_LEAST)
    return evidence.seconds_since(seen_at) > limit


def _named(trials: Sequence[Trial]) -> str:
    numbers = ", ".join(str(trial.number) for trial in trials[:5])
    more = ", …" if len(trials) > 5 else ""
    return f"{len(trials):,} running trials ({numbers}{more})"


def nan_reports(evidence: Evidence) -> Iterator[Advice]:
    """Advise if all recent intermediate values are NaN."""
    reports = evidence.reports
    if reports.n >= FEW and reports.n == reports.n_nan:
        yield Advice(
            "objective_is_nan",
            f"all of the latest {reports.n:,} intermediate values are NaN: the objective diverges.",
        )


def constant_objective(evidence: Evidence) -> Iterator[Advice]:
    """Advise if an objective has the same value in all completed trials."""
    completed = evidence.completed
    if len(completed) < FEW:
        return
    for index, values in enumerate(completed.values.T):
        if np.all(values == values[0]):
            which = f"objective {index}" if evidence.study.is_multi_objective else "the objective"
            yield Advice(
                "objective_is_constant",
                f"{which} was {values[0]:.6g} in all {len(values):,} completed trials: there is "
                "nothing to optimise.",
            )


def never_feasible(evidence: Evidence) -> Iterator[Advice]:
    """Advise if no completed trial is feasible."""
    completed = evidence.completed
    if len(completed) >= FEW and not completed.is_feasible.any():
        yield Advice(
            "never_feasible",
            f"none of the {len(completed):,} completed trials is feasible: constraints may be too "
            "tight.",
        )


def repeated_points(evidence: Evidence) -> Iterator[Advice]:
    """Advise if trials of a finite search space repeat the points of others, retries excepted."""
    study = evidence.study
    if study.points.n is None or study.duplicates == Duplicates.AVOID:
        return
    # A failed trial leaves its point to be tried again.
    tried = [
        trial
        for trial in evidence.recent
        if trial.has_all_params and (trial.state != "FAIL" or trial.infeasible)
    ]
    visited = (study.current.as_visited(trial.internal_params) for trial in tried)
    points = [study.points.point(each) for each in visited if each is not None]
    n_points = len(set(points)) + len(tried) - len(points)
    n_repeated = len(tried) - n_points
    if n_repeated >= FEW:
        yield Advice(
            "points_repeat",
            f"{n_repeated} of the latest {len(tried)} trials repeat the parameters of another one, "
            f"in a search space of {study.points.n:,} points. A clone with duplicates: "
            '"avoid" suggests each point once.',
        )


def pinned(evidence: Evidence) -> Iterator[Advice]:
    """Advise if nearly all of the best tenth of the trials are at a bound of a parameter."""
    completed, study = evidence.completed, evidence.study
    if len(completed) < 2 * FEW or study.is_multi_objective:
        return
    n_best = min(100, max(FEW, len(completed) // 10))
    order = np.lexsort((completed.losses[:, 0], ~completed.is_feasible))  # stable
    best = completed.numbers[order[:n_best]]
    stored = study.trials.filter(number__in=best.tolist()).values_list("internal_params", flat=True)
    # Those that are within the bounds of now.
    params = [each for each in map(study.current.as_learnt, stored) if each is not None]
    space = study.current.space
    # The bounds of an ordinal parameter are its first and its last value.
    spaces = zip(space.parameters, space.as_sampled.distributions.values(), strict=True)
    for (parameter, distribution), values in zip(spaces, zip(*params, strict=True), strict=False):
        found = np.array(values, dtype=np.float64)
        found = found[~np.isnan(found)]  # of the trials that have the parameter
        if len(found) < FEW:
            continue
        for bound, share in _shares_at_bounds(distribution, found):
            if share >= 0.8:
                at = _bound(parameter, bound)
                yield Advice(
                    "parameter_at_bound",
                    f'parameter "{parameter["name"]}" is at its bound {at} in '
                    f"{share:.0%} of the best {len(found)} trials: better values may lie beyond.",
                    parameter["name"],
                )


def _bound(parameter: Parameter, bound: str) -> Any:
    """Return the "low" or the "high" end of a parameter that is a range or a scale."""
    values = listed_values(parameter) or (parameter["low"], parameter["high"])
    return values[0 if bound == "low" else -1]


def _shares_at_bounds(
    distribution: Any, values: NDArray[np.float64]
) -> Iterator[tuple[str, float]]:
    """Yield (bound, share of the values at it) for "low" and "high".

    Yields nothing for categorical, constant and coarsely stepped parameters.
    """
    low, high = getattr(distribution, "low", None), getattr(distribution, "high", None)
    if low is None or high is None or high <= low:
        return  # a choice, or a constant
    if distribution.step and (high - low) / distribution.step < 4:
        return
    if distribution.log:
        low, high, values = np.log(low), np.log(high), np.log(values)
    margin = NEAR * (high - low)
    yield "low", float(np.mean(values <= low + margin))
    yield "high", float(np.mean(values >= high - margin))
