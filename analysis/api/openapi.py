"""Analyses in the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from studies.api.openapi import STUDY, after_creation
from tuner_project.extensions import Links

LINKS: Links = {
    **after_creation("getBestTrial", "getProgress"),
    ("completeTrial", "200"): {"getBestTrial": STUDY},
}
PROBLEM_MEMBERS: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "least_violating": serializers.DictField(
        required=False,
        help_text="For `no_feasible_trial`: the trial that violates the constraints least.",
    )
}
