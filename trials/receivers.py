"""Receivers that project trials into Optuna's schema, in the transaction that writes them."""

from typing import Any, NoReturn

from django.db.models.signals import pre_save
from django.dispatch import receiver

from optuna_bridge.space.changes import SpaceChange
from studies.models import DirectWriteRefused, Study
from trials.models import IntermediateValue, Trial
from trials.projection.space_rows import change_space_rows
from trials.projection.trial_rows import (
    add_study_attribute_rows,
    add_trial_rows,
    change_trial_rows,
    remove_study_attribute_rows,
)
from trials.signals import (
    space_changed,
    study_attrs_added,
    study_attrs_removed,
    trials_added,
    trials_changed,
)


@receiver(trials_added, sender=Trial, dispatch_uid="trials.project_added")
def project_added(trials: list[Trial], with_steps: bool, **kwargs: Any) -> None:
    """Project new trials."""
    add_trial_rows(trials, with_steps)


@receiver(trials_changed, sender=Trial, dispatch_uid="trials.project_changed")
def project_changed(
    trials: list[Trial], steps: list[int], with_params: bool, **kwargs: Any
) -> None:
    """Project changed trials."""
    change_trial_rows(trials, steps, with_params)


@receiver(study_attrs_added, sender=Trial, dispatch_uid="trials.project_study_attrs")
def project_study_attrs(trial_ids: list[int], **kwargs: Any) -> None:
    """Project attributes that samplers set on a study."""
    add_study_attribute_rows(trial_ids)


@receiver(study_attrs_removed, sender=Trial, dispatch_uid="trials.project_removed_study_attrs")
def project_removed_study_attrs(study_id: int, keys: list[str], **kwargs: Any) -> None:
    """Project the removal of attributes that samplers set on a study."""
    remove_study_attribute_rows(study_id, keys)


@receiver(space_changed, sender=Trial, dispatch_uid="trials.project_space")
def project_space(study: Study, change: SpaceChange, **kwargs: Any) -> None:
    """Project the parameters of all trials of a study whose search space has changed."""
    change_space_rows(study, change)


# Loading a fixture calls neither save() nor the manager, but sends pre_save.
@receiver(pre_save, sender=Trial, dispatch_uid="trials.refuse_trial")
@receiver(pre_save, sender=IntermediateValue, dispatch_uid="trials.refuse_step")
def refuse(**kwargs: Any) -> NoReturn:
    """Refuse a direct write, which would not update Optuna's schema."""
    raise DirectWriteRefused("a trial is written by Trial.objects.add() and change()")
