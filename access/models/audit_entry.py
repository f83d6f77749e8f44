"""The entries of the audit log: who did what, and when."""

from typing import Any, ClassVar, NoReturn

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.expressions import Combinable
from django.db.models.functions import Now


class ActorKind(models.TextChoices):
    """The kind of actor that made a change."""

    TOKEN = "token"  # noqa: S105
    USER = "user"
    COMMAND = "command"
    ANYBODY = "anybody"  # a client without a token, if none is required
    SERVICE = "service"  # the service itself: an expired lease, a used-up budget


class SubjectKind(models.TextChoices):
    """The kind of thing that was changed."""

    STUDY = "study"
    TRIAL = "trial"
    TOKEN = "token"  # noqa: S105
    WEBHOOK = "webhook"


class Action(models.TextChoices):
    """The kind of change to a study, a trial or a token."""

    CREATED = "created"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"  # also for a queued trial
    IMPORTED = "imported"
    CLONED = "cloned"
    ADOPTED = "adopted"
    DELETED = "deleted"
    QUEUED = "queued"
    RECORDED = "recorded"  # added with its result
    TOLD = "told"
    PRUNED = "pruned"
    FAILED = "failed"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    REVOKED = "revoked"
    SHARED = "shared"


class EntriesAreKept(RuntimeError):
    """Raised for any change to an audit entry, because the audit log is append-only."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Immutable audit entries; `purge` deletes old ones if KEEP_AUDIT_DAYS is set."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise EntriesAreKept("an entry of the audit is never changed")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise EntriesAreKept("an entry of the audit is never changed")

    def delete(self) -> NoReturn:
        raise EntriesAreKept("entries of the audit are deleted by purge alone")

    def delete_oldest(self, *, before: Combinable, n: int) -> int:
        """Delete those of the n oldest entries that are older than `before`; return how many."""
        oldest = self.order_by("id").values("id")[:n]
        return super(AuditQuerySet, self.filter(id__in=oldest, at__lt=before)).delete()[0]


class AuditEntry(models.Model):
    """A recorded change. It has no foreign keys, so that it outlives its actor and subject."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now(), help_text="By the database's clock.")
    actor_kind = models.CharField("who", max_length=7, choices=ActorKind.choices)
    actor_name = models.CharField("name", max_length=150, blank=True, default="")
    actor_id = models.BigIntegerField(null=True, help_text="Of the token or user.")
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=128, blank=True, default="")
    action = models.CharField(max_length=11, choices=Action.choices)
    kind = models.CharField("what", max_length=7, choices=SubjectKind.choices)
    subject = models.CharField(max_length=256, help_text="The name of the study or token.")
    subject_id = models.BigIntegerField(help_text="Of the study or token.")
    numbers = ArrayField(
        models.IntegerField(), default=list, help_text="Of the study's trials, where it is of them."
    )
    details = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["AuditEntry"]] = AuditQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = "audit entry"
        verbose_name_plural = "audit"
        indexes = (
            models.Index(fields=["subject_id", "id"], name="audit_subject_id"),
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["actor_name", "id"], name="audit_actor"),
            models.Index(fields=["actor_kind", "id"], name="audit_actor_kind"),
            models.Index(fields=["action", "id"], name="audit_action"),
            # Partial, because nearly all entries are about trials.
            models.Index(
                fields=["kind", "id"],
                name="audit_kind",
                condition=models.Q(kind__in=["study", "token"]),
            ),
            models.Index(fields=["id"], name="audit_webhook", condition=models.Q(kind="webhook")),
        )

    def __str__(self) -> str:
        return f"{self.actor}: {self.what}"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise EntriesAreKept("entries of the audit are written by access.domain.audit.record()")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise EntriesAreKept("entries of the audit are deleted by purge alone")

    @property
    def actor(self) -> str:
        return f"{self.actor_kind} {self.actor_name}".strip()

    @property
    def what(self) -> str:
        of = (
            f'{self.kind} of study "{self.subject}"'
            if self.numbers
            else f'{self.kind} "{self.subject}"'
        )
        return f"{self.action} {of}"
