"""The definition of a study by a client, before it is stored."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from optuna_bridge.enums import Direction
from optuna_bridge.options import Kind
from optuna_bridge.pruners.registry import NO_PRUNER, PRUNERS
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.search_space import Parameter, SearchSpace
from studies.domain.budgets import check_budgets
from studies.domain.lifecycle import check_metric_names
from studies.domain.parameter_constraints import constrained_space
from studies.enums import Duplicates
from studies.errors import InvalidStudy
from studies.models import Study
from tuner_project.errors import FieldError


@dataclass(frozen=True)
class Definition:
    """A client's definition of a study; None means that the field was left out."""

    name: str
    search_space: Sequence[Parameter]
    direction: str | Sequence[str] | None = None
    sampler: str | None = None
    sampler_options: Mapping[str, Any] | None = None
    pruner: str | None = None
    pruner_options: Mapping[str, Any] | None = None
    constraints: Sequence[str] | None = None
    parameter_constraints: Sequence[str] | None = None
    duplicates: str | None = None
    pruning_direction: str | None = None
    repeats: Mapping[str, Any] | None = None
    user_attrs: Mapping[str, Any] | None = None
    metric_names: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    note: str | None = None
    # The budgets, retries and lease that the client gave; a lease of None never expires.
    life: Mapping[str, Any] = field(default_factory=dict)

    @property
    def directions(self) -> list[str]:
        if self.direction is None:
            return [Direction.MAXIMIZE.value]
        return [self.direction] if isinstance(self.direction, str) else list(self.direction)


def new_study(definition: Definition) -> Study:
    """Return a new study, not stored yet, from a definition.

    Raises:
        InvalidStudy: An option, the pruning direction, a metric's name or a constraint between
            parameters is invalid, no point satisfies these, the sampler does not suit the study,
            or it has too many objectives for its pruner.
        InvalidBudget: A budget does not fit the number of objectives.
    """
    sampler = definition.sampler or settings.DEFAULT_SAMPLER
    pruner = definition.pruner or settings.DEFAULT_PRUNER
    check_options(definition, sampler, pruner)
    n_objectives = len(definition.directions)
    kind = SAMPLERS[sampler]
    sampler_options = kind.complete(definition.sampler_options or {})
    space = constrained_space(definition.search_space, definition.parameter_constraints or ())
    _check_suits(definition, sampler, sampler_options, space)
    n_repeats = 1 if definition.repeats is None else definition.repeats["n"]
    check_budgets(definition.life, n_objectives=n_objectives, n_repeats=n_repeats)
    check_metric_names(definition.metric_names, n_objectives=n_objectives)
    if definition.pruning_direction and n_objectives == 1:
        detail = "pruning_direction is for several objectives; with one, the direction applies"
        raise InvalidStudy(detail, [(("pruning_direction",), detail)])
    if n_objectives > 1 and not definition.pruning_direction:
        pruner, pruner_options = NO_PRUNER, {}  # Optuna prunes single-objective studies only
    else:
        _check_objectives(n_objectives, pruner)
        pruner_options = PRUNERS[pruner].complete(definition.pruner_options or {})
    if kind.shares_seed(sampler_options) and sampler_options["seed"] is None:
        sampler_options["seed"] = secrets.randbits(32)
    duplicates = definition.duplicates
    if kind.visits_each_point:
        _check_duplicates(sampler, duplicates)
        duplicates = Duplicates.AVOID
    life = {"lease_seconds": settings.DEFAULT_LEASE_SECONDS, **definition.life}
    user_attrs = dict(definition.user_attrs or {})
    metric_names = definition.metric_names and list(definition.metric_names)
    first = {"user_attrs": user_attrs, "metric_names": metric_names}
    return Study(
        name=definition.name,
        directions=definition.directions,
        direction_is_list=not isinstance(definition.direction, str | None),
        search_space=list(definition.search_space),
        distributions=space.distributions_json(),
        sampler=sampler,
        sampler_options=sampler_options,
        pruner=pruner,
        pruner_options=pruner_options,
        user_attrs=user_attrs,
        metric_names=metric_names,
        tags=list(definition.tags or []),
        note=definition.note or "",
        constraints=list(definition.constraints or []),
        parameter_constraints=list(definition.parameter_constraints or []),
        duplicates=duplicates or Duplicates.ALLOW,
        pruning_direction=definition.pruning_direction or "",
        repeats=definition.repeats and dict(definition.repeats),
        created_with={name: as_json(value) for name, value in life.items()}
        | {name: value for name, value in first.items() if value is not None},
        **life,
    )


def check_sampler_is_installed(sampler: str) -> None:
    """Raise `InvalidStudy` if a part of the installation that the sampler needs is missing."""
    if missing := SAMPLERS[sampler].missing:
        detail = f"the sampler {sampler} is not available here: {missing}"
        raise InvalidStudy(detail, [(("sampler",), detail)])


def _check_suits(
    definition: Definition, sampler: str, options: Mapping[str, Any], space: SearchSpace
) -> None:
    """Raise `InvalidStudy` if the sampler cannot draw for the study."""
    fault = SAMPLERS[sampler].fault_of_study(
        StudyTraits(
            space=space,
            n_objectives=len(definition.directions),
            n_constraints=len(definition.constraints or ()),
            options=options,
        )
    )
    if fault is not None:
        detail = f"the sampler {sampler} does not suit the study: {fault}; choose another one"
        raise InvalidStudy(detail, [(("sampler",), detail)])


def _check_duplicates(sampler: str, duplicates: str | None) -> None:
    """Raise `InvalidStudy` if duplicates are allowed to a sampler that visits each point once."""
    if duplicates == Duplicates.ALLOW:
        detail = f'the sampler {sampler} visits each point once: leave it out, or send "avoid"'
        raise InvalidStudy(f"duplicates: {detail}", [(("duplicates",), detail)])


def _check_objectives(n_objectives: int, pruner: str) -> None:
    if n_objectives > 1 and PRUNERS[pruner].needs_best:
        detail = (
            f"the pruner {pruner} compares a trial with the best one, and several objectives have "
            "none; choose another pruner"
        )
        raise InvalidStudy(detail, [(("pruner",), detail)])


def check_options(definition: Definition, sampler: str, pruner: str | None) -> None:
    """Check the sampler and pruner options of a definition.

    Args:
        definition: The definition.
        sampler: The sampler to which the sampler options apply.
        pruner: The pruner to which the pruner options apply; None means that they are not checked.

    Raises:
        InvalidStudy: An option does not exist or has an invalid value.
    """
    faults = list(_faults("sampler", sampler, SAMPLERS, definition.sampler_options))
    if pruner is not None:
        faults += _faults("pruner", pruner, PRUNERS, definition.pruner_options)
    if faults:
        raise InvalidStudy(str(faults[0]), faults)


def _faults(
    what: str, name: str, registry: Mapping[str, Kind], options: Mapping[str, Any] | None
) -> Iterator[FieldError]:
    for option, fault in registry[name].faults(options or {}):
        yield FieldError((f"{what}_options", option), f"{what} {name}: {fault}")


def as_json(value: Any) -> Any:
    """Return a budget, lease or number of retries in the form stored in `created_with`."""
    return value.isoformat() if isinstance(value, datetime) else value
