"""Creating a study, or loading the existing one of the same name."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction

from access.actors import Actor
from access.errors import InsufficientScope
from access.models.audit_entry import Action
from access.scopes import Scope
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.comparison import are_same_constraints, differing_parameters
from studies.domain.audit import record_study
from studies.domain.definition import (
    Definition,
    as_json,
    check_options,
    check_sampler_is_installed,
    new_study,
)
from studies.domain.limits import check_room_for_study
from studies.domain.warm_start import WarmStart, add_warm_start
from studies.errors import StudyConflict, StudyExists
from studies.models import NamedStudy, Study, check_seen
from tuner_project.json_values import same_json


def create_study(
    *,
    actor: Actor,
    definition: Definition,
    load_if_exists: bool = True,
    warm_start: WarmStart | None = None,
) -> tuple[Study, bool]:
    """Create a study, or load the existing one of the same name.

    Only a new study begins with the trials of `warm_start`.

    Returns:
        The study, and whether it is new.

    Raises:
        InsufficientScope: There is no such study, and the actor may not create one.
        InvalidStudy: An option does not exist or has an invalid value, the sampler is missing, or
            the trials of a study in `warm_start` cannot be used.
        BudgetExceeded, TooManyTrials: There is no room for the trials of `warm_start`.
        StudyConflict: The existing study differs in a field that the definition contains.
        StudyExists: The name exists, and `load_if_exists` is false.
        StudyNotFound: The actor may not see studies of this name.
        TooManyStudies: MAX_STUDIES is reached.
    """
    stored = Study.objects.seen_by(actor).filter(name=definition.name).first()
    if stored is None:
        _check_may_create(definition.name, actor)
        study = new_study(definition)
        check_sampler_is_installed(study.sampler)
        check_room_for_study()
        try:
            _store(study, actor, warm_start)
            return study if warm_start is None else NamedStudy(study.name).one(), True
        except IntegrityError:  # created concurrently, or by stock Optuna in its schema
            stored = Study.objects.filter(name=definition.name).first()
            if stored is None:
                raise StudyExists(
                    f'study "{definition.name}" exists in Optuna\'s schema only; '
                    "adopt it with check_optuna --adopt"
                ) from None
    if not load_if_exists:
        raise StudyExists(f'study "{stored.name}" exists; send load_if_exists: true to load it')
    # The requested pruner of a study that cannot prune is not stored: it was replaced by "none".
    pruner = definition.pruner or (stored.pruner if stored.can_prune else None)
    checked = definition
    if pruner == stored.pruner:  # an option that is left out is the study's
        options = {**stored.pruner_options, **_given(definition.pruner_options)}
        checked = replace(definition, pruner_options=options)
    check_options(checked, definition.sampler or stored.sampler, pruner)
    differing = list(_differences(stored, definition))
    if differing:
        raise StudyConflict(
            f'study "{stored.name}" exists and differs: {"; ".join(differing):.2000}. Clone it '
            "under another name to go on with its trials and another definition"
        )
    return stored, False


def _check_may_create(name: str, actor: Actor) -> None:
    if not actor.scope.includes(Scope.MANAGE):
        raise InsufficientScope(
            f'there is no study "{name}", and creating one needs the scope "manage"; '
            f'"{actor.name}" has "{actor.scope}"'
        )
    check_seen(name, actor)


@transaction.atomic
def _store(study: Study, actor: Actor, request: WarmStart | None) -> None:
    study.save(force_insert=True)
    about = {"sampler": study.sampler, "pruner": study.pruner}
    record_study(actor, Action.CREATED, study, **about, parameters=len(study.search_space))
    if request is not None:
        add_warm_start(actor, study, request)


def _differences(study: Study, definition: Definition) -> Iterator[str]:
    """Yield descriptions of the fields in the definition that differ from the stored study.

    For fields that can be changed, the initial value is accepted as well, so that workers can
    repeat the same create request after a budget was changed.
    """
    yield from differing_parameters(study.current.parameters, definition.search_space)
    if definition.direction is not None and study.directions != definition.directions:
        yield f"direction is {study.direction!r}, not {definition.direction!r}"
    if definition.sampler not in (None, study.sampler):
        yield f"sampler is {study.sampler!r}, not {definition.sampler!r}"
    options = _given(definition.sampler_options)
    kind = SAMPLERS[study.sampler]
    # A value that the stored null stands for is no difference.
    meant = kind.effective(
        StudyTraits(
            space=study.space,
            n_objectives=len(study.directions),
            n_constraints=len(study.constraints),
            options=kind.complete(study.sampler_options),
        )
    )
    options = {key: value for key, value in options.items() if not _is_same(meant, key, value)}
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
        if not _is_same(first, key, value)
    }
    yield from _differing("user_attrs", study.user_attrs, attrs)
    names, first = definition.metric_names, study.created_with.get("metric_names")
    if names is not None and list(names) not in (study.metric_names, first):
        yield f"metric_names are {study.metric_names!r}, not {list(names)!r}"
    constraints = definition.constraints
    if constraints is not None and sorted(constraints) != sorted(study.constraints):
        yield f"constraints are {study.constraints!r}, not {list(constraints)!r}"
    texts, stored = definition.parameter_constraints, study.parameter_constraints
    if texts is not None and not are_same_constraints(stored, texts, study.space.distributions):
        yield f"parameter_constraints are {stored!r:.500}, not {list(texts)!r:.500}"
    for name in ("duplicates", "pruning_direction"):
        given, stored = getattr(definition, name), getattr(study, name)
        if given not in (None, stored):
            yield f"{name} is {stored or None!r}, not {given!r}"
    if definition.repeats is not None and study.repeats != definition.repeats:
        yield f"repeats are {study.repeats!r}, not {dict(definition.repeats)!r}"
    for name, value in definition.life.items():
        given, stored = as_json(value), as_json(getattr(study, name))
        if given not in (stored, study.created_with.get(name, stored)):
            yield f"{name} is {stored!r}, not {given!r}"


def _given(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {key: value for key, value in (options or {}).items() if value is not None}


def _is_same(options: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in options and same_json(options[key], value)


def _differing(what: str, stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if key not in stored:
            yield f"{what}.{key} is not set, but {value!r} is requested"
        elif not _is_same(stored, key, value):
            yield f"{what}.{key} is {stored[key]!r}, not {value!r}"
