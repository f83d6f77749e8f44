"""Studies of the tests, driven through the domain."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from optuna_bridge.enums import TrialState
from studies.domain import Definition, create_study
from studies.models import NamedStudy, Study
from tests.actors import COMMAND
from tests.conftest import SPACE
from trials import domain
from trials.domain import TrialResult
from trials.models import Trial
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import session_registry


def new_study(name: str = "search", *, space: Any = SPACE, **definition: Any) -> Study:
    names = (*Study.BUDGETS, "lease_seconds", "max_retries")
    life = {key: definition.pop(key) for key in names if key in definition}
    wanted = Definition(name=name, search_space=space, life=life, **definition)
    study, created = create_study(actor=COMMAND, definition=wanted, load_if_exists=False)
    assert created
    return study


def only(study: Study) -> NamedStudy:
    return NamedStudy(study.name)


def ask(study: Study) -> Trial:
    return domain.ask(actor=COMMAND, named=only(study))


def tell(
    study: Study,
    number: int,
    *values: float,
    state: TrialState = TrialState.COMPLETE,
    steps: Mapping[int, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Trial:
    outcome = TrialResult(
        state=state,
        values=list(values) or None,
        intermediate_values=steps or {},
        user_attrs=attrs or {},
    )
    return domain.tell(actor=COMMAND, named=only(study), number=number, outcome=outcome)


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
        trial = Trial.objects.get_by_number(locked, number)
        trial.system_attrs = trial.system_attrs | dict(system_attrs or {})
        new = [(trial, step, value) for step, value in (steps or {}).items()]
        Trial.objects.change(locked, [trial], was=[TrialState(trial.state)], steps=new)
    return trial


def points(trials: Sequence[Trial]) -> list[list[float | None]]:
    return [trial.internal_params for trial in trials]


def fill(study: Study, n: int, *, internal_params: Sequence[float] = (0.01, 0.75, 32, 1)) -> None:
    """Add n finished trials, the last tenth of them failed; none becomes the best."""
    states = [TrialState.COMPLETE] * (n - n // 10) + [TrialState.FAIL] * (n // 10)
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, Counter(states))
        trials = [
            Trial.reserved(
                reserved,
                i,
                study=study,
                state=state,
                values=[i / 7] if state == TrialState.COMPLETE else None,
                internal_params=list(internal_params),
                datetime_start=reserved.now,
                datetime_complete=reserved.now,
            )
            for i, state in enumerate(states)
        ]
        Trial.objects.add(trials[:100])
        # As the autovacuum would: else the checks of foreign keys go on with the plans that the
        # session made for empty tables, and take 20 s.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE trials_trial, optuna.trials")
        Trial.objects.add(trials[100:])


def released(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it in a thread of its own, which gives its connection back."""
    try:
        return function(*arguments)
    finally:
        connection.close()


def wait_for_locks(n: int) -> None:
    """Until n statements wait for a lock in this database."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps it
            cursor.execute(
                "SELECT FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.rowcount >= n:
                return
        time.sleep(0.01)
    raise AssertionError(f"fewer than {n} wait for a lock")


def synced(study: Study) -> SamplerSession:
    history = session_registry.of(study)
    history.sync()
    return history


def seen(history: SamplerSession) -> list[tuple[int, str, list[float] | None, dict[int, float]]]:
    return [
        (trial.number, trial.state.name, trial.values, trial.intermediate_values)
        for trial in history.get_all_trials(0)
    ]


def add_running(study: Study, n: int) -> None:
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {TrialState.RUNNING: n})
        trials = [
            Trial.reserved(
                reserved,
                index,
                study=study,
                state=TrialState.RUNNING,
                internal_params=[0.01, 0.6, 16, 0],
                datetime_start=reserved.now,
            )
            for index in range(n)
        ]
        Trial.objects.add(trials)
