"""Changes of a search space: the union that is stored, and the version that is suggested."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_bridge.space import changes
from optuna_bridge.space.changes import SpaceChanges, SpaceRequest
from optuna_bridge.space.current import CurrentSpace
from optuna_bridge.space.search_space import Parameter, SearchSpace

JSON = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
NAMES = ["rate", "layers", "units", "optimizer", "batch"]


@st.composite
def rates(draw: st.DrawFn) -> JSON:
    low = draw(st.floats(1e-6, 1))
    return {"type": "float", "low": low, "high": low * draw(st.floats(1.5, 100)), "log": True}


@st.composite
def layers(draw: st.DrawFn) -> JSON:
    low = 3 * draw(st.integers(-5, 5))
    return {"type": "int", "low": low, "high": low + draw(st.integers(3, 20)), "step": 3}


@st.composite
def units(draw: st.DrawFn) -> JSON:
    low = draw(st.integers(-10, 10))
    high = (low + draw(st.integers(1, 9))) / 10
    return {"type": "float", "low": low / 10, "high": high, "step": 0.1}


CHOICES = st.lists(st.sampled_from(["adam", "sgd", 3, 0.5, None, True]), min_size=1, unique=True)
SCALES = st.lists(st.sampled_from([8, 16, 24.5, 32, 64]), min_size=1, unique=True).map(sorted)
PARAMETERS: dict[str, st.SearchStrategy[JSON]] = {
    "rate": rates(),
    "layers": layers(),
    "units": units(),
    "optimizer": CHOICES.map(lambda choices: {"type": "categorical", "choices": choices}),
    "batch": SCALES.map(lambda values: {"type": "ordinal", "values": values}),
}


@st.composite
def spaces(draw: st.DrawFn) -> list[JSON]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    return [{"name": name, **draw(PARAMETERS[name])} for name in names]


def value_in(draw: Draw, parameter: Mapping[str, Any]) -> Any:
    for key in ("choices", "values"):
        if key in parameter:
            return draw(st.sampled_from(parameter[key]))
    low, high, step = parameter["low"], parameter["high"], parameter.get("step")
    if step is None:
        return draw(st.floats(low, high))
    n = draw(st.integers(0, int((high - low) / step + 1e-9)))
    return low + n * step if parameter["type"] == "int" else round(low + n * step, 1)


class Stored:
    """A study's space, and trials of all its versions."""

    def __init__(self, space: list[JSON]) -> None:
        self.stored: Sequence[Parameter] = space
        self.retired: JSON = {}
        self.current = CurrentSpace(SearchSpace(space))
        self.trials: list[tuple[JSON, list[float | None]]] = []  # what they should be, and are

    def add_trial(self, draw: Draw) -> None:
        params = {each["name"]: value_in(draw, each) for each in self.current.parameters}
        assert not self.current.space.faults(params | dict(self.current.constants))
        as_drawn = self.current.space.to_internal(params | dict(self.current.constants))
        self.trials.append(
            (params | dict(self.current.constants), list(self.current.to_stored(as_drawn)))
        )

    def change(self, draw: Draw, space: list[JSON]) -> None:
        old, new = ({each["name"]: each for each in all_} for all_ in (self.stored, space))
        request = SpaceRequest(
            space,
            defaults={name: value_in(draw, new[name]) for name in new.keys() - old.keys()},
            retired={
                name: value_in(draw, old[name])
                for name in old.keys() - new.keys() - self.retired.keys()
            },
        )
        possible = SpaceChanges(self.stored, self.retired)
        assert (possible.faults(request), possible.conflicts(request)) == ([], [])
        change = possible.apply(request)
        self.stored, self.retired = change.stored, change.retired
        self.current = CurrentSpace(SearchSpace(change.stored), space, change.retired)
        self.trials = [
            ({**params, **request.defaults}, change.converted(internal))
            for params, internal in self.trials
        ]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_trials_keep_their_values_in_all_versions(data: st.DataObject) -> None:
    first, *others = data.draw(st.lists(spaces(), min_size=2, max_size=4))
    study = Stored(first)
    study.add_trial(data.draw)
    for space in others:
        study.change(data.draw, space)
        study.add_trial(data.draw)
    stored = SearchSpace(study.stored)
    for params, internal in study.trials:
        read = stored.to_external(internal)
        assert read.keys() == params.keys()
        assert all(read[name] == pytest.approx(value) for name, value in params.items())
        assert not stored.faults(read)
        # A sampler learns from exactly the trials that could be suggested now.
        free = {each["name"]: params[each["name"]] for each in study.current.parameters}
        is_inside = not SearchSpace(study.current.parameters).faults(free)
        learnt = study.current.as_learnt(internal)
        assert (learnt is not None) == is_inside
        if learnt is not None:
            seen = study.current.space.to_external(learnt)
            assert not study.current.space.faults(seen)
            assert {k: seen[k] for k in study.current.constants} == study.current.constants
            assert all(seen[name] == pytest.approx(value) for name, value in free.items())
        is_repeatable = not study.current.space.faults(params)
        assert study.current.contains(internal) == is_repeatable


RATE = {"type": "float", "name": "rate", "low": 0.1, "high": 1.0}
DEPTH = {"type": "int", "name": "depth", "low": 2, "high": 8}
STEPS = {"type": "float", "name": "s", "low": 0.0, "high": 1.0, "step": 0.1}
KIND = {"type": "categorical", "name": "kind", "choices": ["a", 1]}


