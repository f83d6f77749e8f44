"""Errors of the analyses."""

from tuner_project.errors import DomainError


class NoCompletedTrials(DomainError):
    """The study has no best trial, because no trial has completed yet."""

    status = 404
    code = "no_completed_trials"


class NoFeasibleTrial(DomainError):
    """No completed trial is feasible; `least_violating` is the trial with the least violation."""

    status = 404
    code = "no_feasible_trial"


class SingleObjective(DomainError):
    """A study with one objective has a best trial, and no Pareto front."""

    code = "single_objective"


class StudiesNotComparable(DomainError):
    """The studies have other directions, or other numbers of objectives."""

    status = 409
    code = "studies_not_comparable"


class TooFewTrials(DomainError):
    """Importance needs at least two completed trials."""

    code = "too_few_trials"


class NoSuchParameter(DomainError):
    """The study's search space has no parameter of this name."""


class InvalidReferencePoint(DomainError):
    """The reference point does not have one finite number for each objective."""


class PlotUnavailable(DomainError):
    """This kind of plot cannot be drawn for this study."""

    code = "plot_unavailable"


class ImageUnavailable(DomainError):
    """PNG and SVG need Chrome or Chromium on the service's machine."""

    status = 406
    code = "image_unavailable"


class NoSuchObjective(DomainError):
    """`target_idx` is not the index of one of the study's objectives."""


class ImportanceUnavailable(DomainError):
    """The chosen method cannot be computed from these trials."""

    code = "importance_unavailable"


class EvaluatorsBusy(DomainError):
    """Another importance or image is being computed: each process computes one at a time."""

    status = 503
    code = "evaluators_busy"
    wait = 5
