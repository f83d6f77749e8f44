"""Plans: the trials of an ask, drawn within a time limit."""

from collections.abc import Iterator

import pytest

from studies.models import Study
from tests.support.study_builders import build_study
from trials.sampling.plan import Plan, TimeLimit
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.django_db(transaction=True)


def clock_of(*times: float) -> Iterator[float]:
    yield from times


@pytest.mark.parametrize(
    ("times", "n_drawn"), [([100, 109], 1), ([100, 103, 106, 109], 3), ([0, 1, 1, 1, 1, 1], 5)]
)
def test_plan_ends_where_its_time_is_over(times: list[float], n_drawn: int) -> None:
    """The clock is read at the start, and before each draw but the first."""
    study: Study = build_study(sampler="tpe")
    clock = clock_of(*times)
    limit = TimeLimit(8, clock=lambda: next(clock))
    plan = Plan.draw(session_registry.of(study), 5, limit)
    assert (len(plan.new), plan.count) == (n_drawn, n_drawn)
    plan.close()
