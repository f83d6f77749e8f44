"""The answers of trials are those of DRF's serializers and renderer, byte for byte."""

import json
from datetime import UTC
from math import isfinite
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support.study_builders import MIXED_SPACE
from trials.api.serializers import OfferSerializer, TrialSerializer
from trials.models import Trial
from tuner_project.rest.renderers import CompactJSONRenderer

STUDY = Study(id=3, name="search", search_space=MIXED_SPACE, directions=["minimize"])
STUDY.constraints = ["size", "time"]
_MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
_NUMBERS = st.none() | st.integers(0, 2**31 - 1)
_FLOATS = st.floats()  # also NaN and infinities
_JSON = st.none() | st.booleans() | st.integers() | st.text() | st.floats(width=32).filter(isfinite)
_ATTRS = st.dictionaries(st.text(), _JSON)


def _trial(steps: dict[int, float], retry_refused: str | None, **fields: Any) -> Trial:
    trial = Trial(id=9, study=STUDY, revision=1, **fields)
    trial.steps, trial.step_values = list(steps), list(steps.values())
    trial.retry_refused = retry_refused
    return trial


_TRIALS = st.builds(
    _trial,
    steps=st.dictionaries(st.integers(0, 2**31 - 1), _FLOATS, max_size=4),
    retry_refused=st.none() | st.text(),
    number=st.integers(0, 2**31 - 1),
    state=st.sampled_from([*TrialState.values, *TrialState]),
    values=st.none() | st.lists(_FLOATS, max_size=3),
    internal_params=st.tuples(
        st.floats(1e-4, 0.1), st.just(0.75), st.just(32.0), st.none() | st.sampled_from([0.0, 2.0])
    ).map(list),
    datetime_start=_MOMENTS,
    datetime_complete=_MOMENTS,
    reason=st.text(),
    constraints=st.none() | st.lists(_FLOATS, min_size=2, max_size=2),
    priority=st.integers(-(2**31), 2**31 - 1),
    worker_id=st.text(),
    lease_expires_at=_MOMENTS,
    reoffers=st.integers(0, 5),
    infeasible=st.booleans(),
    attempt=st.integers(1, 5),
    retry_of=_NUMBERS,
    retried_as=_NUMBERS,
    cancelled_retry=_NUMBERS,
    repeat_group=_NUMBERS,
    repeat_index=st.none() | st.integers(0, 99),
    user_attrs=_ATTRS,
)


@settings(max_examples=50)
@given(_TRIALS)
def test_trial_is_answered_as_by_drf(trial: Trial) -> None:
    for serializer in (TrialSerializer(), OfferSerializer()):
        found = serializer.to_representation(trial)
        expected = serializers.Serializer.to_representation(serializer, trial)
        assert list(found.items()) == list(expected.items())
        content = CompactJSONRenderer().render(found)
        assert content == JSONRenderer().render(expected, "application/json", {})
        assert json.loads(content) == json.loads(json.dumps(expected, allow_nan=False))
