"""Routes of trials."""

from django.urls import path

import studies.api.path_converters  # noqa: F401  (registers study_name)
import trials.api.path_converters  # noqa: F401  (registers trial_number)
from trials.api.views import TrialViewSet
from tuner_project.rest.parsers import StrictJSONListParser

_TRIALS = "studies/<study_name:study_name>/trials"
_TRIAL = f"{_TRIALS}/<trial_number:trial_id>"

urlpatterns = [
    path(
        _TRIALS,
        TrialViewSet.as_view(
            {"get": "list", "post": "create"}, parser_classes=[StrictJSONListParser]
        ),
    ),
    path(f"{_TRIALS}/suggest", TrialViewSet.as_view({"post": "suggest"})),
    path(f"{_TRIALS}/suggest-batch", TrialViewSet.as_view({"post": "suggest_batch"})),
    path(f"{_TRIALS}/complete-batch", TrialViewSet.as_view({"post": "complete_batch"})),
    path(
        "studies/<study_name:study_name>/retry-failed",
        TrialViewSet.as_view({"post": "retry_failed"}),
    ),
    path(f"{_TRIALS}/fail-running", TrialViewSet.as_view({"post": "fail_running"})),
    path(
        _TRIAL,
        TrialViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    *(
        path(f"{_TRIAL}/{action}", TrialViewSet.as_view({"post": action}))
        for action in ("report", "heartbeat", "complete", "prune", "fail", "retry", "invalidate")
    ),
]
