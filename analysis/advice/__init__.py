"""Advice on a study, as text."""

from collections.abc import Callable, Iterator

from analysis.advice import regions, results, setup
from analysis.advice.evidence import Advice, Evidence
from studies.models import Study

__all__ = ["Advice", "advice", "weighty_advice"]

# The most urgent first.
RULES: tuple[Callable[[Evidence], Iterator[Advice]], ...] = (
    results.nothing_completes,
    results.failing,
    results.many_failures,
    regions.failing_region,
    results.stale_trials,
    results.nan_reports,
    results.constant_objective,
    results.never_feasible,
    setup.never_pruned,
    setup.too_many_running,
    setup.large_for_the_sampler,
    results.pinned,
    results.repeated_points,
    setup.budget_beside_the_sampler,
    setup.budget_beyond_the_space,
)

# Those on which the study's result depends, and which read a few hundred trials at most.
WEIGHTY: tuple[Callable[[Evidence], Iterator[Advice]], ...] = (
    results.nothing_completes,
    results.failing,
    results.many_failures,
    results.stale_trials,
    results.nan_reports,
)


def advice(*, study: Study) -> list[Advice]:
    """Return advice on the study, the most urgent first; the list is often empty."""
    evidence = Evidence(study)
    return [each for rule in RULES for each in rule(evidence)]


def weighty_advice(*, study: Study) -> list[Advice]:
    """Return the advice of `WEIGHTY` rules, in three statements for any number of trials."""
    evidence = Evidence(study)
    return [each for rule in WEIGHTY for each in rule(evidence)]
