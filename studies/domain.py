"""What can be done with a study."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from optuna_bridge.enums import Direction
from optuna_bridge.options import Kind
from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.search_space import Parameter, SearchSpace, same_space
from studies.errors import InvalidStudy, StudyConflict, StudyExists
from studies.lifecycle import check_budgets
from studies.limits import check_room_for_study
from studies.models import Duplicates, NamedStudy, Study, StudyQuerySet, check_seen
from tuner_project.json_values import same_json
from tuner_project.rest.problems import escaped


@dataclass(frozen=True)
class Definition:
    """A study as somebody wants it; None is what they left out."""

    name: str
    search_space: Sequence[Parameter]
    direction: str | Sequence[str] | None = None
    sampler: str | None = None
    sampler_options: Mapping[str, Any] | None = None
    pruner: str | None = None
    pruner_options: Mapping[str, Any] | None = None
    constraints: Sequence[str] | None = None
    duplicates: str | None = None
    pruning_direction: str | None = None
    user_attrs: Mapping[str, Any] | None = None
    # What of budgets, retries and lease is given; a lease of None is one that never runs out.
    life: Mapping[str, Any] = field(default_factory=dict)

    @property
    def directions(self) -> list[str]:
        if self.direction is None:
            return [Direction.MAXIMIZE.value]
        return [self.direction] if isinstance(self.direction, str) else list(self.direction)


def create_study(*, definition: Definition, load_if_exists: bool = True) -> tuple[Study, bool]:
    """Create the study, or load the one of its name; answers it, and whether it is new.

    Raises:
        InvalidStudy: an option does not exist, or does not fit.
        StudyConflict: the stored study is defined otherwise; only what is given is compared.
        StudyExists: there is one, and `load_if_exists` is false.
        StudyNotFound: the caller may not see studies of its name.
        TooManyStudies
    """
    check_seen(definition.name)
    stored = Study.objects.filter(name=definition.name).first()
    if stored is None:
        study = new_study(definition)
        check_room_for_study()
        try:
            with transaction.atomic():
                study.save(force_insert=True)
            return study, True
        except IntegrityError:  # somebody was faster, or made it with stock Optuna
            stored = Study.objects.filter(name=definition.name).first()
            if stored is None:
                raise StudyExists(
                    f'study "{definition.name}" exists in Optuna\'s schema only; '
                    "check_optuna --adopt brings it in"
                ) from None
    if not load_if_exists:
        raise StudyExists(f'study "{stored.name}" exists; send load_if_exists: true to load it')
    # Which pruner a study that prunes nothing was created with is not known: it became "none".
    pruner = definition.pruner or (stored.pruner if stored.can_prune else None)
    _check_options(definition, definition.sampler or stored.sampler, pruner)
    differing = list(_differences(stored, definition))
    if differing:
        raise StudyConflict(f'study "{stored.name}" exists and differs: {"; ".join(differing)}')
    return stored, False


@transaction.atomic
def delete_studies(*, studies: StudyQuerySet) -> int:
    """Delete the studies of a query from both schemas, with their trials; answers how many.

    In the order of their ids, so that two of these cannot wait for each other.
    """
    return studies.order_by("id").delete()[1].get("studies.Study", 0)


@transaction.atomic
def delete_study(*, named: NamedStudy) -> None:
    """Delete the study of a name; raises `StudyNotFound`."""
    named.one().delete()


def new_study(definition: Definition) -> Study:
    """A study as it is defined, which is not stored yet; raises `InvalidStudy`, `InvalidBudget`."""
    sampler = definition.sampler or settings.DEFAULT_SAMPLER
    pruner = definition.pruner or settings.DEFAULT_PRUNER
    _check_options(definition, sampler, pruner)
    n_objectives = len(definition.directions)
    check_budgets(definition.life, n_objectives=n_objectives)
    if definition.pruning_direction and n_objectives == 1:
        detail = "pruning_direction is for several objectives; one is pruned by its own direction"
        raise InvalidStudy(detail, [("/pruning_direction", detail)])
    if n_objectives > 1 and not definition.pruning_direction:
        pruner, pruner_options = "none", {}  # Optuna prunes single objectives only
    else:
        pruner_options = PRUNERS[pruner].complete(definition.pruner_options or {})
    sampler_options = SAMPLERS[sampler].complete(definition.sampler_options or {})
    if sampler_options.get("scramble") and sampler_options["seed"] is None:
        # Every process must draw from the same scrambled sequence.
        sampler_options["seed"] = secrets.randbits(32)
    life = {"lease_seconds": settings.DEFAULT_LEASE_SECONDS, **definition.life}
    user_attrs = dict(definition.user_attrs or {})
    return Study(
        name=definition.name,
        directions=definition.directions,
        direction_is_list=not isinstance(definition.direction, str | None),
        search_space=list(definition.search_space),
        distributions=SearchSpace(definition.search_space).distributions_json(),
        sampler=sampler,
        sampler_options=sampler_options,
        pruner=pruner,
        pruner_options=pruner_options,
        user_attrs=user_attrs,
        constraints=list(definition.constraints or []),
        duplicates=definition.duplicates or Duplicates.ALLOW,
        pruning_direction=definition.pruning_direction or "",
        created_with={name: as_json(value) for name, value in life.items()}
        | {"user_attrs": user_attrs},
        **life,
    )


def _check_options(definition: Definition, sampler: str, pruner: str | None) -> None:
    faults = list(_faults("sampler", sampler, SAMPLERS, definition.sampler_options))
    if pruner is not None:
        faults += _faults("pruner", pruner, PRUNERS, definition.pruner_options)
    if faults:
        pointer, detail = faults[0]
        raise InvalidStudy(f"{pointer}: {detail}", faults)


def _faults(
    what: str, name: str, registry: Mapping[str, Kind], options: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    for option, fault in registry[name].faults(options or {}):
        yield f"/{what}_options/{escaped(option)}", f"{what} {name}: {fault}"


def _differences(study: Study, definition: Definition) -> Iterator[str]:
    """What the definition gives and the stored study has otherwise, in words.

    What may be changed may also be given as it was at first: the call with which workers start
    stays right when somebody has changed a budget.
    """
    if not same_space(study.search_space, definition.search_space):
        yield "search_space"
    if definition.direction is not None and study.directions != definition.directions:
        yield f"direction is {study.direction!r}, not {definition.direction!r}"
    if definition.sampler not in (None, study.sampler):
        yield f"sampler is {study.sampler!r}, not {definition.sampler!r}"
    options = _given(definition.sampler_options)
    yield from _differing("sampler_options", study.sampler_options, options)
    if study.can_prune:
        if definition.pruner not in (None, study.pruner):
            yield f"pruner is {study.pruner!r}, not {definition.pruner!r}"
        options = _given(definition.pruner_options)
        yield from _differing("pruner_options", study.pruner_options, options)
    first = study.created_with.get("user_attrs", {})
    attrs = {
        key: value
        for key, value in (definition.user_attrs or {}).items()
        if key not in first or not same_json(first[key], value)
    }
    yield from _differing("user_attrs", study.user_attrs, attrs)
    constraints = definition.constraints
    if constraints is not None and sorted(constraints) != sorted(study.constraints):
        yield f"constraints are {study.constraints!r}, not {list(constraints)!r}"
    for name in ("duplicates", "pruning_direction"):
        given, stored = getattr(definition, name), getattr(study, name)
        if given not in (None, stored):
            yield f"{name} is {stored or None!r}, not {given!r}"
    for name, value in definition.life.items():
        given, stored = as_json(value), as_json(getattr(study, name))
        if given not in (stored, study.created_with.get(name, stored)):
            yield f"{name} is {stored!r}, not {given!r}"


def as_json(value: Any) -> Any:
    """A budget, a lease or a number of retries as `created_with` has it."""
    return value.isoformat() if isinstance(value, datetime) else value


def _given(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {key: value for key, value in (options or {}).items() if value is not None}


def _differing(what: str, stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if key not in stored:
            yield f"{what}.{key} is not there, and not {value!r}"
        elif not same_json(stored[key], value):
            yield f"{what}.{key} is {stored[key]!r}, not {value!r}"
