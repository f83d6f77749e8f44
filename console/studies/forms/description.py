"""A study's tags and its note: how they are shown, and the form to change them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from access.actors import Actor
from console import display
from console.markdown import rendered
from console.studies.forms.form_pages import ChangeForm, form_page, study_of_page
from console.studies.permissions import may_change_states
from studies.domain.tags import MAX_NOTE, MAX_TAG, MAX_TAGS
from studies.models import Study


@admin.display(description="tags")
def tags(study: Study) -> SafeString | str:
    """The tags, as links to the studies that have them."""
    list_url = reverse("admin:studies_study_changelist")
    links = ((f"{list_url}?{urlencode({'tag': tag})}", tag) for tag in study.tags)
    found = format_html_join(" ", '<a class="tuner-tag" href="{}">{}</a>', links)
    return found or display.EMPTY


def note(study: Study) -> SafeString | str:
    """The note as HTML."""
    if not study.note.strip():
        return ""
    return format_html('<div class="tuner-markdown">{}</div>', rendered(study.note))


class DescriptionForm(ChangeForm):
    """The form with the tags and the note."""

    tags = forms.CharField(
        required=False,
        max_length=MAX_TAGS * (4 * MAX_TAG + 2),
        label="Tags, with commas between them",
        widget=forms.TextInput(attrs={"class": "vTextField", "placeholder": "baseline, vision"}),
    )
    note = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_NOTE,
        label="Note, in Markdown",
        widget=forms.Textarea(attrs={"rows": 16, "class": "vLargeTextField"}),
    )

    def clean_tags(self) -> list[str]:
        return [tag for tag in self.cleaned_data["tags"].split(",") if tag.strip()]

    def clean_note(self) -> str:
        note: str = self.cleaned_data["note"]
        return note.replace("\r\n", "\n")  # as browsers send the ends of lines


def description_url(study: Study) -> str:
    """Return the URL of the form to change the study's tags and note."""
    return reverse("admin:studies_study_description", args=[study.pk])


def description_view(
    request: HttpRequest, object_id: str, *, model_admin: admin.ModelAdmin
) -> HttpResponse:
    """Show the form; once it is valid, change the tags and the note, and redirect to the study.

    Raises:
        PermissionDenied: The user may not change studies.
        Http404: There is no such study.
    """
    if not may_change_states(request):
        raise PermissionDenied
    study = study_of_page(request, object_id, model_admin)
    initial: dict[str, Any] = {"tags": ", ".join(study.tags), "note": study.note}
    form = DescriptionForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid() and (changed := form.change(study, Actor.of_session(request))):
        model_admin.log_change(request, changed, "tags and note")
        model_admin.message_user(request, "The tags and the note were saved.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:studies_study_change", args=[study.pk]))
    title = f"Tags and note of {study.name}"
    return form_page(
        request, "description", study=study, form=form, title=title, model_admin=model_admin
    )
