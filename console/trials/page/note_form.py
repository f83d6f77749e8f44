"""The form of a trial's note and links."""

from copy import copy
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from access.actors import Actor
from console.studies.permissions import may_change_states
from studies.models import NamedStudy
from trials.domain import change_trial
from trials.domain.attachments.change_trial import MAX_NOTE
from trials.domain.attachments.links import MAX_NAME, MAX_URL, link_fault
from trials.models import Trial
from tuner_project.errors import DomainError


class NoteForm(forms.Form):
    """The note, and a link to add or to remove."""

    note = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
    )
    link_name = forms.CharField(required=False, max_length=MAX_NAME, label="Name of a link to add")
    link_url = forms.CharField(
        required=False,
        max_length=MAX_URL,
        label="Its URL",
        widget=forms.URLInput(
            attrs={"pattern": "[Hh][Tt][Tt][Pp][Ss]?://.+", "title": "http or https"}
        ),
    )

    def clean_note(self) -> str:
        """Return the note with the ends of lines that other clients send."""
        return str(self.cleaned_data["note"]).replace("\r\n", "\n").rstrip()

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        name, url = values.get("link_name", ""), values.get("link_url", "")
        if (name or url) and (fault := link_fault(name, url)):
            raise forms.ValidationError(f"the link: {fault}")
        return values

    @property
    def links(self) -> dict[str, str | None]:
        """The link to add, by its name."""
        name, url = self.cleaned_data["link_name"], self.cleaned_data["link_url"]
        return {name: url} if name else {}


@require_POST
def note_view(request: HttpRequest, trial: Trial, model_admin: Any) -> HttpResponse:
    """Store the note and a link of a trial, or remove a link, and redirect to its page.

    A form that cannot be stored is shown again on the page, with what is wrong.

    Raises:
        PermissionDenied: The user may not change trials.
    """
    if not may_change_states(request):
        raise PermissionDenied
    removed = request.POST.get("remove_link")
    form = NoteForm(request.POST)
    changes: dict[str, Any] = {"links": {removed: None}}
    if removed is None:
        if not form.is_valid():
            return _shown_again(request, trial, model_admin, form)
        changes = {"note": form.cleaned_data["note"], "links": form.links}
    try:
        change_trial(
            actor=Actor.of_session(request),
            named=NamedStudy(trial.study.name),
            number=trial.number,
            **changes,
        )
    except DomainError as error:
        if removed is None:
            form.add_error(None, error.detail)
            return _shown_again(request, trial, model_admin, form)
        model_admin.message_user(request, error.detail, messages.WARNING)
    else:
        model_admin.message_user(request, "The note and links were stored.", messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:trials_trial_change", args=[trial.pk]))


def _shown_again(
    request: HttpRequest, trial: Trial, model_admin: Any, form: NoteForm
) -> HttpResponse:
    """Return the trial's page as a GET does, but with the form as it was sent."""
    model_admin.message_user(request, "Nothing was stored: see the note.", messages.WARNING)
    page = copy(request)
    page.method = "GET"
    response: HttpResponse = model_admin.change_view(
        page, str(trial.pk), extra_context={"note_form": form}
    )
    return response
