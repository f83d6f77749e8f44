"""Advice on how a study is set up."""

from collections.abc import Iterator

from analysis.advice.evidence import FEW, Advice, Evidence
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.enums import Duplicates


def never_pruned(evidence: Evidence) -> Iterator[Advice]:
    """Advise if completed trials end before the first step at which the pruner decides."""
    study, reports = evidence.study, evidence.reports
    found = PRUNERS[study.pruner].first_step_of(study.pruner_options)
    if found is None or reports.last_step is None or reports.n_complete < FEW:
        return
    first, option = found
    if reports.last_step < first:
        yield Advice(
            "never_pruned",
            f"the pruner {study.pruner} prunes from step {first:,} on ({option}), and the latest "
            f"{reports.n_complete} completed trials that reported have ended by step "
            f"{reports.last_step:,}: no trial is ever pruned. A clone with a lower {option} would "
            "prune.",
        )


def too_many_running(evidence: Evidence) -> Iterator[Advice]:
    """Advise if too many trials run at once for the sampler to learn from results."""
    study = evidence.study
    known = study.n_complete + study.n_pruned
    most = SAMPLERS[study.sampler].max_running(study.sampler_options, known // study.n_repeats)
    if most is not None and study.n_running > most * study.n_repeats:
        yield Advice(
            "too_many_running",
            f"{study.n_running:,} trials run at once, while {known:,} have come out: the sampler "
            f"{study.sampler} knows little when it suggests the next one. Up to "
            f"{most * study.n_repeats:,} would learn more from each trial.",
        )


def large_for_the_sampler(evidence: Evidence) -> Iterator[Advice]:
    """Advise if the study has more trials than its sampler is made for."""
    study = evidence.study
    most = SAMPLERS[study.sampler].slow_beyond
    most = None if most is None else most * study.n_repeats  # it learns from points
    if most is not None and study.n_complete > most:
        yield Advice(
            f"{study.sampler}_is_slow",
            f"{study.n_complete:,} trials have completed: beyond {most:,} an ask of the sampler "
            f"{study.sampler} takes seconds, and it may learn from a part of them only. A clone "
            "with tpe goes on from here.",
        )


def budget_beside_the_sampler(evidence: Evidence) -> Iterator[Advice]:
    """Advise if `max_trials` is outside the range that suits the sampler."""
    study = evidence.study
    budget = SAMPLERS[study.sampler].budget
    if study.max_trials is None or budget is None:
        return
    low, high = (study.n_repeats * n for n in budget)
    if not low <= study.max_trials <= high:
        yield Advice(
            "budget_outside_range",
            f"max_trials is {study.max_trials:,}; the sampler {study.sampler} is for {low:,} to "
            f"{high:,} trials.",
        )


def budget_beyond_the_space(evidence: Evidence) -> Iterator[Advice]:
    """Advise if `max_trials` exceeds the number of points in the search space."""
    study = evidence.study
    n_points = study.points.n
    if study.max_trials is None or n_points is None:
        return
    if study.max_trials > n_points * study.n_repeats:
        is_avoiding = study.duplicates == Duplicates.AVOID
        what = "points to try" if SAMPLERS[study.sampler].visits_each_point else "points"
        then = "it is completed once all were tried" if is_avoiding else "some would be tried twice"
        times = "" if study.repeats is None else f" with {study.n_repeats} repeats each"
        yield Advice(
            "budget_exceeds_space",
            f"max_trials is {study.max_trials:,}, and the search space has {n_points:,} {what}"
            f"{times}: {then}.",
        )
