"""The versions of a study's search space."""

from django.db import models

from studies.models.study import Study
from tuner_project.db.fields import PlainJSONField


class SearchSpaceVersion(models.Model):
    """A search space that a study has had, and who gave it; there is none before the first change.

    The rows are for people, and for exports: what counts is in the study.
    """

    study = models.ForeignKey(
        # The database deletes a study's versions (ON DELETE CASCADE, set by a migration).
        Study,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="search_space_versions",
    )
    version = models.IntegerField(help_text="1, 2, 3, … without gaps.")
    created_at = models.DateTimeField()
    actor = models.CharField(max_length=160, blank=True, default="", help_text="As in the audit.")
    search_space = PlainJSONField(help_text="The parameters, as they were given.")
    defaults = PlainJSONField(
        default=dict, help_text="Of each parameter that was new: what earlier trials count as."
    )
    retired = PlainJSONField(default=dict, help_text="The values of all retired parameters.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["study", "version"], name="search_space_version"),
        )

    def __str__(self) -> str:
        return f"version {self.version}"
