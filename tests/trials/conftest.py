from collections.abc import Iterator

import pytest

from studies.models import Study
from trials.projection.consistency import differences


@pytest.fixture
def both_schemas_agree(db: None) -> Iterator[None]:
    """Compares Optuna's schema with ours after the test."""
    yield
    for study in Study.objects.all():
        assert list(differences(study)) == []
