from django.urls import path

from trials.views import TrialViewSet
from tuner_project.rest import paths  # noqa: F401  (registers the converters)

_TRIALS = "studies/<study_name:study_name>/trials"
_TRIAL = f"{_TRIALS}/<trial_number:trial_id>"

urlpatterns = [
    path(_TRIALS, TrialViewSet.as_view({"get": "list"})),
    path(f"{_TRIALS}/suggest", TrialViewSet.as_view({"post": "suggest"})),
    path(_TRIAL, TrialViewSet.as_view({"get": "retrieve"})),
    path(f"{_TRIAL}/complete", TrialViewSet.as_view({"post": "complete"})),
    path(f"{_TRIAL}/prune", TrialViewSet.as_view({"post": "prune"})),
]
