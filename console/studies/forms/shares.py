"""The links that share a study: their list, the form that creates one, and their revocation."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from access.actors import Actor
from access.models import Token
from console.studies.forms.form_pages import form_page, result_unless_refused, study_of_page
from console.studies.permissions import may_share
from studies.api.sharing.share_views import share_url
from studies.domain.shares import (
    DEFAULT_DAYS,
    MAX_DAYS,
    create_share,
    revoke_share,
    usable_shares,
)
from studies.errors import ShareNotFound
from studies.models import NamedStudy, Study


class ShareForm(forms.Form):
    """For how many days a study is shared."""

    days = forms.IntegerField(
        label="Days until it expires", min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS
    )

    def create(self, study: Study, actor: Actor) -> tuple[Token, str] | None:
        """Create a share by the values of the valid form; None if the service refused it."""
        return result_unless_refused(
            self,
            lambda: create_share(
                actor=actor,
                named=NamedStudy(study.name),
                expires_in_days=self.cleaned_data["days"],
            ),
        )


def shares_url(study: Study) -> str:
    """Return the URL of the page with the links to the study."""
    return reverse("admin:studies_study_shares", args=[study.pk])


@never_cache
def shares_view(
    request: HttpRequest, object_id: str, *, model_admin: admin.ModelAdmin
) -> HttpResponse:
    """Show the links to a study; a POST creates one, or revokes that with the id in `revoke`.

    The page that answers the creation is the only one that has the link's secret.

    Raises:
        PermissionDenied: The user may not share studies.
        Http404: There is no such study.
    """
    if not may_share(request):
        raise PermissionDenied
    study = study_of_page(request, object_id, model_admin)
    actor = Actor.of_session(request)
    if request.POST.get("revoke", "").isdecimal():
        _revoke(request, study, int(request.POST["revoke"]), model_admin)
        return HttpResponseRedirect(shares_url(study))
    form = ShareForm(request.POST or None)
    url = None
    if form.is_valid() and (created := form.create(study, actor)):
        share, key = created
        url = share_url(request, key)
        model_admin.log_change(request, study, f"Shared until {share.expiry_date:%Y-%m-%d %H:%M}")
        form = ShareForm()
    return form_page(
        request,
        "shares",
        study=study,
        form=form,
        title=f"Links to {study.name}",
        model_admin=model_admin,
        more={"shares": usable_shares(study), "url": url},
    )


def _revoke(
    request: HttpRequest, study: Study, share_id: int, model_admin: admin.ModelAdmin
) -> None:
    try:
        share = revoke_share(actor=Actor.of_session(request), study=study, share_id=share_id)
    except ShareNotFound as error:
        model_admin.message_user(request, error.detail, messages.ERROR)
    else:
        model_admin.log_change(request, study, f"Revoked the link {share.prefix}")
        model_admin.message_user(request, "The link was revoked.", messages.SUCCESS)
