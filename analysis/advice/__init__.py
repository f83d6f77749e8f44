"""What a study's owner should know, in words."""

from collections.abc import Callable, Iterator

from analysis.advice import outcomes, settings
from analysis.advice.evidence import Advice, Evidence
from studies.models import Study

__all__ = ["Advice", "advice"]

# The most urgent first.
RULES: tuple[Callable[[Evidence], Iterator[Advice]], ...] = (
    outcomes.nothing_completes,
    outcomes.many_failures,
    outcomes.stale_trials,
    outcomes.nan_reports,
    outcomes.constant_objective,
    outcomes.never_feasible,
    settings.too_many_running,
    settings.large_for_gp,
    outcomes.pinned,
    settings.budget_beside_the_sampler,
    settings.budget_beyond_the_space,
)


def advice(*, study: Study) -> list[Advice]:
    """What the owner of the study should know, the most urgent first; often nothing."""
    evidence = Evidence(study)
    return [each for rule in RULES for each in rule(evidence)]
