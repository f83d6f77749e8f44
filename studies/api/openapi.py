"""Studies in the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from tuner_project.extensions import Links

STUDY = {"study_name": "$response.body#/study_name"}  # the parameters of an operation on it


def after_creation(*operations: str) -> Links:
    """The links from a study that was created, or was there already, to operations on it."""
    leads_to = dict.fromkeys(operations, STUDY)
    return {("createStudy", "201"): leads_to, ("createStudy", "200"): leads_to}


LINKS = after_creation("getStudy", "updateStudy", "pauseStudy", "resumeStudy", "deleteStudy")
PROBLEM_MEMBERS: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "reason": serializers.CharField(
        required=False, allow_null=True, help_text="Of a study that hands out nothing: why."
    ),
    "allowed": serializers.ListField(
        child=serializers.CharField(), required=False, help_text="What is possible instead."
    ),
}


def let_options_overlap(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: options are of any kind, as most kinds take `{"seed": 1}` and `{}`."""
    for name in ("SamplerOptions", "PrunerOptions"):
        schema = result["components"]["schemas"].get(name, {})
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
    return result
