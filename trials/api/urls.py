"""Routes of trials."""

from django.urls import include, path

import studies.api.path_converters  # noqa: F401  (registers study_name)
import trials.api.path_converters  # noqa: F401  (registers trial_number)
from trials.api.logs import TrialLogViewSet
from trials.api.views import TrialViewSet
from tuner_project.rest.parsers import StrictJSONListParser

_TRIALS = "studies/<study_name:study_name>/trials"
_ACTIONS = ("complete", "report", "heartbeat", "prune", "fail", "retry", "invalidate")
_LOG = TrialLogViewSet.as_view({"get": "retrieve", "put": "update"})

# Those of one trial and of all of them are nested: the common part of the path is matched once.
urlpatterns = [
    path(
        f"{_TRIALS}/<trial_number:trial_id>/",
        include(
            [
                *(path(each, TrialViewSet.as_view({"post": each})) for each in _ACTIONS),
                path("log", _LOG, name="trial-log"),
            ]
        ),
    ),
    path(
        f"{_TRIALS}/",
        include(
            [
                path("suggest", TrialViewSet.as_view({"post": "suggest"})),
                path("suggest-batch", TrialViewSet.as_view({"post": "suggest_batch"})),
                path("complete-batch", TrialViewSet.as_view({"post": "complete_batch"})),
                path("fail-running", TrialViewSet.as_view({"post": "fail_running"})),
            ]
        ),
    ),
    path(
        f"{_TRIALS}/<trial_number:trial_id>",
        TrialViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(
        _TRIALS,
        TrialViewSet.as_view(
            {"get": "list", "post": "create"}, parser_classes=[StrictJSONListParser]
        ),
    ),
    path(
        "studies/<study_name:study_name>/retry-failed",
        TrialViewSet.as_view({"post": "retry_failed"}),
    ),
]
