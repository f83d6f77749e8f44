"""A first trial without a study: it records which parameters an objective asks for.

The parameters of this one trial are drawn by the client; all others come from the service.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuner._wire.requests import are_finite, as_step, as_values, encode, finite_or_none
from tuner._worker.drawing import draw
from tuner._worker.outcomes import as_reason, is_pruned
from tuner._worker.suggestions import Suggestions, as_optuna_trial
from tuner.answers import FrozenTrial, ReportReply
from tuner.errors import ApiError, SpaceMismatch, StudyEnded
from tuner.space import Distribution, SearchSpace, is_same

if TYPE_CHECKING:
    from tuner._sync.study import Study

_log = logging.getLogger("tuner")


class FirstTrial(Suggestions):
    """What the objective receives in the first trial.

    Attributes:
        study: the study, which does not exist yet.
        space: the parameters asked for so far.
        params: their values.
    """

    number = 0
    trial_id = 0
    next_step = 0

    def __init__(self, study: "Study", fixed: Mapping[str, Any]) -> None:
        self.study = study
        self._fixed = fixed
        self.space: SearchSpace = {}
        self.params: dict[str, Any] = {}
        self.user_attrs: dict[str, Any] = {}
        self.constraints: dict[str, float] = {}
        self.intermediate_values: dict[int, float | None] = {}

    def _suggest(self, name: str, distribution: Distribution) -> Any:
        if not is_same(self.space.setdefault(name, distribution), distribution):
            raise SpaceMismatch(
                f'the objective asks for parameter "{name}" twice, as {self.space[name]} and as '
                f"{distribution}: a parameter has one distribution"
            )
        if name not in self.params:
            is_fixed = name in self._fixed
            self.params[name] = self._fixed[name] if is_fixed else draw(distribution)
        return self.params[name]

    @property
    def distributions(self) -> SearchSpace:
        """The parameters asked for so far."""
        return dict(self.space)

    def report(
        self,
        value: float | Mapping[int, float],
        step: int | None = None,
        *,
        attrs: Mapping[str, Any] | None = None,
        raises: bool | None = None,
    ) -> ReportReply:
        """Record an intermediate value, or several; nothing is advised."""
        for key, each in (attrs or {}).items():
            self.set_user_attr(key, each)
        many = value if isinstance(value, Mapping) else {step: value}
        self.intermediate_values.update(
            {as_step(at): finite_or_none(each) for at, each in many.items()}
        )
        return ReportReply(None, should_stop=False)

    def should_prune(self) -> bool:
        """Return False: there are no other trials to compare with."""
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        """Record a user attribute; raises TypeError or ValueError if it has no form in JSON."""
        encode({key: value})
        self.user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Record the value of a constraint."""
        self.constraints[key] = float(value)


def create_from_first_trial(
    study: "Study", objective: Callable[[Any], Any], fixed: Mapping[str, Any]
) -> FrozenTrial | None:
    """Evaluate an objective once, create the study from what it asked for, and record the result.

    Returns:
        The recorded trial; None if other workers have ended the study meanwhile.

    Raises:
        SpaceMismatch: the objective asked for no parameter, or in another worker for others.
        Exception: what the objective raised; then no study is created, since the parameters that
            it would have asked for are not known.
    """
    as_optuna_trial(FirstTrial)
    trial = FirstTrial(study, fixed)
    outcome = _evaluate(trial, objective)
    if not trial.space:
        raise SpaceMismatch("the objective asked for no parameter: expected calls of suggest_*")
    _create(study, trial)
    try:
        return study.add(
            trial.params,
            intermediate_values=trial.intermediate_values,
            constraints=trial.constraints or None,
            user_attrs=trial.user_attrs or None,
            **outcome,
        )
    except ApiError as error:
        if not isinstance(error, StudyEnded) and error.code != "max_trials_exceeded":
            raise
        _log.warning("the first trial is not recorded: other workers have ended the study")
        return None


def _evaluate(trial: FirstTrial, objective: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the state and the values, or the reason, of the first trial."""
    try:
        result = objective(trial)
    except Exception as error:
        if is_pruned(error):
            return {"state": "PRUNED"}
        raise
    try:
        values = as_values(result)
    except (TypeError, ValueError):
        values = math.nan
    if are_finite(values):
        return {"values": values}
    return {"state": "FAIL", "reason": as_reason(f"the objective returned {result!r}")}


def _create(study: "Study", trial: FirstTrial) -> None:
    try:
        study.create(trial.space, constraints=sorted(trial.constraints) or None)
    except ApiError as error:
        if error.code != "study_conflict":
            raise
        raise SpaceMismatch(
            f"another worker has created the study from other parameters ({error.detail}): declare "
            "every parameter of the objective in `space` of `create_study`"
        ) from error
