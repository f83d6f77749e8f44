"""Changing the search space of a study that has trials."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import IntegerField, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from access.actors import Actor
from access.models.audit_entry import Action, AuditEntry, SubjectKind
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.changes import SpaceChange, SpaceChanges, SpaceRequest
from optuna_bridge.space.comparison import differing_parameters
from studies.domain.audit import record_study
from studies.domain.budgets import SPACE_EXHAUSTED
from studies.domain.parameter_constraints import constrained_space
from studies.errors import (
    InvalidStudy,
    SearchSpaceChanged,
    SearchSpaceIncompatible,
    TooManySearchSpaces,
)
from studies.models import SearchSpaceVersion, Study
from tuner_project.db.pages import first_bytes
from tuner_project.json_values import same_json

MAX_VERSIONS = 1000
MAX_BYTES = 16 * 2**20  # of all versions
_SIZE = "500 + octet_length(search_space::text)"

# Called in the transaction of the change, with the locked study as it is now, the change, and the
# values of new parameters. The app of trials, which depends on this one, adds its function.
HOOKS: list[Callable[[Study, SpaceChange, Mapping[str, Any]], None]] = []

_ORIGINS = (Action.CREATED, Action.IMPORTED, Action.CLONED, Action.ADOPTED)


def change_search_space(
    study: Study, request: SpaceRequest | None, if_version: int | None, *, actor: Actor
) -> None:
    """Give a locked study another search space; do nothing if it is that of now.

    Trials keep their parameters, and running ones go on. Earlier trials get the request's defaults
    of new parameters, and later ones the values of retired parameters. Both schemas change in the
    caller's transaction.

    Raises:
        SearchSpaceChanged: The version is not `if_version`, if one is given.
        InvalidStudy: A value of a new or a retired parameter is missing or wrong, or the space does
            not suit the sampler, or the constraints between parameters.
        SearchSpaceIncompatible: A parameter has another type, scale or condition than before.
        TooManySearchSpaces: The study has had MAX_VERSIONS search spaces.
    """
    if request is not None and is_current(study, request):
        return  # also if the request is repeated, and names the version before
    _check_version(study, if_version)
    if request is None:
        return
    change = _change(study, request)
    _check_room(study, request)
    if not study.search_space_versions.exists():
        first_version(study).save()
    apply_change(study, request, change)
    _check_suits(study)
    study.save(update_fields=Study.SPACE)
    version = version_of(study, request.defaults)
    version.created_at, version.actor = study.now, _name_of(actor)
    version.save()
    for hook in HOOKS:
        hook(study, change, request.defaults)
    if study.state_reason == SPACE_EXHAUSTED:
        study.state_reason = ""  # points may be left now, so that it can be resumed
        study.save(update_fields=["state_reason"])
    record_study(actor, Action.CHANGED, study, search_space_version=study.search_space_version)


def is_current(study: Study, request: SpaceRequest) -> bool:
    """Return whether a request describes the study's search space of now."""
    retired = study.current.constants
    is_same = same_json({**retired, **request.retired}, dict(retired))
    return is_same and not any(differing_parameters(study.current.parameters, request.parameters))


def apply_change(study: Study, request: SpaceRequest, change: SpaceChange) -> None:
    """Set the fields of a study to its next search space."""
    study.search_space = change.stored
    study.search_space_version += 1
    study.current_space = {"parameters": list(request.parameters), "retired": change.retired}
    if study.best_internal_params is not None:
        study.best_internal_params = change.converted(study.best_internal_params)
    study.forget_space()
    study.distributions = study.space.distributions_json()


def constrain(study: Study, texts: Sequence[str]) -> None:
    """Give a study that is not stored yet the constraints between the parameters of all versions.

    Raises:
        InvalidStudy: They, or the sampler, do not suit the search space of now, in which a retired
            parameter counts with its value.
    """
    study.parameter_constraints = list(texts)
    study.forget_space()
    _check_suits(study)


