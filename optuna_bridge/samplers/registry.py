"""The samplers: a registry from name to Optuna's sampler and its options.

The private names of Optuna's samplers are touched here, in `tpe`, `parzen`, `truncated_normal`
and `columns` alone.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
)
from optuna.trial import FrozenTrial

from optuna_bridge.options import SEED, Kind, Option
from optuna_bridge.samplers.tpe import ColumnTPESampler


class NumberedQMCSampler(QMCSampler):
    """Optuna's QMC sampler, with the point of a sequence chosen by the trial's number.

    Stock Optuna counts the points in a study attribute that concurrent workers read and write
    without a lock, so that they draw the same points. Asked in sequence, both draw the same.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(
            **options, warn_asynchronous_seeding=False, warn_independent_sampling=False
        )
        self._distributions = dict(distributions)
        self._number = 0
        self.is_at_random = False

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self._number = trial.number
        # As in Optuna, the first trial is drawn at random.
        return {} if self.is_at_random or trial.number == 0 else self._distributions

    # Replaces the counter in the study's attributes.
    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number - 1


SAMPLERS: dict[str, Kind] = {
    "tpe": Kind(
        build=lambda options, distributions: ColumnTPESampler(distributions, **options),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before the model.", 0, 10**6),
            "multivariate": Option("bool", True, "Model the parameters jointly."),
            "constant_liar": Option("bool", True, "Keep away from points that still run."),
            "group": Option("bool", False, "Model groups of parameters that occur together."),
            "n_ei_candidates": Option("int", 24, "Candidates for expected improvement.", 1, 10**5),
        },
        conflicts=lambda options: (
            [("group", "group needs multivariate: true")]
            if options["group"] and not options["multivariate"]
            else []
        ),
    ),
    "gp": Kind(
        build=lambda options, distributions: GPSampler(**options, warn_independent_sampling=False),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before the model.", 0, 10**6),
            "deterministic_objective": Option("bool", False, "The objective has no noise."),
        },
    ),
    "random": Kind(
        build=lambda options, distributions: RandomSampler(**options), options={"seed": SEED}
    ),
    "nsgaii": Kind(
        build=lambda options, distributions: NSGAIISampler(**options),
        options={
            "seed": SEED,
            "population_size": Option("int", 50, "Trials in a generation.", 2, 10**6),
            "mutation_prob": Option(
                "float", None, "Chance that a parameter mutates; null: 1 / their number.", 0, 1
            ),
            "crossover_prob": Option("float", 0.9, "Chance of a crossover.", 0, 1),
            "swapping_prob": Option("float", 0.5, "Chance to swap a parameter.", 0, 1),
        },
    ),
    "qmc": Kind(
        build=lambda options, distributions: NumberedQMCSampler(distributions, **options),
        options={
            "seed": SEED,
            "qmc_type": Option(
                "choice", "sobol", "The quasi-random sequence.", choices=("sobol", "halton")
            ),
            "scramble": Option("bool", False, "Randomise the sequence."),
        },
    ),
}


def build_sampler(
    name: str, options: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> BaseSampler:
    """A fresh sampler of this kind, with all its options given."""
    with warnings.catch_warnings():
        # The wire offers `group` and `deterministic_objective` knowing that they may change.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[name].build(options, distributions)


def reads_columns(sampler: BaseSampler) -> bool:
    """Whether it asks its storage for the trials as columns (`ColumnStorage`)."""
    return isinstance(sampler, ColumnTPESampler)


def thinks(sampler: BaseSampler) -> bool:
    """Whether a draw takes longer than giving a database connection back and taking one again."""
    return type(sampler) is not RandomSampler


def notes_on_trials(sampler: BaseSampler) -> bool:
    """Whether it learns only from trials on which it noted something when they were asked for."""
    return isinstance(sampler, NSGAIISampler)


def draws_by_number(sampler: BaseSampler) -> bool:
    """Whether the trial's number decides the point, so that it must be known before."""
    return isinstance(sampler, NumberedQMCSampler)


MAX_REDRAWS = 5


def max_redraws(sampler: BaseSampler) -> int:
    """How often it is worth to let it draw again, for another point than one that is taken.

    A Gaussian process takes its time, and comes to the same point again.
    """
    return 1 if isinstance(sampler, GPSampler) else MAX_REDRAWS


@contextmanager
def drawing_again(sampler: BaseSampler) -> Iterator[None]:
    """Let a quasi-random sampler, for which a number has but one point, draw at random."""
    if not isinstance(sampler, NumberedQMCSampler):
        yield
        return
    sampler.is_at_random = True
    try:
        yield
    finally:
        sampler.is_at_random = False


def reseed(sampler: BaseSampler, seed: int, number: int) -> None:
    """Make what the sampler draws next depend on the study's seed and the trial's number alone.

    In place, since NSGA-II's crossover shares the generator. Four words, since one of 32 bits
    collided within 100,000 numbers.
    """
    state = np.random.SeedSequence((seed, number)).generate_state(4)
    owners: list[Any] = [
        sampler,
        getattr(sampler, "_random_sampler", None),
        getattr(sampler, "_independent_sampler", None),
    ]
    for owner in owners:
        if hasattr(owner, "_rng"):
            owner._rng.rng.seed(state)
    if isinstance(sampler, GPSampler):
        # The last fit is the next one's starting point, and another process has another.
        sampler._gprs_cache_list = None
