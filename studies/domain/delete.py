"""Deleting studies, with their trials, from both schemas."""

from django.db import transaction

from studies.models import NamedStudy, StudyQuerySet


@transaction.atomic
def delete_studies(*, studies: StudyQuerySet) -> int:
    """Delete the studies of a query from both schemas, with their trials; answers how many.

    In the order of their ids, so that two of these cannot wait for each other.
    """
    return studies.order_by("id").delete()[1].get("studies.Study", 0)


@transaction.atomic
def delete_study(*, named: NamedStudy) -> None:
    """Delete the study of a name; raises `StudyNotFound`."""
    named.one().delete()
