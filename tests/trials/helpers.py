"""Studies of the tests, driven through the domain."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from studies.domain import Definition, create_study
from studies.models import Study, StudyQuerySet
from tests.conftest import SPACE
from trials import domain
from trials.domain import Outcome
from trials.models import State, Trial


def new_study(name: str = "search", *, space: Any = SPACE, **definition: Any) -> Study:
    study, created = create_study(
        definition=Definition(name=name, search_space=space, **definition), load_if_exists=False
    )
    assert created
    return study


def only(study: Study) -> StudyQuerySet:
    return Study.objects.filter(pk=study.pk)


def ask(study: Study) -> Trial:
    return domain.ask(studies=only(study))


def tell(
    study: Study,
    number: int,
    *values: float,
    state: State = State.COMPLETE,
    steps: Mapping[int, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Trial:
    outcome = Outcome(
        state=state,
        values=list(values) or None,
        intermediate_values=steps or {},
        user_attrs=attrs or {},
    )
    return domain.tell(studies=only(study), number=number, outcome=outcome)


def change(
    study: Study,
    number: int,
    *,
    steps: Mapping[int, float] | None = None,
    system_attrs: Mapping[str, Any] | None = None,
) -> Trial:
    """Store intermediate values and system attributes of a RUNNING trial."""
    with transaction.atomic():
        locked = only(study).locked()
        trial = locked.trials.numbered(number)
        trial.system_attrs = trial.system_attrs | dict(system_attrs or {})
        new = [(trial, step, value) for step, value in (steps or {}).items()]
        Trial.objects.change(locked, [trial], was=[State(trial.state)], steps=new)
    return trial


def points(trials: Sequence[Trial]) -> list[list[float | None]]:
    return [trial.internal_params for trial in trials]
