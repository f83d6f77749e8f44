"""The use cases of studies."""

from studies.domain.create import create_study
from studies.domain.definition import Definition, check_sampler_is_installed, new_study
from studies.domain.delete import delete_studies, delete_study

__all__ = [
    "Definition",
    "check_sampler_is_installed",
    "create_study",
    "delete_studies",
    "delete_study",
    "new_study",
]
