"""Trials of the service in Ray Tune: `TunerSearch` suggests them, `TunerPruning` stops them early.

    config = tune.TuneConfig(
        search_alg=TunerSearch(study, metric="loss"), scheduler=TunerPruning(), num_samples=-1
    )

Tune starts the evaluations, and starts them again; sampler, pruner, budgets and leases are the
service's, and so is all state: what Tune saves of a searcher are names.
"""

from tuner.ray.pruning import TunerPruning
from tuner.ray.search import TunerSearch

__all__ = ["TunerPruning", "TunerSearch"]
