"""The shared search space is Optuna's intersection of search spaces."""

import optuna
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import TrialState, create_trial

from optuna_bridge.samplers.shared_space import SharedSearchSpace

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 9),
    "n": IntDistribution(0, 9),
    "b": IntDistribution(0, 9),
}
STATES = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.sets(st.sampled_from(list(SPACE)))), max_size=9)
)
def test_shared_space_equals_optunas(trials: list[tuple[TrialState, set[str]]]) -> None:
    study = optuna.create_study()
    ours, stock = SharedSearchSpace(SPACE), IntersectionSearchSpace()
    assert ours.calculate(study) == stock.calculate(study)
    for state, names in trials:
        whole = len(names) == len(SPACE)
        trial = create_trial(
            state=state,
            value=1.0 if state == TrialState.COMPLETE else None,
            params=dict.fromkeys(names, 1),
            distributions=SPACE if whole else {name: SPACE[name] for name in names},
        )
        study.add_trial(trial)
        assert ours.calculate(study) == stock.calculate(study)
        assert list(ours.calculate(study)) == list(stock.calculate(study))
