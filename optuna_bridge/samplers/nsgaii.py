"""NSGA-II with parents that are completed trials only, and an ask that costs little."""

import optuna

from optuna_bridge.samplers.genetic import BoundedGeneticSampler


class NSGAIISampler(BoundedGeneticSampler, optuna.samplers.NSGAIISampler):
    """Stock NSGA-II, which has this name: the keys of its attributes contain it."""
