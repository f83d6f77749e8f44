"""Why there is no answer about a study yet, or never."""

from tuner_project.errors import DomainError


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


class NoSuchParameter(DomainError):
    """A parameter that the study's search space does not have."""


class InvalidReferencePoint(DomainError):
    """A reference point has one finite number for each objective."""


class PlotUnavailable(DomainError):
    """There is no such plot of this study."""

    code = "plot_unavailable"


class ImageUnavailable(DomainError):
    """PNG and SVG are drawn by a browser, which the service's machine does not have."""

    status = 406
    code = "image_unavailable"


class NoSuchObjective(DomainError):
    """`target_idx` is not the index of one of the study's objectives."""


class ImportanceUnavailable(DomainError):
    """The chosen method cannot be computed from these trials."""

    code = "importance_unavailable"


class EvaluatorsBusy(DomainError):
    """Importances and images take all of a core: each process makes one at a time."""

    status = 503
    code = "evaluators_busy"
    wait = 5
