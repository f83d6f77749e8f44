"""The lines with the versions of a study's search space, which follow the study's own line.

There are none if the space has never changed. The space in which trials are stored is not in the
file: it follows from the versions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rest_framework import serializers

from optuna_bridge.space.changes import SpaceChanges, SpaceRequest
from optuna_bridge.space.comparison import differing_parameters
from studies.api.request_serializers import MAX_PARAMETERS, DefinitionSerializer
from studies.domain.change_search_space import MAX_BYTES, apply_change
from studies.models import SearchSpaceVersion, Study
from transfer.file.format import Document, moment
from transfer.file.line import BadLine, Line
from transfer.file.lines import StoredParameterField
from tuner_project.errors import FieldError
from tuner_project.rest.serializers import (
    AttributesField,
    StrictCharField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
)

KIND = "search_space_version"
MOST_BYTES = 2 * MAX_BYTES  # of the lines, which have more than the spaces


def version_line(version: SearchSpaceVersion) -> Document:
    """Return the line of a version."""
    return {
        "kind": KIND,
        "version": version.version,
        "datetime": moment(version.created_at),
        "actor": version.actor or None,
        "search_space": version.search_space,
        "defaults": version.defaults,
        "retired": version.retired,
    }


class _VersionLineSerializer(StrictSerializer):
    """A version of a study's search space."""

    kind = serializers.ChoiceField(choices=[KIND])
    version = StrictIntegerField(min_value=1)
    datetime = StrictDateTimeField()
    actor = StrictCharField(required=False, max_length=160)
    search_space = serializers.ListField(
        child=StoredParameterField(), min_length=1, max_length=MAX_PARAMETERS
    )
    defaults = AttributesField(required=False)
    retired = AttributesField(required=False)

    validate_search_space = DefinitionSerializer.validate_search_space


_VERSION = _VersionLineSerializer()


def read_versions(study: Study, n: int, next_line: Callable[[], Line]) -> list[SearchSpaceVersion]:
    """Read the lines of n versions, and give the study, which is not stored yet, its space by them.

    Returns:
        The versions, to be stored with the study.

    Raises:
        BadLine: A line is invalid, or is not of the next version.
    """
    versions, n_bytes = [], 0
    for version in range(1, n + 1):
        line = next_line()
        if line.kind != KIND:
            raise line.bad(f"expected version {version} of the search space", "kind")
        attrs = line.read(_VERSION)
        n_bytes += line.size
        if attrs["version"] != version:
            raise line.bad(f"expected {version}, not {attrs['version']}", "version")
        if n_bytes > MOST_BYTES:
            raise line.bad(f"the versions have more than {MOST_BYTES} bytes", "version")
        if faults := _add_version(study, attrs):
            raise BadLine.at(line.number, faults)
        versions.append(_stored_version(study, attrs))
    return versions


def _add_version(study: Study, attrs: Mapping[str, Any]) -> list[FieldError]:
    """Give a study that is not stored yet its next version; return the faults of that version.

    Before the first version, the study's space is that of its own line.
    """
    if attrs["version"] == 1:
        study.search_space = list(attrs["search_space"])
        study.forget_space()
        study.distributions = study.space.distributions_json()
        return []
    request = SpaceRequest(
        attrs["search_space"], attrs.get("defaults", {}), attrs.get("retired", {})
    )
    changes = SpaceChanges(study.search_space, study.current.constants)
    faults = [FieldError(*each) for each in changes.faults(request)]
    faults += [FieldError(("search_space",), text) for text in changes.conflicts(request)]
    if not faults:
        apply_change(study, request, changes.apply(request))
    return faults


def unlike_last(study: Study, given: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Return the differences between the study's last version and the space in its own line."""
    differing = differing_parameters(study.current.parameters, given)
    return [FieldError(("search_space",), f"the last version: {each}") for each in differing]


def _stored_version(study: Study, attrs: Mapping[str, Any]) -> SearchSpaceVersion:
    """Return a version as it is stored with the study."""
    return SearchSpaceVersion(
        study=study,
        version=attrs["version"],
        created_at=attrs["datetime"],
        actor=attrs.get("actor") or "",
        search_space=list(attrs["search_space"]),
        defaults=attrs.get("defaults", {}),
        retired=attrs.get("retired", {}),
    )
