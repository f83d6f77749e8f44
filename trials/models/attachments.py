"""What people and workers attach to a trial: a note, links, and the end of a log.

They have tables of their own, with one row for a trial that has some, so that nothing that reads
trials becomes slower by them. Optuna has no counterpart. The database deletes them with their
trial (ON DELETE CASCADE, set by a migration).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from django.db import connection, models
from django.db.models import Subquery

from studies.models import Study
from trials.models.trial import Trial
from tuner_project.db.fields import PlainJSONField
from tuner_project.db.prepared import Parameter, PreparedQuery
from tuner_project.db.statements import Sent

Attachment = TypeVar("Attachment", bound=models.Model)

# Adds no row of a trial that is being deleted: it waits for that, and then finds none.
_ENSURE = """
INSERT INTO {table} (trial_id, {columns})
SELECT id, {values} FROM trials_trial WHERE id = %s FOR KEY SHARE
ON CONFLICT DO NOTHING
"""


def _of_trial(related_name: str) -> "models.OneToOneField[Trial, Trial]":
    return models.OneToOneField(
        Trial,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        primary_key=True,
        related_name=related_name,
    )


class _AttachmentManager(models.Manager[Attachment]):
    """The manager of what has one row for a trial.

    Attributes:
        empty: The columns of an empty one, in SQL, by their names.
    """

    empty: ClassVar[Mapping[str, str]]

    def locked(self, trial_id: int) -> Attachment | None:
        """Return what a trial has, locked, an empty one if it has none.

        It is None if there is no such trial any more.
        """
        sql = _ENSURE.format(
            table=self.model._meta.db_table,
            columns=", ".join(self.empty),
            values=", ".join(self.empty.values()),
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [trial_id])
        return self.select_for_update().filter(pk=trial_id).first()


class AnnotationManager(_AttachmentManager["Annotation"]):
    """The manager of annotations."""

    empty: ClassVar = {"note": "''", "links": "'{}'"}

    def send_by_number(self, study_name: str, number: int) -> "Sent[Annotation]":
        """Send the query of a trial's annotation; within `pipelined()`, without waiting for it."""
        return self._by_number.send(study=study_name, number=number)

    @cached_property
    def _by_number(self) -> "PreparedQuery[Annotation]":
        studies = Study.objects.filter(name=Parameter("study")).values("id")
        these: dict[str, Any] = {
            "trial__study_id": Subquery(studies),
            "trial__number": Parameter("number"),
        }
        return PreparedQuery(lambda: self.filter(**these))


class Annotation(models.Model):
    """A note on a trial, and links from it to what is stored elsewhere, by their names."""

    trial = _of_trial("annotation")
    note = models.TextField(blank=True, default="")
    links = PlainJSONField(default=dict, help_text="URLs by name.")

    objects: ClassVar[AnnotationManager] = AnnotationManager()

    def __str__(self) -> str:
        return f"annotation of {self.trial}"


class TrialLogManager(_AttachmentManager["TrialLog"]):
    """The manager of logs."""

    empty: ClassVar = {"text": "''", "size": "0", "written_at": "clock_timestamp()"}


class TrialLog(models.Model):
    """The end of what an evaluation has printed."""

    trial = _of_trial("log")
    text = models.TextField(blank=True, default="")
    size = models.BigIntegerField(
        default=0, help_text="Of the whole log in bytes of UTF-8, of which the end is kept."
    )
    written_at = models.DateTimeField(null=True)

    objects: ClassVar[TrialLogManager] = TrialLogManager()

    def __str__(self) -> str:
        return f"log of {self.trial}"

    @property
    def dropped(self) -> int:
        """The number of bytes before the text, which are not kept."""
        return self.size - len(self.text.encode())
