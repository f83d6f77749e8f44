"""Why there is no answer about a study yet, or never."""

from tuner_project.rest.errors import DomainError


class NoCompletedTrials(DomainError):
    """There is no best trial before one has completed."""

    status = 404
    code = "no_completed_trials"


class NoFeasibleTrial(DomainError):
    """Every completed trial violates a constraint; `least_violating` is the one that does least."""

    status = 404
    code = "no_feasible_trial"


class SingleObjective(DomainError):
    """A single objective has a best trial, and no Pareto front."""

    code = "single_objective"


class TooFewTrials(DomainError):
    """Importance compares trials, and needs two at least."""

    code = "too_few_trials"


class NoSuchObjective(DomainError):
    """`target_idx` is not the index of one of the study's objectives."""


class ImportanceUnavailable(DomainError):
    """The chosen method cannot be computed from these trials."""

    code = "importance_unavailable"
