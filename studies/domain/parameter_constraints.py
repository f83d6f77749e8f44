"""Checking the constraints between the parameters of a study."""

from collections.abc import Sequence

from optuna_bridge.space.parameter_constraints.constraints import faults_of
from optuna_bridge.space.search_space import Parameter, SearchSpace
from studies.errors import InvalidStudy
from tuner_project.errors import FieldError

CONSTRAINTS_KEY = "parameter_constraints"


def constrained_space(parameters: Sequence[Parameter], texts: Sequence[str]) -> SearchSpace:
    """Return a search space with constraints between its parameters, after checking them.

    Raises:
        InvalidStudy: A text is not a constraint between the parameters, or no point was found that
            satisfies them all.
    """
    faults = faults_of(texts, SearchSpace(parameters).distributions)
    if faults:
        errors = [FieldError((CONSTRAINTS_KEY, index), fault) for index, fault in faults]
        raise InvalidStudy(f"{CONSTRAINTS_KEY}: {faults[0][1]}", errors)
    space = SearchSpace(parameters, texts)
    constraints = space.parameter_constraints
    if constraints is not None and not constraints.points.exist({}):
        detail = (
            "no point of the search space was found that satisfies them all: check them one by "
            "one, or widen the ranges of their parameters"
        )
        raise InvalidStudy(f"{CONSTRAINTS_KEY}: {detail}", [((CONSTRAINTS_KEY,), detail)])
    return space
