"""Studies are carried into Optuna's schema, in the transaction that changed them."""

from typing import Any

from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from studies.models import Study
from studies.optuna_storage.projection import delete_study_rows, write_study_rows


@receiver(post_save, sender=Study, dispatch_uid="studies.project_study")
def project_study(
    instance: Study, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    if update_fields is None or not update_fields <= Study.UNKNOWN_TO_OPTUNA:
        write_study_rows(instance.id)


@receiver(pre_delete, sender=Study, dispatch_uid="studies.unproject_study")
def unproject_study(instance: Study, **kwargs: Any) -> None:
    # The study's row is the lock that every writer takes first; so nobody adds a trial to
    # Optuna's side between this deletion and the study's own.
    Study.objects.filter(pk=instance.pk).select_for_update(of=("self",)).first()
    delete_study_rows(instance.id)
