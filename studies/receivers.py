"""Receivers that project studies into Optuna's schema, and upgrade that schema on `migrate`."""

from typing import Any

from django.apps import AppConfig, apps
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_save, pre_delete, pre_migrate
from django.dispatch import receiver

from optuna_bridge.storage.projected_table import delete_study_rows
from studies.models import Study
from studies.projection import write_study_rows
from tuner_project.db.database import lift_statement_timeout


@receiver(post_save, sender=Study, dispatch_uid="studies.project_study")
def project_study(
    instance: Study, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """Write a saved study to Optuna's schema, in the same transaction."""
    if update_fields is None or not update_fields <= Study.UNKNOWN_TO_OPTUNA:
        write_study_rows(instance.id)


@receiver(pre_delete, sender=Study, dispatch_uid="studies.unproject_study")
def unproject_study(instance: Study, **kwargs: Any) -> None:
    """Delete Optuna's rows of a study and its trials, in the transaction that deletes the study."""
    # Every writer locks the study's row first. This lock prevents that a trial is added to
    # Optuna's schema between this deletion and that of the study.
    Study.objects.filter(pk=instance.pk).select_for_update(of=("self",)).first()
    lift_statement_timeout()
    delete_study_rows(instance.id)


@receiver(
    pre_migrate,
    sender=apps.get_app_config("studies"),
    dispatch_uid="studies.upgrade_optuna_schema",
)
def upgrade_optuna_tables(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Upgrade the tables of an older Optuna before migrations run."""
    if using != DEFAULT_DB_ALIAS:
        return
    # Imported here because alembic is rarely needed.
    from optuna_bridge.storage.schema import REVISION, SchemaMismatch
    from optuna_bridge.storage.upgrade import upgrade_optuna_schema

    try:
        found = upgrade_optuna_schema()
    except SchemaMismatch as error:
        raise CommandError(str(error)) from None
    if found and kwargs.get("stdout") is not None:
        kwargs["stdout"].write(f"Upgraded Optuna's tables from revision {found} to {REVISION}.")
