"""Tokens that authenticate clients of the API."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework_api_key.models import AbstractAPIKey, BaseAPIKeyManager

from access.scopes import EVERY_STUDY, Scope
from tuner_project.db.prepared import Parameter, PreparedQuery


class TokenManager(BaseAPIKeyManager):
    """Manager that creates tokens' keys and finds tokens by key."""

    def assign_key(self, obj: AbstractAPIKey) -> str:
        """Generate a new key, store its hash in the token, and return the key.

        The overridden method would also set the id, which here the database assigns.
        """
        key, obj.prefix, obj.hashed_key = self.key_generator.generate()
        return str(key)

    def of_key(self, key: str) -> "Token | None":
        """Return the token with this key, even if it is expired or revoked, or None."""
        token = _BY_PREFIX.first(prefix=self.prefix_of(key))
        return token if token is not None and token.is_valid(key) else None

    @staticmethod
    def prefix_of(key: str) -> str:
        """Return the part of a key by which its token is found."""
        return key.partition(".")[0][:8]

    def note_use(self, token: "Token") -> None:
        """Store the current time as the token's last use."""
        self.filter(pk=token.pk).update(last_used_at=Now())


MAX_NAME = 50
USE_NOTED_EVERY = timedelta(minutes=1)
# A pattern that matches no study, as names have no slash: processes of an earlier version, which do
# not know `study_id`, let a share see nothing.
NO_STUDY = "/"


class Token(AbstractAPIKey):
    """A client's credential, sent as `Authorization: Bearer PREFIX.SECRET`.

    A share is a token that reads the page of one study and expires; its key is in a link.
    """

    id = models.BigAutoField(primary_key=True)  # type: ignore[assignment]
    name = models.CharField(max_length=MAX_NAME, help_text="Who uses it: the audit says so.")
    revoked = models.BooleanField(default=False, help_text="Lets nobody in any more, for good.")
    expiry_date = models.DateTimeField("expires", null=True, blank=True, help_text="Empty: never.")
    scope = models.CharField(max_length=6, choices=Scope.choices, default=Scope.WORKER)
    studies = models.CharField(
        "studies",
        max_length=256,
        default=EVERY_STUDY,
        validators=[ProhibitNullCharactersValidator()],
        help_text="The names of the studies it is for; * stands for any text, as in search-*.",
    )
    study_id = models.BigIntegerField(
        null=True, editable=False, help_text="Of a share: the only study that it may see."
    )
    last_used_at = models.DateTimeField(
        "last used", null=True, editable=False, help_text="To the minute."
    )

    key: str  # only set on a token that was just created

    objects: ClassVar[TokenManager] = TokenManager()  # type: ignore[assignment]

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "token"
        verbose_name_plural = "tokens"
        constraints = (
            models.CheckConstraint(
                name="share_reads_and_expires",
                condition=models.Q(study_id=None)
                | models.Q(scope=Scope.READ, studies=NO_STUDY, expiry_date__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                name="share_study_id",
                fields=["study_id", "id"],
                condition=models.Q(study_id__isnull=False),
            ),
        )

    @property
    def is_share(self) -> bool:
        return self.study_id is not None

    @property
    def is_usable(self) -> bool:
        return not (self.revoked or self.is_expired)

    @property
    def is_expired(self) -> bool:
        return self.expiry_date is not None and self.expiry_date <= timezone.now()

    def is_use_to_be_noted(self, now: datetime) -> bool:
        return self.last_used_at is None or now - self.last_used_at >= USE_NOTED_EVERY


_BY_PREFIX = PreparedQuery(lambda: Token.objects.filter(prefix=Parameter("prefix")))
