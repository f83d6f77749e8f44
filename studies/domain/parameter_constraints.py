"""The constraints between parameters in the definition of a study."""

from collections.abc import Iterator, Sequence

from optuna_bridge.space.parameter_constraints.constraints import canonical_texts, faults_of
from optuna_bridge.space.search_space import Parameter, SearchSpace
from studies.errors import InvalidStudy
from studies.models import Study
from tuner_project.errors import FieldError

KEY = "parameter_constraints"


def constrained_space(parameters: Sequence[Parameter], texts: Sequence[str]) -> SearchSpace:
    """Return a search space with constraints between its parameters, after checking them.

    Raises:
        InvalidStudy: A text is not a constraint between the parameters, or no point was found that
            satisfies them all.
    """
    faults = faults_of(texts, SearchSpace(parameters).distributions)
    if faults:
        errors = [FieldError((KEY, index), fault) for index, fault in faults]
        raise InvalidStudy(f"{KEY}: {faults[0][1]}", errors)
    space = SearchSpace(parameters, texts)
    constraints = space.parameter_constraints
    if constraints is not None and not constraints.points.exist({}):
        detail = (
            "no point of the search space was found that satisfies them all: check them one by "
            "one, or widen the ranges of their parameters"
        )
        raise InvalidStudy(f"{KEY}: {detail}", [((KEY,), detail)])
    return space


def differing_constraints(study: Study, given: Sequence[str] | None) -> Iterator[str]:
    """Yield how the constraints in a definition differ from a study's; not for another notation."""
    if given is None:
        return
    names = study.space.distributions
    stored, wanted = (canonical_texts(each, names) for each in (study.parameter_constraints, given))
    if stored != wanted:
        yield f"{KEY} are {study.parameter_constraints!r:.500}, not {list(given)!r:.500}"
