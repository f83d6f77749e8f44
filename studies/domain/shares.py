"""Sharing a study: links that open its page without the admin, for a limited time."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from access.actors import Actor
from access.domain.tokens import revoke_token, store_token
from access.models import Token
from access.models.audit_entry import Action
from access.models.token import MAX_NAME, NO_STUDY
from access.scopes import Scope
from studies.domain.audit import record_study
from studies.errors import ShareNotFound, TooManyShares
from studies.models import NamedStudy, Study

DEFAULT_DAYS = 7
MAX_DAYS = 90
MAX_SHARES = 20  # of a study, that are neither expired nor revoked


@transaction.atomic
def create_share(
    *, actor: Actor, named: NamedStudy, expires_in_days: int = DEFAULT_DAYS
) -> tuple[Token, str]:
    """Create a share of a study, under the study's lock, so that the limit holds.

    Returns:
        The share, and its key, which cannot be read again.

    Raises:
        StudyNotFound: There is no study with this name.
        TooManyShares: The study has as many shares as it may have.
    """
    study = named.locked()
    if usable_shares(study).count() >= MAX_SHARES:
        raise TooManyShares(
            f'study "{study.name}" has {MAX_SHARES} links, the maximum: revoke one of them'
        )
    expires = timezone.now() + timedelta(days=expires_in_days)
    share = Token(
        name=_name(study),
        scope=Scope.READ,
        studies=NO_STUDY,
        study_id=study.pk,
        expiry_date=expires,
    )
    key = store_token(actor=actor, token=share)
    record_study(actor, Action.SHARED, study, token=share.prefix, expires=expires.isoformat())
    return share, key


@transaction.atomic
def revoke_share(*, actor: Actor, study: Study, share_id: int) -> Token:
    """Revoke a share of a study; one that is revoked already stays so.

    Raises:
        ShareNotFound: The study has no share with this id.
    """
    share = Token.objects.filter(study_id=study.pk, pk=share_id).select_for_update().first()
    if share is None:
        raise ShareNotFound(f'study "{study.name}" has no link with the id {share_id}')
    if not share.revoked:
        revoke_token(actor=actor, token=share)
    return share


def usable_shares(study: Study) -> QuerySet[Token]:
    """Return the shares of a study that are neither expired nor revoked, the newest first."""
    of_study = Token.objects.filter(study_id=study.pk, revoked=False)
    return of_study.filter(expiry_date__gt=timezone.now()).order_by("-pk")


def _name(study: Study) -> str:
    """Return the name of a share, by which the audit log and refusals speak of it."""
    name = f"link to {study.name}"
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
