"""Request bodies of the endpoints of studies."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.enums import Direction
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS, missing_samplers
from optuna_bridge.space.parameter_constraints.constraints import (
    MAX_CONSTRAINTS as MAX_PARAMETER_CONSTRAINTS,
)
from optuna_bridge.space.parameter_constraints.parser import MAX_CHARACTERS
from studies.api.definition.description_fields import NoteField, TagsField
from studies.api.definition.fields import (
    MAX_NAME,
    MAX_OBJECTIVES,
    DirectionField,
    NameField,
    PrunerOptionsField,
    SamplerOptionsField,
)
from studies.api.definition.life_serializers import LifeSerializer
from studies.api.definition.parameter_serializers import ParameterField
from studies.api.definition.repeats_serializers import RepeatsSerializer
from studies.api.definition.warm_start_serializers import WarmStartSerializer
from studies.api.definition.when_field import check_conditions
from studies.domain import Definition
from studies.enums import Duplicates
from studies.models import Study
from tuner_project.rest.serializers import (
    AttributesField,
    ReasonField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    UserAttributesField,
)

MAX_PARAMETERS = 1000
MAX_CONSTRAINTS = 100


def _unavailable_samplers() -> str | None:
    """Return what the OpenAPI document says of samplers that this installation lacks."""
    missing = [f"{name} ({why})" for name, why in missing_samplers().items()]
    return f"Not available here: {', '.join(missing)}." if missing else None


class MetricNamesField(serializers.ListField):
    """The names of the objectives, in their order: as many as directions, and unique."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=StrictCharField(max_length=MAX_NAME),
            required=False,
            min_length=1,
            max_length=MAX_OBJECTIVES,
            help_text="A name for each objective, which plots, pages, CSV and `/best` show.",
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> list[str]:
        names: list[str] = super().to_internal_value(data)
        if len(set(names)) < len(names):
            raise serializers.ValidationError("two objectives have the same name; names are unique")
        return names


class ParameterConstraintsField(serializers.ListField):
    """Constraints between parameters; the domain checks them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=StrictCharField(max_length=MAX_CHARACTERS),
            required=False,
            max_length=MAX_PARAMETER_CONSTRAINTS,
            help_text="Comparisons of parameters that each trial satisfies, such as "
            "`layers * width <= 4096`: names, numbers, `+ - * /`, `< <= > >= == !=`, `and`. A name "
            "with other characters than letters, digits, `_` and `.` stands in backquotes.",
            **kwargs,
        )


class DefinitionSerializer(LifeSerializer):
    """A study's definition, without its name."""

    search_space = serializers.ListField(
        child=ParameterField(), min_length=1, max_length=MAX_PARAMETERS
    )
    direction = DirectionField(
        required=False,
        help_text="One direction, or a list with one for each objective. Default: maximize.",
    )
    sampler = serializers.ChoiceField(
        choices=list(SAMPLERS), required=False, help_text=_unavailable_samplers()
    )
    sampler_options = SamplerOptionsField(required=False)
    pruner = serializers.ChoiceField(choices=list(PRUNERS), required=False)
    pruner_options = PrunerOptionsField(required=False)
    user_attrs: AttributesField = UserAttributesField(required=False)
    metric_names = MetricNamesField()
    tags = TagsField()
    note = NoteField()
    constraints = serializers.ListField(
        child=StrictCharField(max_length=MAX_NAME),
        required=False,
        max_length=MAX_CONSTRAINTS,
        help_text="Names of the constraints. Each result has one number for each; a constraint "
        "is satisfied if its number is at most 0.",
    )
    parameter_constraints = ParameterConstraintsField()
    duplicates = serializers.ChoiceField(
        choices=Duplicates.choices,
        required=False,
        help_text="Whether trials may repeat points. With `avoid`, if a finished, running or "
        "queued trial has the suggested point, the sampler draws again, a few times; if all draws "
        "repeat points, and the space has at most 100,000 points, an unused one is chosen. "
        "Default: allow.",
    )
    pruning_direction = serializers.ChoiceField(
        choices=Direction.choices,
        required=False,
        help_text="For several objectives: the direction of the intermediate values, by which the "
        "pruner decides.",
    )

    repeats = RepeatsSerializer(
        required=False,
        allow_null=True,
        help_text="For noisy objectives: each point is handed out `n` times, and samplers, `/best` "
        "and the Pareto front judge it by the aggregate of its repeats. null or left out: once.",
    )

    def validate_search_space(self, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names: set[str] = set()
        for parameter in parameters:
            if parameter["name"] in names:
                raise serializers.ValidationError(
                    f"two parameters are named {parameter['name']!r}; names are unique"
                )
            names.add(parameter["name"])
        check_conditions(parameters)
        return parameters

    def validate_constraints(self, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise serializers.ValidationError(
                "two constraints have the same name; names are unique"
            )
        return names


class CreateStudySerializer(DefinitionSerializer):
    """The definition of a study to create."""

    name = NameField()
    warm_start = WarmStartSerializer(
        required=False,
        allow_null=True,
        help_text="Begin with the best trials of earlier studies. Ignored if the study exists.",
    )
    load_if_exists = StrictBooleanField(
        required=False, help_text="Load an existing study if its definition agrees. Default: true."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        load_if_exists = attrs.pop("load_if_exists", True)
        warm_start = attrs.pop("warm_start", None)
        given = {name: attrs.pop(name) for name in Study.LIFE if name in attrs}
        # Null means "left out" for a budget; only for the lease it is a value.
        life = {k: value for k, value in given.items() if value is not None or k == "lease_seconds"}
        definition = Definition(**attrs, life=life)
        return {
            "definition": definition,
            "load_if_exists": load_if_exists,
            "warm_start": warm_start,
        }


class TransitionSerializer(StrictSerializer):
    """The reason of a change of state."""

    reason = ReasonField()


class CompleteStudySerializer(TransitionSerializer):
    """The completion of a study."""

    stop_running = StrictBooleanField(
        required=False,
        help_text="Whether reports and heartbeats of running trials return `should_stop` from now "
        "on. Default: the study's `stop_running`, which is replaced.",
    )
