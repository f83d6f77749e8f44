"""The form of a trial's note and links."""

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

    Raises:
        PermissionDenied: The user may not change trials.
    """
    if not may_change_states(request):
        raise PermissionDenied
    page = HttpResponseRedirect(reverse("admin:trials_trial_change", args=[trial.pk]))
    removed = request.POST.get("remove_link")
    form = NoteForm(request.POST)
    if removed is None and not form.is_valid():
        text = "; ".join(str(each) for errors in form.errors.values() for each in errors)
        model_admin.message_user(request, f"Nothing was stored: {text}", messages.WARNING)
        return page
    changes: dict[str, Any] = (
        {"note": form.cleaned_data["note"], "links": form.links}
        if removed is None
        else {"links": {removed: None}}
    )
    try:
        change_trial(
            actor=Actor.of_session(request),
            named=NamedStudy(trial.study.name),
            number=trial.number,
            **changes,
        )
    except DomainError as error:
        model_admin.message_user(request, error.detail, messages.WARNING)
    else:
        model_admin.message_user(request, "The note and links were stored.", messages.SUCCESS)
    return page
