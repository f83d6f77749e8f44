from collections.abc import Iterator

import pytest

from events import receivers
from studies.models import Study
from trials.projection.consistency import differences


@pytest.fixture(autouse=True)
def _both_schemas_agree(db: None) -> Iterator[None]:
    """Compare Optuna's schema with ours after the test."""
    yield
    for study in Study.objects.all():
        assert list(differences(study)) == []


@pytest.fixture(autouse=True)
def _forget_what_was_told() -> None:
    receivers.throttle.clear()