def versions_of(study: Study, limit: int, offset: int) -> tuple[list[SearchSpaceVersion], int]:
    """Return a page of the versions of a study's search space, the latest first, and how many."""
    if study.search_space_version == 1:
        return [first_version(study)][offset : offset + limit], 1
    stored = study.search_space_versions.order_by("-version")
    most: int = settings.MAX_PAGE_BYTES
    found = first_bytes(stored, offset, offset + limit, size=_SIZE, most=most)
    return list(found), study.search_space_version


def first_version(study: Study) -> SearchSpaceVersion:
    """Return the version of a study whose search space has never changed; it is not stored yet."""
    version = version_of(study)
    of_study = AuditEntry.objects.filter(subject_id=study.id, kind=SubjectKind.STUDY)
    entry = of_study.filter(action__in=_ORIGINS).order_by("id").first()
    version.actor = "" if entry is None else entry.actor  # the audit may have been purged
    return version


def version_of(study: Study, defaults: Mapping[str, Any] | None = None) -> SearchSpaceVersion:
    """Return the current version of a study's search space, of the time of its creation."""
    return SearchSpaceVersion(
        study=study,
        version=study.search_space_version,
        created_at=study.created_at,
        search_space=study.current.parameters,
        defaults=dict(defaults or {}),
        retired=dict(study.current.constants),
    )


def _check_version(study: Study, if_version: int | None) -> None:
    if if_version not in (None, study.search_space_version):
        version = study.search_space_version
        detail = f'the search space of study "{study.name}" has version {version}, not {if_version}'
        raise SearchSpaceChanged(f"{detail}: read it again", search_space_version=version)


def _check_room(study: Study, request: SpaceRequest) -> None:
    """Raise `TooManySearchSpaces` if the versions would be too many, or too large together."""
    sizes = study.search_space_versions.annotate(size=RawSQL(_SIZE, (), IntegerField()))  # noqa: S611
    used: int = sizes.aggregate(total=Coalesce(Sum("size"), 0))["total"]
    size = len(json.dumps(list(request.parameters)))
    if study.search_space_version >= MAX_VERSIONS or used + size > MAX_BYTES:
        raise TooManySearchSpaces(
            f'study "{study.name}" has had {study.search_space_version} search spaces; at most '
            f"{MAX_VERSIONS}, and together {MAX_BYTES} bytes, are kept: clone the study"
        )


def _change(study: Study, request: SpaceRequest) -> SpaceChange:
    changes = SpaceChanges(study.search_space, study.current.constants)
    if faults := changes.faults(request):
        raise InvalidStudy(faults[0][1], faults)
    if conflicts := changes.conflicts(request):
        raise SearchSpaceIncompatible(
            f"{_some(conflicts)}. Its trials would have no place in such a space: clone the study "
            f"(POST /studies/{study.name}/clone) with it, which keeps the trials that fit"
        )
    return changes.apply(request)


def _some(conflicts: Sequence[str]) -> str:
    return "; ".join(conflicts)[:2000]


def _check_suits(study: Study) -> None:
    """Raise `InvalidStudy` if the study's sampler cannot draw from its new space.

    No sampler can where no point satisfies the constraints between parameters, in which a retired
    parameter counts with its value.
    """
    constrained_space(study.current.space.parameters, study.parameter_constraints)
    kind = SAMPLERS[study.sampler]
    fault = kind.fault_of_study(
        StudyTraits(
            space=study.current.space,
            n_objectives=len(study.directions),
            n_constraints=len(study.constraints),
            options=kind.complete(study.sampler_options),
        )
    )
    if fault is not None:
        detail = f"the sampler {study.sampler} does not suit the search space: {fault}"
        raise InvalidStudy(detail, [(("search_space",), detail)])


def _name_of(actor: Actor) -> str:
    """Return an actor as the audit names it."""
    return f"{actor.kind} {actor.name}".strip()
