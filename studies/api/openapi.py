"""Studies in the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from tuner_project.extensions import Links

STUDY = {"study_name": "$response.body#/study_name"}  # parameters of operations on the study


def after_creation(*operations: str) -> Links:
    """Return the links from the response of `createStudy` to operations on the study."""
    leads_to = dict.fromkeys(operations, STUDY)
    return {("createStudy", "201"): leads_to, ("createStudy", "200"): leads_to}


LINKS = after_creation("getStudy", "updateStudy", "pauseStudy", "resumeStudy", "deleteStudy")
PROBLEM_MEMBERS: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "reason": serializers.CharField(
        required=False, allow_null=True, help_text="Why the study hands out no trials."
    ),
    "search_space_version": serializers.IntegerField(
        required=False, help_text="The current version of the study's search space."
    ),
    "allowed": serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The actions that the study's current state allows.",
    ),
}


def let_options_overlap(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Replace `oneOf` of the options by `anyOf` (a postprocessing hook of drf-spectacular).

    Several kinds of samplers or pruners accept the same options, such as `{"seed": 1}` and `{}`.
    """
    for name in ("SamplerOptions", "PrunerOptions"):
        schema = result["components"]["schemas"].get(name, {})
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
    return result
