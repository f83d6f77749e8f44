"""A first trial without a study: it records which parameters an objective asks for.

The parameters of this one trial are drawn by the client; all others come from the service.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuner._wire.requests import as_step, encode, finite_or_none
from tuner._worker.drawing import draw
from tuner._worker.outcomes import is_pruned
from tuner._worker.suggestions import Suggestions, as_optuna_trial
from tuner.errors import ApiError, SpaceMismatch
from tuner.space import Distribution, SearchSpace

if TYPE_CHECKING:
    from tuner._async.study import AsyncStudy

_log = logging.getLogger("tuner")


class AsyncFirstTrial(Suggestions):
    """What the objective receives in the first trial.

    Attributes:
        study: the study, which does not exist yet.
        space: the parameters asked for so far.
        params: their values.
    """

    number = 0
    trial_id = 0
    next_step = 0

    def __init__(self, study: "AsyncStudy") -> None:
        self.study = study
        self.space: SearchSpace = {}
        self.params: dict[str, Any] = {}
        self.user_attrs: dict[str, Any] = {}
        self.constraints: dict[str, float] = {}
        self.intermediate_values: dict[int, float | None] = {}

    def _suggest(self, name: str, distribution: Distribution) -> Any:
        if self.space.setdefault(name, distribution) != distribution:
            raise SpaceMismatch(
                f'the objective asks for parameter "{name}" twice, as {self.space[name]} and as '
                f"{distribution}: a parameter has one distribution"
            )
        if name not in self.params:
            self.params[name] = draw(distribution)
        return self.params[name]

    async def report(self, value: float | Mapping[int, float], step: int | None = None) -> None:
        """Record an intermediate value, or several."""
        many = value if isinstance(value, Mapping) else {step: value}
        self.intermediate_values.update(
            {as_step(at): finite_or_none(each) for at, each in many.items()}
        )

    def should_prune(self) -> bool:
        """Return False: there are no other trials to compare with."""
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        """Record a user attribute; raises TypeError or ValueError if it has no form in JSON."""
        encode(value)
        self.user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Record the value of a constraint."""
        self.constraints[key] = float(value)


async def create_from_first_trial(study: "AsyncStudy", objective: Callable[[Any], Any]) -> None:
    """Evaluate an objective once, create the study from what it asked for, and record the result.

    Raises:
        Exception: what the objective raised; then no study is created, since the parameters that
            it would have asked for are not known.
    """
    as_optuna_trial(AsyncFirstTrial)
    trial = AsyncFirstTrial(study)
    state, values = "COMPLETE", None
    try:
        values = await objective(trial)
    except Exception as error:
        if not is_pruned(error):
            raise
        state = "PRUNED"
    if not trial.space:
        raise SpaceMismatch("the objective asked for no parameter: expected calls of suggest_*")
    await study.create(trial.space, constraints=sorted(trial.constraints) or None)
    try:
        await study.add(
            trial.params,
            values,
            state=state,
            intermediate_values=trial.intermediate_values,
            constraints=trial.constraints or None,
            user_attrs=trial.user_attrs or None,
        )
    except ApiError as error:
        if error.code != "max_trials_exceeded":
            raise
        _log.warning("the first trial is not recorded: other workers have used up the budget")
