"""OpenAPI schemas of the options, derived from the registries of samplers and pruners."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from optuna_bridge.options import Kind, Option


def options_schema(what: str, registry: Mapping[str, Kind]) -> PolymorphicProxySerializer:
    """Return the schema of the options of all samplers or pruners.

    The study's field `sampler` or `pruner` determines which alternative applies.

    Args:
        what: `sampler` or `pruner`.
        registry: The kinds by name.
    """
    return PolymorphicProxySerializer(
        component_name=f"{what.capitalize()}Options",
        serializers=[_serializer(what, name, kind) for name, kind in registry.items()],
        resource_type_field_name=None,
    )


def _serializer(what: str, name: str, kind: Kind) -> type[serializers.Serializer[Any]]:
    fields = {option_name: _field(option) for option_name, option in kind.options.items()}
    doc = f"The options of {what} `{name}`."
    camel_case = "".join(word.capitalize() for word in name.split("_"))
    class_name = f"{camel_case}{what.capitalize()}OptionsSerializer"
    return type(class_name, (serializers.Serializer,), {**fields, "__doc__": doc})


def _field(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    common: dict[str, Any] = {
        "required": False,
        "allow_null": True,
        "help_text": f"{option.help} Default: {option.default}.",
    }
    bounds: dict[str, Any] = {"min_value": option.minimum, "max_value": option.maximum}
    match option.type:
        case "int":
            return serializers.IntegerField(**common, **bounds)
        case "float":
            return serializers.FloatField(**common, **bounds)
        case "bool":
            return serializers.BooleanField(**common)
        case "choice":
            return serializers.ChoiceField(choices=option.choices, **common)