@pytest.mark.parametrize(
    ("old", "new", "conflict"),
    [
        (RATE, RATE | {"type": "int", "low": 1, "high": 2}, "type is float, not int"),
        (RATE, RATE | {"log": True}, "log is false, not true"),
        (RATE, RATE | {"step": 0.1}, "step is None, not 0.1"),
        (DEPTH, DEPTH | {"step": 2}, "step is 1, not 2"),
        (STEPS, STEPS | {"low": 0.05}, "low (0.05) is not one of the values so far, in steps of 0"),
        (RATE | {"low": -1e308, "high": 0.0}, RATE | {"high": 1e308}, "the range of all versions"),
        (STEPS, STEPS | {"low": 1e300, "high": 1e300}, "the range of all versions"),
        (KIND, KIND | {"choices": [True]}, "choice true equals an earlier one of another type"),
    ],
)
def test_other_type_or_scale_is_a_conflict(old: JSON, new: JSON, conflict: str) -> None:
    [found] = SpaceChanges([old], {}).conflicts(SpaceRequest([new]))
    assert found.startswith(f'parameter "{old["name"]}": {conflict}')


def test_union_is_as_small_as_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_CHOICES", 3)
    monkeypatch.setattr(changes, "MAX_PARAMETERS", 1)
    request = SpaceRequest([KIND | {"choices": ["b", "c"]}, RATE], defaults={"rate": 0.5})
    assert SpaceChanges([KIND], {}).conflicts(request) == [
        'parameter "kind": with the earlier ones there would be 4 values, and the maximum is 3',
        "with the retired ones there would be 2 parameters, the maximum is 1",
    ]


@pytest.mark.parametrize(
    ("request_of", "path", "fault"),
    [
        (lambda: SpaceRequest([RATE, DEPTH]), ("defaults", "depth"), "it is new: give the value"),
        (
            lambda: SpaceRequest([RATE, DEPTH], {"depth": 9}),
            ("defaults", "depth"),
            "9 is not an integer from 2 to 8",
        ),
        (lambda: SpaceRequest([RATE], {"rate": 0.2}), ("defaults", "rate"), "is not a new one"),
        (
            lambda: SpaceRequest([DEPTH], {"depth": 2}),
            ("retired", "rate"),
            "it is left out: give the value",
        ),
        (
            lambda: SpaceRequest([DEPTH], {"depth": 2}, {"rate": 2}),
            ("retired", "rate"),
            "2 is not a number from 0.1 to 1.0",
        ),
        (lambda: SpaceRequest([RATE], {}, {"rate": 1}), ("retired", "rate"), "is in search_space"),
        (lambda: SpaceRequest([RATE], {}, {"x": 1}), ("retired", "x"), "is not one of the study's"),
    ],
)
def test_values_of_new_and_retired_parameters_are_checked(
    request_of: Callable[[], SpaceRequest], path: tuple[str, str], fault: str
) -> None:
    [(at, text)] = SpaceChanges([RATE], {}).faults(request_of())
    assert at == path
    assert fault in text


def test_retired_parameter_returns_with_its_trials() -> None:
    possible = SpaceChanges([RATE, DEPTH], {"depth": 4})
    request = SpaceRequest([RATE, DEPTH | {"high": 12}])
    assert (possible.faults(request), possible.conflicts(request)) == ([], [])
    change = possible.apply(request)
    assert change.stored == [RATE, DEPTH | {"high": 12}]
    assert change.retired == {}


# Of each value that the parent may have, whether a trial with it has the child.
HAS_CHILD = {"a": True, "b": False, "c": True, "d": False, 5: True}


@st.composite
def conditional_spaces(draw: st.DrawFn) -> list[JSON]:
    """Return a parent with some of its values, and a child that has no condition on the others."""
    choices = draw(st.lists(st.sampled_from(list(HAS_CHILD)), min_size=1, unique=True))
    choices += [] if any(HAS_CHILD[each] for each in choices) else ["a"]
    when = [each for each in choices if HAS_CHILD[each]]
    parent = {"name": "parent", "type": "categorical", "choices": choices}
    child = {"name": "child", **draw(rates()), "when": {"parent": draw(st.permutations(when))}}
    return draw(st.permutations([parent, child]))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_trials_have_the_same_active_parameters_in_all_versions(data: st.DataObject) -> None:
    first, *others = data.draw(st.lists(conditional_spaces(), min_size=2, max_size=4))
    stored, current = list[Parameter](first), CurrentSpace(SearchSpace(first))
    trials: list[tuple[JSON, list[float | None]]] = []
    for space in [None, *others]:
        if space is not None:
            possible, request = SpaceChanges(stored, {}), SpaceRequest(space)
            assert (possible.faults(request), possible.conflicts(request)) == ([], [])
            change = possible.apply(request)
            stored, current = change.stored, CurrentSpace(SearchSpace(change.stored), space)
            trials = [(params, change.converted(internal)) for params, internal in trials]
        drawn = {each["name"]: value_in(data.draw, each) for each in current.parameters}
        params = current.space.active_only(drawn)
        assert ("child" in params) == HAS_CHILD[params["parent"]]
        trials.append((params, list(current.to_stored(current.space.to_internal(params)))))
        for params, internal in trials:
            space_of_all = SearchSpace(stored)
            assert space_of_all.to_external(internal) == params
            assert not space_of_all.faults(params)
            assert space_of_all.is_complete(internal)
            learnt = current.as_learnt(internal)
            assert (learnt is not None) == (not current.space.value_faults(params))
            if learnt is not None:
                assert not current.space.faults(params)
                assert current.space.is_complete(learnt)
