"""The sampler and the pruner of a local study: they ask the service, and tell it the results."""

import os
import warnings
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner._sync.study import Study
from tuner._worker.suggestions import value_of
from tuner.errors import ConfigurationError, SpaceMismatch
from tuner.optuna.distributions import as_in_optuna
from tuner.optuna.evaluation import Evaluation, give_back
from tuner.space import to_distribution


class RemotePruner(BasePruner):
    """Reports the intermediate values of a local trial, and returns what the service decides."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether to end a trial: pruned, not needed any more, or given to another worker.

        Raises:
            ConfigurationError: the sampler of the local study is not a `RemoteSampler`.
        """
        if not isinstance(study.sampler, RemoteSampler):
            raise ConfigurationError(
                f"RemotePruner cannot prune the trials of {study.sampler}: pass "
                "sampler=RemoteSampler(study), too"
            )
        return study.sampler.should_prune(study, trial)


class RemoteSampler(BaseSampler):
    """Asks the service for the parameters of each local trial, and tells it the result.

    The trial of the service begins with the first parameter that the objective asks for. When the
    study has ended, `optimize` is stopped, and the local trial that found nothing to evaluate is
    pruned: one for each of `n_jobs`.

    Args:
        study: of the service.

    Raises:
        SpaceMismatch: the study does not exist yet.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._space = {name: as_in_optuna(name, each) for name, each in study.space.items()}
        # By the local study and the number of its trial.
        self._evaluations: dict[tuple[str, int], Evaluation] = {}
        # A process that is ended, as by SIGTERM, leaves the objective without `after_trial`.
        weakref.finalize(self, give_back, self._evaluations, os.getpid())

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out the running trials, which belong to this process."""
        return type(self), (self._study,)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Check what Optuna would use without a word.

        Raises:
            ConfigurationError: the directions differ, or the trial is of the local queue.
        """
        directions = [StudyDirection(direction) for direction in self._study.directions]
        if study.directions != directions:
            raise ConfigurationError(
                f'study "{self._study.name}" is to {_words(directions)}, and the local one to '
                f"{_words(study.directions)}: create the local one with the same directions"
            )
        if "fixed_params" in trial.system_attrs:
            raise ConfigurationError(
                "enqueue_trial of a local study bypasses the service: call enqueue of tuner.Study"
            )
        if not isinstance(study.pruner, RemotePruner):
            warnings.warn(
                f"{type(study.pruner).__name__} prunes by the trials of this process only: pass "
                "pruner=RemotePruner(), too",
                stacklevel=2,
            )

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: Optuna compares the class of these with what is asked for, no bounds."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing: see `infer_relative_search_space`."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the service's value of a parameter.

        Raises:
            SpaceMismatch: the service's study has no such parameter, or has it with other bounds.
            TrialPruned: the study has ended.
        """
        # Compared first, so that a wrong objective costs no trial.
        self._value(param_name, param_distribution, self._space)
        key = study.study_name, trial.number
        if key not in self._evaluations:
            self._evaluations[key] = Evaluation.begin(self._study) or self._end(study)
        return self._value(param_name, param_distribution, self._evaluations[key].trial.params)

    def should_prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Report the new intermediate values of a trial, and tell whether to end it."""
        evaluation = self._evaluations.get((study.study_name, trial.number))
        return evaluation is not None and evaluation.should_prune(trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the service the result.

        Raises:
            SpaceMismatch: the objective asked for a constant that the service's study has not.
        """
        evaluation = self._evaluations.pop((study.study_name, trial.number), None)
        if evaluation is None:
            if state == TrialState.COMPLETE:
                raise SpaceMismatch(
                    "the objective asked for no parameter with more than one value, so that its "
                    f'result belongs to no trial of study "{self._study.name}"'
                )
            return
        with evaluation.ending():
            # Optuna asks no sampler for a parameter with a single value.
            for name, distribution in trial.distributions.items():
                self._value(name, distribution, evaluation.trial.params)
            evaluation.tell(trial, state, values)

    def _value(self, name: str, asked: BaseDistribution, params: Mapping[str, Any]) -> Any:
        distribution = to_distribution(name, asked)
        return value_of(name, distribution, params, self._space, self._study.name)

    def _end(self, study: optuna.Study) -> NoReturn:
        with suppress(RuntimeError):  # outside of `optimize` there is nothing to stop
            study.stop()
        raise optuna.TrialPruned(f'study "{self._study.name}" hands out no more trials')


def _words(directions: Sequence[StudyDirection]) -> str:
    return ", ".join(direction.name.lower() for direction in directions)
