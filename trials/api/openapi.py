"""What trials add to the OpenAPI document: links and members of problem documents."""

from typing import Any

from rest_framework import serializers

from studies.api.openapi import STUDY, after_creation
from tuner_project.extensions import Links

TRIAL = STUDY | {"trial_id": "$response.body#/trial_id"}
FIRST_OF_BATCH = {
    "study_name": "$request.path.study_name",
    "trial_id": "$response.body#/trials/0/trial_id",
}
OF_A_TRIAL = ("getTrial", "reportTrial", "renewLease", "completeTrial", "pruneTrial", "failTrial")
LINKS: Links = {
    **after_creation("suggestTrial", "suggestTrials", "addTrials", "listTrials"),
    ("suggestTrial", "200"): dict.fromkeys(OF_A_TRIAL, TRIAL),
    ("suggestTrials", "200"): dict.fromkeys(OF_A_TRIAL, FIRST_OF_BATCH),
    ("completeTrial", "200"): {"getTrial": TRIAL, "suggestTrial": STUDY},
    ("failTrial", "200"): {"getTrial": TRIAL, "suggestTrial": STUDY},
    ("pruneTrial", "200"): {"getTrial": TRIAL, "suggestTrial": STUDY},
}
PROBLEM_MEMBERS: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "retry_trial_id": serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="For `lease_lost`: the trial_id of the next attempt, or null.",
    )
}
