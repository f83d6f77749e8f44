"""The address of a trial by its study and number, as a point in a plot knows it."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import reverse

from console.known_lookups import MAX_INTEGER
from console.studies.permissions import may_view_trials
from trials.models import Trial


def trial_view(request: HttpRequest, study_id: int, number: int) -> HttpResponseRedirect:
    """Redirect to the page of the trial with this number.

    Raises:
        PermissionDenied: The user may not view trials.
        Http404: There is no such trial.
    """
    if not may_view_trials(request):
        raise PermissionDenied
    found = None
    if max(study_id, number) <= MAX_INTEGER:
        found = Trial.objects.filter(study_id=study_id, number=number).values_list("id").first()
    if found is None:
        raise Http404(f"the study has no trial {number}")
    return HttpResponseRedirect(reverse("admin:trials_trial_change", args=found))
