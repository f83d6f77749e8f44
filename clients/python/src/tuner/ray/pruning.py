"""The service's pruner, as a scheduler of Ray Tune."""

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from tuner.ray.search import TunerSearch


class TunerPruning(FIFOScheduler):
    """Stops the trials that the service's pruner, or the end of the study, advises to stop."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        search = tune_controller.search_alg
        while not isinstance(search, TunerSearch):
            search = search.searcher  # of Tune's generator, or of a ConcurrencyLimiter
        is_over = search.report_for_pruning(trial.trial_id, result)
        decision: str = self.STOP if is_over else self.CONTINUE
        return decision
